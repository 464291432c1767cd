use std::net::SocketAddrV4;

use ipnet::Ipv4Net;

/// Ethernet, IPv4, TCP with an MSS option.
pub const LEN: usize = 14 + 20 + 24;
/// Without options.
const ACK_LEN: usize = 14 + 20 + 20;
const IP: usize = 14;
const TCP: usize = 34;
const FIRST_PORT: u32 = 1024;
const PORTS: u32 = 65_536 - FIRST_PORT;

/// Writes one SYN after the other, each from another source. The sums of what never changes are
/// kept, so that a checksum costs a few additions and is exact.
pub struct Syn {
    template: [u8; LEN],
    ip_sum: u32,
    tcp_sum: u32,
    base: u32,
    hosts: u32,
    next: u32,
}

impl Syn {
    pub fn new(from: [u8; 6], to: [u8; 6], source: Ipv4Net, peer: SocketAddrV4) -> Syn {
        let mut template = [0; LEN];
        template[..6].copy_from_slice(&to);
        template[6..12].copy_from_slice(&from);
        template[12..14].copy_from_slice(&[0x08, 0x00]);
        // Version and length, TOS, total length, identification, don't fragment, TTL, TCP.
        template[IP..IP + 10].copy_from_slice(&[0x45, 0, 0, 44, 0, 0, 0x40, 0, 64, 6]);
        template[IP + 16..IP + 20].copy_from_slice(&peer.ip().octets());
        template[TCP + 2..TCP + 4].copy_from_slice(&peer.port().to_be_bytes());
        // Data offset of six words, SYN, a window of 64240, then an MSS of 1460.
        template[TCP + 12..TCP + 16].copy_from_slice(&[0x60, 0x02, 0xfa, 0xf0]);
        template[TCP + 20..].copy_from_slice(&[2, 4, 0x05, 0xb4]);
        let ip_sum = sum(&template[IP..TCP]);
        let tcp_sum = sum(&template[IP + 16..IP + 20]) + 6 + 24 + sum(&template[TCP..]);
        let hosts = (1u32 << (32 - source.prefix_len().clamp(1, 31))).saturating_sub(2).max(1);
        Syn { template, ip_sum, tcp_sum, base: source.network().to_bits(), hosts, next: 0 }
    }

    /// Says how long the frame is, and its sequence number, which counts from 0.
    pub fn write(&mut self, frame: &mut [u8]) -> (usize, u32) {
        let seq = self.next;
        self.next = seq.wrapping_add(1);
        let (source, port) = self.source(seq);
        let addresses = (source >> 16) + (source & 0xffff);
        let numbers = (seq >> 16) + (seq & 0xffff) + port;
        let Some(frame) = frame.first_chunk_mut::<LEN>() else { return (0, seq) };
        *frame = self.template;
        frame[IP + 12..IP + 16].copy_from_slice(&source.to_be_bytes());
        frame[IP + 10..IP + 12].copy_from_slice(&folded(self.ip_sum + addresses));
        frame[TCP..TCP + 2].copy_from_slice(&(port as u16).to_be_bytes());
        frame[TCP + 4..TCP + 8].copy_from_slice(&seq.to_be_bytes());
        frame[TCP + 16..TCP + 18].copy_from_slice(&folded(self.tcp_sum + addresses + numbers));
        (LEN, seq)
    }

    /// Turns the frame of a SYN-ACK into the ACK that completes the handshake of SYN `seq`, and
    /// says how long it is.
    pub fn acknowledge(&self, seq: u32, isn: u32, frame: &mut [u8]) -> usize {
        let (source, port) = self.source(seq);
        let Some(frame) = frame.first_chunk_mut::<ACK_LEN>() else { return 0 };
        frame.copy_from_slice(&self.template[..ACK_LEN]);
        frame[IP + 3] = 40;
        frame[IP + 12..IP + 16].copy_from_slice(&source.to_be_bytes());
        frame[TCP..TCP + 2].copy_from_slice(&(port as u16).to_be_bytes());
        frame[TCP + 4..TCP + 8].copy_from_slice(&seq.wrapping_add(1).to_be_bytes());
        frame[TCP + 8..TCP + 12].copy_from_slice(&isn.wrapping_add(1).to_be_bytes());
        frame[TCP + 12..TCP + 14].copy_from_slice(&[0x50, 0x10]);
        let ip_sum = folded(sum(&frame[IP..TCP]));
        let tcp_sum = folded(sum(&frame[IP + 12..]) + 6 + 20);
        frame[IP + 10..IP + 12].copy_from_slice(&ip_sum);
        frame[TCP + 16..TCP + 18].copy_from_slice(&tcp_sum);
        ACK_LEN
    }

    /// Whence a SYN comes: address and port.
    fn source(&self, seq: u32) -> (u32, u32) {
        (self.base + 1 + seq / PORTS % self.hosts, FIRST_PORT + seq % PORTS)
    }
}

fn sum(octets: &[u8]) -> u32 {
    octets.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum()
}

/// The Internet checksum of a sum of 16-bit words (RFC 1071).
fn folded(sum: u32) -> [u8; 2] {
    let once = (sum >> 16) + (sum & 0xffff);
    let twice = (once >> 16) + (once & 0xffff);
    (!(twice as u16)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{SlicedPacket, TransportSlice};

    #[test]
    fn checksums_are_those_of_etherparse_and_sources_are_distinct() {
        let mut syn =
            Syn::new([2; 6], [4; 6], "10.77.0.0/16".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        let mut seen = std::collections::HashSet::new();
        for number in [0u32, 1, 64_511, 64_512, 200_000, 4_000_000_000] {
            syn.next = number;
            let mut frame = [0; 100];
            assert_eq!(syn.write(&mut frame), (LEN, number));
            let packet = SlicedPacket::from_ethernet(&frame[..LEN]).unwrap();
            let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else { panic!("IPv4") };
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum(), "{number}");
            let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("TCP") };
            let expected = tcp.calc_checksum_ipv4(header.source, header.destination).unwrap();
            assert_eq!(tcp.checksum(), expected, "{number}");
            assert!(tcp.syn() && !tcp.ack() && tcp.sequence_number() == number);
            assert!(seen.insert((header.source, tcp.source_port())), "{number}");
        }
    }
    #[test]
    fn the_acknowledgement_comes_from_where_the_syn_came() {
        let mut syn =
            Syn::new([2; 6], [4; 6], "10.77.0.0/16".parse().unwrap(), "10.0.0.1:80".parse().unwrap());
        syn.next = 70_000;
        let (mut first, mut second) = ([0; LEN], [0xff; LEN]);
        syn.write(&mut first);
        let len = syn.acknowledge(70_000, u32::MAX, &mut second);
        let packet = SlicedPacket::from_ethernet(&second[..len]).unwrap();
        let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else { panic!("IPv4") };
        let header = ip.header().to_header();
        assert_eq!(header.header_checksum, header.calc_header_checksum());
        let Some(TransportSlice::Tcp(tcp)) = &packet.transport else { panic!("TCP") };
        assert_eq!(tcp.checksum(), tcp.calc_checksum_ipv4(header.source, header.destination).unwrap());
        assert!(tcp.ack() && !tcp.syn());
        assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (70_001, 0));
        assert_eq!(first[IP + 12..TCP + 4], second[IP + 12..TCP + 4], "addresses and ports");
    }
}
