use super::template::{SegmentNumbers, TemplateFlow, tcp_at};
use handfast_stack::wire::Flags;

/// A received segment, as far as a baseline program parses it: no VLAN tags, no IP options, checksums not
/// verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ParsedSegment {
    /// Addresses and ports of the reply.
    pub flow: TemplateFlow,
    pub flags: Flags,
    pub seq: u32,
    pub ack: u32,
    /// Bytes.
    pub payload: u32,
    /// TSval; 0 without timestamps.
    pub stamp: u32,
}

/// Kind and length of a timestamps option. Linux places it after two NOPs, or after a SYN's MSS and
/// SACK-permitted options.
const TIMESTAMPS: [u8; 2] = [8, 10];

impl ParsedSegment {
    /// `None`: not TCP of this family, or truncated.
    #[inline]
    pub(super) fn parse(frame: &[u8], ipv6: bool) -> Option<ParsedSegment> {
        let tcp = tcp_at(ipv6);
        let (network, segment) = frame.split_at_checked(tcp)?;
        let header = segment.first_chunk::<20>()?;
        let (protocol, len) = match ipv6 {
            false => (network[23], half(network, 16)? + 14),
            true => (network[20], half(network, 18)? + 14 + 40),
        };
        let kind = if ipv6 { [0x86, 0xdd] } else { [0x08, 0x00] };
        if protocol != 6 || network.get(12..14) != Some(&kind[..]) || (!ipv6 && network[14] != 0x45) {
            return None;
        }
        let offset = usize::from(header[12] >> 4) * 4;
        Some(ParsedSegment {
            flow: reply_flow(network, header, ipv6),
            flags: Flags(header[13]),
            seq: word(segment, 4)?,
            ack: word(segment, 8)?,
            payload: (len as usize).checked_sub(tcp + offset)? as u32,
            stamp: stamp(segment, offset).unwrap_or(0),
        })
    }

    /// Returns the numbers of the reply, which acknowledges this whole segment.
    #[inline]
    pub(super) fn reply_numbers(&self) -> SegmentNumbers {
        let end = u32::from(self.flags.has(Flags::SYN)) + u32::from(self.flags.has(Flags::FIN));
        SegmentNumbers { seq: self.ack, ack: self.seq.wrapping_add(self.payload + end), echo: self.stamp }
    }
}

#[inline]
fn reply_flow(network: &[u8], header: &[u8; 20], ipv6: bool) -> TemplateFlow {
    let mut flow = TemplateFlow::default();
    let size = if ipv6 { 16 } else { 4 };
    let (source, destination) = network[network.len() - 2 * size..].split_at(size);
    flow.addresses[..size].copy_from_slice(destination);
    flow.addresses[size..2 * size].copy_from_slice(source);
    flow.ports = [header[2], header[3], header[0], header[1]];
    flow
}

#[inline]
fn stamp(segment: &[u8], offset: usize) -> Option<u32> {
    if offset < 32 {
        return None;
    }
    // After two NOPs or SACK-permitted; in a SYN the MSS comes first.
    [22, 26]
        .into_iter()
        .find(|&at| segment.get(at..at + 2) == Some(&TIMESTAMPS))
        .and_then(|at| word(segment, at + 2))
}

#[inline]
fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 2)?.first_chunk().map(|two| u32::from(u16::from_be_bytes(*two)))
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}
