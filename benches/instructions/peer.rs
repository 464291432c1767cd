//! The other end of a connection: makes its segments, and reads from our answers what it needs for
//! the next one (our ISN, our TSval).

use handfast_stack::wire::{
    Flags, FlowKey4, FlowKey6, LinkHeader, Packet, PacketKey, ParseConfig, SegmentInfo, Seq, TcpOptions,
    Timestamps, TxSegment, parse, write_segment,
};

/// The kinds of clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// IPv4, and no option but the MSS, on the SYN: a load generator.
    MssOnly,
    /// IPv4, with the options of Linux: a SYN header of 40 bytes, timestamps on every segment.
    Linux,
    /// As `MssOnly`, over IPv6.
    Ipv6,
    /// As `MssOnly`, in turn from two neighbours.
    Neighbours,
    /// As `MssOnly`, to the addresses of a prefix.
    Prefix,
    /// As `MssOnly`, with a VLAN tag.
    Vlan,
}

impl Client {
    /// The address that its connections go to, as the rule of a service has it.
    pub const fn server(self) -> &'static str {
        match self {
            Client::Prefix => "198.18.1.0/24",
            Client::Ipv6 => "[2001:db8::1]",
            _ => "198.18.1.1",
        }
    }

    fn options(self, flags: Flags, timestamps: Timestamps) -> TcpOptions {
        match (self, flags.has(Flags::SYN)) {
            (Client::Linux, true) => TcpOptions::of_syn(Some(1460), Some(7), true, Some(timestamps)),
            (Client::Linux, false) => TcpOptions { timestamps: Some(timestamps), ..TcpOptions::default() },
            (Client::Ipv6, true) => TcpOptions::of_syn(Some(1440), None, false, None),
            (_, true) => TcpOptions::of_syn(Some(1460), None, false, None),
            (_, false) => TcpOptions::default(),
        }
    }

    /// As on the wire: the window of a SYN is never scaled (RFC 7323 2.2).
    fn window(self, flags: Flags) -> u16 {
        if self == Client::Linux && !flags.has(Flags::SYN) { 502 } else { 64_240 }
    }
}

/// A segment of the peer, and what we do with it.
#[derive(Clone, Copy)]
pub struct Step {
    pub flags: Flags,
    /// How far the peer's sequence number and ours have come since their ISNs.
    pub theirs: u32,
    pub acked: u32,
    /// Bytes.
    pub payload: usize,
    /// Number of segments that we answer with.
    pub answers: u32,
}

pub const ACK: Step = Step { flags: Flags::ACK, theirs: 1, acked: 1, payload: 0, answers: 0 };
pub const SYN: Step = Step { flags: Flags::SYN, theirs: 0, acked: 0, answers: 1, ..ACK };
pub const FIN: Step = Step { flags: Flags::ACK.with(Flags::FIN), answers: 1, ..ACK };
pub const LAST_ACK: Step = Step { theirs: 2, acked: 2, ..ACK };
pub const RST: Step = Step { flags: Flags::RST, acked: 0, ..ACK };
/// Of a connection that we close first.
pub const ACK_GETS_FIN: Step = Step { answers: 1, ..ACK };
pub const LAST_FIN: Step = Step { acked: 2, ..FIN };
/// In order, and the service reads it: an ACK.
pub const DATA: Step = Step { flags: Flags::ACK.with(Flags::PSH), payload: 64, answers: 1, ..ACK };

/// A frame, and its length.
pub type Frame = ([u8; 192], usize);

/// Bytes of a link header without tags.
const LINK_LEN: usize = 14;
/// Bytes of its two addresses.
const MACS_LEN: usize = 12;
/// Clients per address.
const PORTS: u32 = 1024;

/// One client's connection.
#[derive(Clone, Copy)]
pub struct Peer {
    number: u32,
    client: Client,
    /// The port of the service.
    port: u16,
    /// Our ISN, out of the answer to the SYN.
    ours: Seq,
    /// Its clock, milliseconds from an offset of the connection's own, and our latest TSval.
    timestamps: Timestamps,
}

impl Peer {
    pub fn new(number: u32, client: Client, port: u16) -> Peer {
        let timestamps = Timestamps { value: number.wrapping_mul(0x85eb_ca6b), echo: 0 };
        Peer { number, client, port, ours: Seq(0), timestamps }
    }

    /// The next segment, a millisecond after the one before.
    pub fn frame(&mut self, step: &Step) -> Frame {
        self.timestamps.value = self.timestamps.value.wrapping_add(1);
        let (high, low) = (self.number / PORTS, self.number % PORTS);
        let [_, a, b, c] = high.to_be_bytes();
        // From our point of view the client is remote; here it is the other way round.
        let (remote_port, local_port) = (self.port, (PORTS + low) as u16);
        match self.client {
            Client::Ipv6 => {
                let remote = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
                let local = [0x20, 1, 0xd, 0xb8, 1, a, b, c, 0, 0, 0, 0, 0, 0, 0, 1];
                self.write(step, &FlowKey6 { remote, local, remote_port, local_port })
            }
            client => {
                let host = if client == Client::Prefix { self.number as u8 } else { 1 };
                let (remote, local) = ([198, 18, 1, host], [10, a, b, c]);
                self.write(step, &FlowKey4 { remote, local, remote_port, local_port })
            }
        }
    }

    fn seq(&self, step: &Step) -> Seq {
        Seq(self.number.wrapping_mul(0x9e37_79b1)) + step.theirs
    }

    fn write<K: PacketKey>(&self, step: &Step, key: &K) -> Frame {
        let segment = TxSegment {
            seq: self.seq(step),
            ack: self.ours + step.acked,
            flags: step.flags,
            window: self.client.window(step.flags),
            options: self.client.options(step.flags, self.timestamps),
        };
        let mut frame = [0; 192];
        let neighbour = if self.client == Client::Neighbours { (self.number % 2) as u8 } else { 0 };
        let link = LinkHeader::untagged([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, neighbour, 2], K::ETHERTYPE);
        frame[..LINK_LEN].copy_from_slice(link.as_bytes());
        let tag: &[u8] = if self.client == Client::Vlan { &[0x81, 0, 0, 7] } else { &[] };
        let link_len = LINK_LEN + tag.len();
        frame.copy_within(MACS_LEN..LINK_LEN, MACS_LEN + tag.len());
        frame[MACS_LEN..][..tag.len()].copy_from_slice(tag);
        let payload = &[0xa5; 64][..step.payload];
        let len = write_segment(&mut frame, link_len, key, &segment, payload).expect("room in the frame");
        (frame, len)
    }

    /// Reads the answer to a segment, which acknowledges all of it.
    pub fn receive(&mut self, step: &Step, answer: &SegmentInfo) {
        let counts_as_one = step.flags.has(Flags::SYN.with(Flags::FIN));
        let next = self.seq(step) + u32::from(counts_as_one) + step.payload as u32;
        assert_eq!(answer.ack, next, "answer to {:?}", step.flags);
        if step.flags.has(Flags::SYN) {
            self.ours = answer.seq;
        }
        // Linux negotiated them.
        let timestamps = answer.options.timestamps;
        assert_eq!(timestamps.is_some(), self.client == Client::Linux, "timestamps of {answer:?}");
        if let Some(timestamps) = timestamps {
            assert_eq!(timestamps.echo, self.timestamps.value, "our echo of its latest TSval");
            self.timestamps.echo = timestamps.value;
        }
    }
}

/// A segment that we sent, its checksums verified, and the number of its client's connection, modulo
/// [`PORTS`].
pub fn read(answer: &[u8]) -> (u32, SegmentInfo) {
    let (port, info) = match parse(answer, &ParseConfig::default()) {
        Ok(Packet::Tcp4(segment)) => (segment.key.local_port, segment.info),
        Ok(Packet::Tcp6(segment)) => (segment.key.local_port, segment.info),
        other => panic!("no TCP segment: {other:?}"),
    };
    (u32::from(port) - PORTS, info)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The options of a frame over IPv4.
    fn options((frame, len): &Frame) -> &[u8] {
        let header_len = usize::from(frame[LINK_LEN + 32] >> 4) * 4;
        assert!(LINK_LEN + 20 + header_len <= *len);
        &frame[LINK_LEN + 40..LINK_LEN + 20 + header_len]
    }

    #[test]
    fn linux_options_byte_by_byte_with_an_echo_of_what_was_received() {
        let mut peer = Peer::new(0, Client::Linux, 80);
        let syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(options(&peer.frame(&SYN)), syn);
        peer.receive(
            &SYN,
            &SegmentInfo {
                seq: Seq(7),
                ack: Seq(1),
                flags: Flags::SYN.with(Flags::ACK),
                window: 0,
                payload_len: 0,
                options: TcpOptions::of_syn(None, None, false, Some(Timestamps { value: 9, echo: 1 })),
            },
        );
        assert_eq!(options(&peer.frame(&ACK)), [1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 9]);
        assert_eq!(options(&peer.frame(&DATA)), [1, 1, 8, 10, 0, 0, 0, 3, 0, 0, 0, 9]);
    }

    #[test]
    fn the_ethertype_follows_the_tag() {
        let (frame, _) = Peer::new(1, Client::Vlan, 80).frame(&SYN);
        assert_eq!(frame[MACS_LEN..LINK_LEN + 5], [0x81, 0, 0, 7, 8, 0, 0x45]);
        let (frame, _) = Peer::new(1, Client::Neighbours, 80).frame(&SYN);
        assert_eq!(frame[6..LINK_LEN + 1], [2, 0, 0, 0, 1, 2, 8, 0, 0x45]);
    }

    #[test]
    fn load_generators_send_an_mss_alone() {
        let mut peer = Peer::new(0, Client::MssOnly, 80);
        assert_eq!(options(&peer.frame(&SYN)), [2, 4, 5, 180]);
        assert_eq!(options(&peer.frame(&ACK)), []);
    }
}
