//! The filter of a capture.
//!
//! It does not verify frames: a segment with an invalid checksum may be what the capture is for.

use super::Settings;
use crate::wire::{ethernet, ipv4, ipv6};

/// A port and a sample of the connections.
#[derive(Debug)]
pub(super) struct CaptureFilter {
    port: Option<u16>,
    sample: u64,
}

/// The ends of the connection that a frame belongs to, or that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ends {
    one: (u128, u16),
    other: (u128, u16),
}

impl CaptureFilter {
    pub(super) fn new(settings: &Settings) -> CaptureFilter {
        CaptureFilter { port: settings.port, sample: settings.sample.get().into() }
    }

    /// Frames that belong to no connection (ARP, pings) pass every sample, and no port filter.
    #[inline]
    pub(super) fn takes(&self, frame: &[u8]) -> bool {
        if self.port.is_none() && self.sample == 1 {
            return true;
        }
        match ends(frame) {
            None => self.port.is_none(),
            Some(ends) => {
                let wanted = self.port.is_none_or(|port| ends.one.1 == port || ends.other.1 == port);
                wanted && (self.sample == 1 || ends.hash().is_multiple_of(self.sample))
            }
        }
    }
}

impl Ends {
    /// The same in both directions, and without a secret: captures at both ends sample the same
    /// connections.
    fn hash(&self) -> u64 {
        let end = |(address, port): (u128, u16)| {
            mix(mix(address as u64 ^ u64::from(port) << 48) ^ (address >> 64) as u64)
        };
        mix(end(self.one).wrapping_add(end(self.other)))
    }
}

/// The finalizer of splitmix64: every bit of the input reaches every bit of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

fn ends(frame: &[u8]) -> Option<Ends> {
    let link = ethernet::Link::parse(frame)?;
    let packet = frame.get(usize::from(link.len)..)?;
    match link.ethertype {
        ethernet::IPV4 => ends4(packet, true),
        ethernet::IPV6 => ends6(packet, true),
        _ => None,
    }
}

/// `outer`: an ICMP error may quote another packet (RFC 792); the quoted one is not searched again.
fn ends4(packet: &[u8], outer: bool) -> Option<Ends> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let rest = packet.get(usize::from(header[0] & 0xf) * 4..)?;
    let is_first = header[6] & 0x1f == 0 && header[7] == 0;
    let address = |at: usize| packet.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes).into());
    match header[9] {
        ipv4::TCP if is_first => between(address(12)?, address(16)?, rest),
        ipv4::ICMP if outer && is_first && matches!(rest.first()?, 3 | 4 | 11 | 12) => {
            ends4(rest.get(8..)?, false)
        }
        _ => None,
    }
}

fn ends6(packet: &[u8], outer: bool) -> Option<Ends> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let address = |at: usize| packet.get(at..)?.first_chunk().map(|bytes| u128::from_be_bytes(*bytes));
    let (mut next, mut rest) = (header[6], &packet[40..]);
    // More extension headers do not occur in practice.
    for _ in 0..8 {
        match next {
            ipv6::TCP => return between(address(8)?, address(24)?, rest),
            // Errors have a type below 128 (RFC 4443 2.1).
            ipv6::ICMPV6 if outer && *rest.first()? < 128 => return ends6(rest.get(8..)?, false),
            // Hop-by-hop, routing, destination options (RFC 8200 4.3, 4.4, 4.6).
            0 | 43 | 60 => {
                let bytes = 8 * (usize::from(*rest.get(1)?) + 1);
                (next, rest) = (*rest.first()?, rest.get(bytes..)?);
            }
            // A fragment; only the first has the ports (RFC 8200 4.5).
            44 if rest.get(2)? | rest.get(3)? & 0xf8 == 0 => (next, rest) = (*rest.first()?, rest.get(8..)?),
            _ => return None,
        }
    }
    None
}

fn between(source: u128, destination: u128, tcp: &[u8]) -> Option<Ends> {
    let [a, b, c, d] = *tcp.first_chunk()?;
    let one = (source, u16::from_be_bytes([a, b]));
    Some(Ends { one, other: (destination, u16::from_be_bytes([c, d])) })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use etherparse::PacketBuilder;

    use super::*;

    const CLIENT: [u8; 4] = [10, 0, 0, 7];
    const SERVER: [u8; 4] = [10, 0, 0, 50];

    fn built(builder: etherparse::PacketBuilderStep<etherparse::TcpHeader>) -> Vec<u8> {
        let mut frame = Vec::new();
        builder.write(&mut frame, b"data").expect("a frame");
        frame
    }

    fn segment(from: ([u8; 4], u16), to: ([u8; 4], u16)) -> Vec<u8> {
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
        built(link.ipv4(from.0, to.0, 64).tcp(from.1, to.1, 1, 1))
    }

    /// An error about `quoted` from a router.
    fn error(quoted: &[u8]) -> Vec<u8> {
        let quote = quoted.get(14..).expect("an IP packet");
        let link = PacketBuilder::ethernet2([2; 6], [4; 6]);
        let icmp = link.ipv4([10, 0, 0, 1], CLIENT, 64).icmpv4_raw(3, 1, [0; 4]);
        let mut frame = Vec::new();
        icmp.write(&mut frame, quote).expect("a frame");
        frame
    }

    fn filter(port: Option<u16>, sample: u32) -> CaptureFilter {
        let sample = NonZeroU32::new(sample).expect("a sample");
        CaptureFilter::new(&Settings { port, sample, ..Settings::default() })
    }

    #[test]
    fn the_segments_of_a_port_pass_in_both_directions_and_the_icmp_errors_about_them() {
        let filter = filter(Some(80), 1);
        let out = segment((CLIENT, 4_000), (SERVER, 80));
        for frame in [&out, &segment((SERVER, 80), (CLIENT, 4_000)), &error(&out)] {
            assert!(filter.takes(frame), "{frame:?}");
        }
        let other = segment((CLIENT, 4_000), (SERVER, 81));
        for frame in [&other, &error(&other), &error(&error(&out)), &vec![0xff; 60]] {
            assert!(!filter.takes(frame), "{frame:?}");
        }
    }

    #[test]
    fn tags_options_and_extension_headers_are_skipped() {
        let filter = filter(Some(80), 1);
        let link = || PacketBuilder::ethernet2([2; 6], [4; 6]);
        let tagged = link().double_vlan(1.try_into().unwrap(), 2.try_into().unwrap());
        assert!(filter.takes(&built(tagged.ipv4(CLIENT, SERVER, 64).tcp(1, 80, 1, 1))));
        let v6 = built(link().ipv6([1; 16], [2; 16], 64).tcp(80, 1, 1, 1));
        assert!(filter.takes(&v6));
        // Hop-by-hop options of 8 bytes between the headers.
        let mut extended = v6.clone();
        extended[20] = 0;
        extended.splice(54..54, [6, 0, 1, 4, 0, 0, 0, 0]);
        assert!(filter.takes(&extended));
        let mut optioned = segment((CLIENT, 80), (SERVER, 1));
        optioned[14] = 0x46;
        optioned.splice(34..34, [1, 1, 1, 0]);
        assert!(filter.takes(&optioned));
    }

    /// Any truncated or invalid frame is handled.
    #[test]
    fn broken_frames_are_left_out_by_a_filter_and_kept_by_a_sample() {
        let whole = error(&segment((CLIENT, 80), (SERVER, 80)));
        // The link, two IP headers, 8 bytes of ICMP, and the ports.
        for end in 0..14 + 20 + 8 + 20 + 4 {
            assert!(!filter(Some(80), 1).takes(&whole[..end]), "{end}");
            assert!(filter(None, 1_000).takes(&whole[..end]), "{end}");
        }
        let mut fragment = segment((CLIENT, 80), (SERVER, 80));
        fragment[21] = 1;
        assert!(!filter(Some(80), 1).takes(&fragment));
    }

    #[test]
    fn a_sample_takes_its_share_of_connections_and_both_directions_of_each() {
        for sample in [2, 10, 100] {
            let filter = filter(None, sample);
            let mut taken = 0;
            for number in 0..20_000_u32 {
                let client = ([10, 78, (number >> 12) as u8, number as u8], 1_024 + (number >> 8) as u16);
                let (there, back) = (segment(client, (SERVER, 80)), segment((SERVER, 80), client));
                assert_eq!(filter.takes(&there), filter.takes(&back));
                taken += u32::from(filter.takes(&there));
            }
            let share = f64::from(taken) * f64::from(sample) / 20_000.0;
            assert!((0.75..1.25).contains(&share), "1/{sample}: {share}");
        }
    }
}
