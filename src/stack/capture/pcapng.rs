//! The blocks of a pcapng file, in native byte order
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html>).

use super::Direction;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const STATISTICS: u32 = 5;
pub(super) const PACKET: u32 = 6;
const ETHERNET: u16 = 1;
/// Nanoseconds, as a power of ten.
const TIME_UNIT: u8 = 9;
const UNKNOWN_LENGTH: u64 = u64::MAX;

/// Maximum size of a packet block without its data, including padding.
pub(super) const OVERHEAD: usize = 60;
/// Bytes of a packet block up to and including its timestamp.
pub(super) const STAMPED: usize = 20;

/// An interface of the file.
pub(super) struct PcapngInterface<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub snaplen: u32,
    pub filter: Option<&'a str>,
}

/// The counts of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PcapngStatistics {
    /// Nanoseconds since 1970, as all times here.
    pub began: u64,
    pub ended: u64,
    pub seen: u64,
    pub dropped: u64,
    pub chosen: u64,
    pub captured: u64,
}

/// One frame to write.
pub(super) struct Packet<'a> {
    pub interface: u32,
    pub at: u64,
    pub direction: Direction,
    /// Bytes on the wire; `data` may be shorter.
    pub length: u32,
    pub data: &'a [u8],
    /// Frames dropped since the last captured one.
    pub lost_before: u64,
}

/// The section header: the program that wrote the file, and its settings.
pub(super) fn section(program: &str, system: &str, comment: &str) -> Vec<u8> {
    let mut block = Block::new(SECTION);
    block.word(0x1a2b_3c4d);
    block.halves(1, 0);
    block.long(UNKNOWN_LENGTH);
    block.option(3, system.as_bytes());
    block.option(4, program.as_bytes());
    block.option(1, comment.as_bytes());
    block.end()
}

pub(super) fn interface(interface: &PcapngInterface<'_>) -> Vec<u8> {
    let mut block = Block::new(INTERFACE);
    block.halves(ETHERNET, 0);
    block.word(interface.snaplen);
    block.option(2, interface.name.as_bytes());
    block.option(3, interface.description.as_bytes());
    block.option(9, &[TIME_UNIT]);
    if let Some(filter) = interface.filter {
        // The first byte: a libpcap filter, as text.
        block.option(11, &[&[0], filter.as_bytes()].concat());
    }
    block.end()
}

pub(super) fn statistics(interface: u32, counts: &PcapngStatistics) -> Vec<u8> {
    let mut block = Block::new(STATISTICS);
    block.word(interface);
    block.stamp(counts.ended);
    for (code, time) in [(2, counts.began), (3, counts.ended)] {
        block.option(code, &stamp(time));
    }
    for (code, count) in [(4, counts.seen), (5, counts.dropped), (6, counts.chosen), (8, counts.captured)] {
        block.option(code, &count.to_ne_bytes());
    }
    block.end()
}

/// Replaces the content of `into` by a packet block. If it has the capacity, nothing is allocated.
#[inline]
pub(super) fn packet(into: &mut Vec<u8>, packet: &Packet<'_>) {
    into.clear();
    let padding = packet.data.len().wrapping_neg() & 3;
    let lost: usize = if packet.lost_before > 0 { 12 } else { 0 };
    let length = (44 + packet.data.len() + padding + lost) as u32;
    for word in [PACKET, length, packet.interface] {
        into.extend_from_slice(&word.to_ne_bytes());
    }
    into.extend_from_slice(&stamp(packet.at));
    for word in [packet.data.len() as u32, packet.length] {
        into.extend_from_slice(&word.to_ne_bytes());
    }
    into.extend_from_slice(packet.data);
    into.extend_from_slice(&[0; 3][..padding]);
    into.extend_from_slice(&header(2, 4));
    into.extend_from_slice(&(packet.direction as u32).to_ne_bytes());
    if lost > 0 {
        into.extend_from_slice(&header(4, 8));
        into.extend_from_slice(&packet.lost_before.to_ne_bytes());
    }
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&length.to_ne_bytes());
}

/// The upper half first, both in native byte order.
fn stamp(nanos: u64) -> [u8; 8] {
    let (high, low) = ((nanos >> 32) as u32, nanos as u32);
    let ([a, b, c, d], [e, f, g, h]) = (high.to_ne_bytes(), low.to_ne_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The code of an option and its length.
fn header(code: u16, length: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (code.to_ne_bytes(), length.to_ne_bytes());
    [a, b, c, d]
}

/// Type, length and time of a packet block, from its first bytes.
pub(super) fn begin(bytes: &[u8; STAMPED]) -> (u32, usize, u64) {
    let [kind, length, _, high, low] = *bytes.as_chunks().0 else { return (0, 0, 0) };
    let [kind, length, high, low] = [kind, length, high, low].map(u32::from_ne_bytes);
    (kind, length as usize, u64::from(high) << 32 | u64::from(low))
}

/// Which interface a packet's block belongs to.
pub(super) fn interface_of(bytes: &[u8; STAMPED]) -> usize {
    let [_, _, interface, ..] = *bytes.as_chunks().0 else { return usize::MAX };
    u32::from_ne_bytes(interface) as usize
}

/// A block under construction; its length is filled in at the end.
struct Block(Vec<u8>);

impl Block {
    fn new(kind: u32) -> Block {
        let mut block = Block(Vec::new());
        block.word(kind);
        block.word(0);
        block
    }

    fn word(&mut self, word: u32) {
        self.0.extend(word.to_ne_bytes());
    }

    fn halves(&mut self, one: u16, other: u16) {
        self.0.extend(header(one, other));
    }

    fn long(&mut self, long: u64) {
        self.0.extend(long.to_ne_bytes());
    }

    fn stamp(&mut self, nanos: u64) {
        self.0.extend(stamp(nanos));
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = &value[..value.len().min(usize::from(u16::MAX - 3))];
        self.halves(code, value.len() as u16);
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn end(mut self) -> Vec<u8> {
        self.word(0);
        let length = (self.0.len() + 4) as u32;
        self.word(length);
        if let Some(place) = self.0.get_mut(4..8) {
            place.copy_from_slice(&length.to_ne_bytes());
        }
        self.0
    }
}
