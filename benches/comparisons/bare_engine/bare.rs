//! The minimum that an engine does for a handshake, without being a TCP: no timers, no clock, two states, no option
//! except the MSS, no statistics, one listener, one core.
//!
//! Three passes over a batch of frames, each prefetching for the next: parse, hash, prefetch the bucket; compare tags,
//! prefetch the entry; reply or establish.

use crate::prefetch::prefetch;
use crate::table::{Key, Table};
use crate::words::{Checksum, at, fold, halves, word_of};

/// Frames of a batch.
pub const BATCH: usize = 64;

/// A frame buffer, as on a port in memory.
pub type Frame = [u8; 1792];

/// Index and length of a frame, as in a ring.
#[derive(Clone, Copy)]
pub struct Descriptor {
    pub index: u32,
    pub len: u32,
}

/// The window in replies, bytes.
const WINDOW: u16 = 64_240;
/// The MSS of a peer without the option (RFC 9293 3.7.1).
const DEFAULT_MSS: u16 = 536;
const MSS: u16 = 1460;

/// The protocol's number.
const TCP: u8 = 6;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Length of the Ethernet, IPv4 and TCP headers without options.
const HEADERS: usize = 14 + 20 + 20;
const ANSWER: usize = HEADERS + 4;

/// A checked segment: numbers in host order, the key as it lies in the frame.
#[derive(Clone, Copy, Default)]
struct Segment {
    key: Key,
    hash: u64,
    seq: u32,
    ack: u32,
    frame: u32,
    /// Slot of the probable entry.
    slot: u32,
    mss: u16,
    flags: u8,
}

pub struct Bare {
    table: Table,
    place: Place,
    /// The segments of a batch, reused.
    segments: Box<[Segment; BATCH]>,
}

/// The values that frames are checked against.
#[derive(Clone, Copy)]
struct Place {
    /// The listener's address and port, as in a frame.
    listen: (u32, u16),
    secret: [u64; 4],
}

impl Bare {
    /// Allocates `capacity` connections to one listener.
    pub fn new(capacity: u32, address: [u8; 4], port: u16, secret: [u64; 4]) -> Bare {
        let place = Place { listen: (word_of(address), port.to_be()), secret };
        Bare { table: Table::new(capacity), place, segments: Box::new([Segment::default(); BATCH]) }
    }

    /// Handles up to a batch of frames and writes replies into them; `sent` lists those.
    #[inline(never)] // what callgrind collects
    pub fn batch(&mut self, frames: &mut [Frame], arrived: &[Descriptor], sent: &mut Vec<Descriptor>) {
        let Bare { table, place, segments } = self;
        let mut count = 0;
        for descriptor in arrived {
            let Some(frame) = frames.get(descriptor.index as usize) else { continue };
            let Some(segment) = segments.get_mut(count) else { break };
            if place.parse(frame, descriptor, segment) {
                prefetch(table.bucket(segment.hash));
                count += 1;
            }
        }
        let segments = &mut segments[..count];
        let mut new = 0;
        for segment in segments.iter_mut() {
            segment.slot = table.likely(segment.hash, &mut new);
            prefetch(table.entry(segment.slot));
        }
        for segment in segments {
            match segment.flags & (FIN | SYN | RST | ACK) {
                SYN => {
                    let Some(isn) = open(table, segment) else { continue };
                    let Some(frame) = frames.get_mut(segment.frame as usize) else { continue };
                    let Some(answer) = frame.first_chunk_mut() else { continue };
                    syn_ack(answer, segment, isn);
                    sent.push(Descriptor { index: segment.frame, len: ANSWER as u32 });
                }
                ACK => establish(table, segment),
                // The generator removes connections by RST.
                RST => reset(table, segment),
                _ => {}
            }
        }
    }

    /// Whether the connection of a frame is established, for checks.
    pub fn is_established(&mut self, frame: &Frame, descriptor: &Descriptor) -> bool {
        let mut segment = Segment::default();
        let parsed = self.place.parse(frame, descriptor, &mut segment);
        let entry = self.table.find(segment.key, segment.hash, segment.slot);
        parsed && entry.is_some_and(|entry| entry.established)
    }
}

impl Place {
    /// Checks lengths, both checksums and the destination: IPv4 without options, TCP without payload.
    #[inline(always)]
    fn parse(&self, frame: &Frame, descriptor: &Descriptor, segment: &mut Segment) -> bool {
        const MASK: u64 = u64::from_ne_bytes([0xff, 0, 0, 0, 0, 0, 0x3f, 0xff]);
        const IPV4: u64 = u64::from_ne_bytes([0x45, 0, 0, 0, 0, 0, 0, 0]);
        let Some(head) = frame.first_chunk() else { return false };
        // Both headers: the words covered by the checksums.
        let start = u64::from_ne_bytes(at(head, 14));
        let middle: [u8; 4] = at(head, 22);
        let addresses = u64::from_ne_bytes(at(head, 26));
        let (ports_seq, ack_flags) = (u64::from_ne_bytes(at(head, 34)), u64::from_ne_bytes(at(head, 42)));
        let end = word_of(at(head, 50));
        // A header of 20 bytes, not a fragment.
        if start & MASK != IPV4 || at(head, 12) != [8, 0] || middle[1] != TCP {
            return false;
        }
        let [_, _, high, low, ..] = start.to_ne_bytes();
        let total = usize::from(u16::from_be_bytes([high, low]));
        let [a, b, c, d, offset, flags, ..] = ack_flags.to_ne_bytes();
        let header = usize::from(offset >> 4) * 4;
        if header < 20 || total != 20 + header || (descriptor.len as usize) < 14 + total {
            return false;
        }
        let ip = Checksum(addresses).add(start).add_u32(word_of(middle));
        let tcp = Checksum(addresses).add(ports_seq).add(ack_flags).add_u32(end);
        let tcp = tcp.add_u32(u32::to_be(header as u32 + u32::from(TCP)));
        let Some((tcp, mss)) = options(frame, header, tcp) else { return false };
        let (_, local) = halves(addresses);
        let (ports, seq) = halves(ports_seq);
        let [_, _, port @ ..] = ports.to_ne_bytes();
        if ip.fold() != 0xffff || tcp.fold() != 0xffff || (local, u16::from_ne_bytes(port)) != self.listen {
            return false;
        }
        let key = Key { addresses, ports };
        *segment = Segment {
            key,
            hash: self.hash(key),
            seq: u32::from_be(seq),
            ack: u32::from_be_bytes([a, b, c, d]),
            frame: descriptor.index,
            slot: 0,
            mss,
            flags,
        };
        true
    }

    /// A keyed hash of 64 bits: the lower half selects bucket and tag, the upper half is the ISN.
    #[inline(always)]
    fn hash(&self, key: Key) -> u64 {
        let [a, b, c, d] = self.secret;
        fold(fold(key.addresses ^ a, u64::from(key.ports) ^ b) ^ c, d)
    }
}

/// Adds the options to a sum, and reads the MSS: usually none, or the MSS alone.
#[inline(always)]
fn options(frame: &Frame, header: usize, sum: Checksum) -> Option<(Checksum, u16)> {
    if header == 20 {
        return Some((sum, DEFAULT_MSS));
    }
    let word: [u8; 4] = *frame.get(HEADERS..)?.first_chunk()?;
    match word {
        [2, 4, high, low] if header == 24 => {
            Some((sum.add_u32(word_of(word)), u16::from_be_bytes([high, low])))
        }
        _ => other_options(frame.get(HEADERS..HEADERS + header - 20)?, sum),
    }
}

#[inline(never)]
fn other_options(options: &[u8], sum: Checksum) -> Option<(Checksum, u16)> {
    let words = options.chunks_exact(4).map(|word| word.first_chunk().map_or(0, |word| word_of(*word)));
    Some((words.fold(sum, Checksum::add_u32), mss(options)))
}

/// Returns the ISN, if the connection is new and there is a free entry.
#[inline(always)]
fn open(table: &mut Table, segment: &Segment) -> Option<u32> {
    let isn = (segment.hash >> 32) as u32;
    let entry = table.insert(segment.key, segment.hash)?;
    entry.receive_next = segment.seq.wrapping_add(1);
    entry.send_next = isn.wrapping_add(1);
    entry.mss = segment.mss;
    entry.established = false;
    Some(isn)
}

#[inline(always)]
fn establish(table: &mut Table, segment: &Segment) {
    if let Some(entry) = table.find(segment.key, segment.hash, segment.slot)
        && (entry.send_next, entry.receive_next) == (segment.ack, segment.seq)
    {
        entry.established = true;
    }
}

#[inline(never)]
fn reset(table: &mut Table, segment: &Segment) {
    let entry = table.find(segment.key, segment.hash, segment.slot);
    if entry.is_some_and(|entry| entry.receive_next == segment.seq) {
        table.remove(segment.key, segment.hash);
    }
}

fn mss(mut options: &[u8]) -> u16 {
    loop {
        options = match options {
            [2, 4, high, low, ..] => return u16::from_be_bytes([*high, *low]),
            [1, rest @ ..] => rest,
            [2..=255, len @ 2..=255, ..] => options.get(usize::from(*len)..).unwrap_or_default(),
            _ => return DEFAULT_MSS,
        };
    }
}

/// Rewrites the SYN as a SYN-ACK. The constant fields are summed in advance.
#[inline(always)]
fn syn_ack(frame: &mut [u8; ANSWER], segment: &Segment, isn: u32) {
    const IP: [u8; 8] = [0x45, 0, 0, 44, 0, 0, 0x40, 0];
    const PROTOCOL: [u8; 4] = [64, 6, 0, 0];
    const WORDS: [u8; 4] = [0x60, SYN | ACK, (WINDOW >> 8) as u8, WINDOW as u8];
    const OPTION: [u8; 4] = [2, 4, (MSS >> 8) as u8, MSS as u8];
    const IP_SUM: u64 = Checksum(u64::from_ne_bytes(IP)).in_33_bits() + word_of(PROTOCOL) as u64;
    const TCP_SUM: u64 = word_of(WORDS) as u64 + word_of(OPTION) as u64 + word_of([0, 6, 0, 24]) as u64;

    let (addresses, ports) = (segment.key.addresses.rotate_left(32), segment.key.ports.rotate_left(16));
    let (seq, ack) = (isn.to_be(), segment.seq.wrapping_add(1).to_be());
    let both = Checksum(addresses).in_33_bits();
    let tcp = TCP_SUM + both + u64::from(ports) + u64::from(seq) + u64::from(ack);
    swap_macs(frame);
    frame[14..22].copy_from_slice(&IP);
    frame[22..26].copy_from_slice(&PROTOCOL);
    frame[24..26].copy_from_slice(&(!Checksum(IP_SUM + both).fold()).to_ne_bytes());
    frame[26..34].copy_from_slice(&addresses.to_ne_bytes());
    frame[34..38].copy_from_slice(&ports.to_ne_bytes());
    frame[38..42].copy_from_slice(&seq.to_ne_bytes());
    frame[42..46].copy_from_slice(&ack.to_ne_bytes());
    frame[46..50].copy_from_slice(&WORDS);
    frame[50..52].copy_from_slice(&(!Checksum(tcp).fold()).to_ne_bytes());
    frame[52..54].copy_from_slice(&[0, 0]);
    frame[54..58].copy_from_slice(&OPTION);
}

/// In two words: loading bytes with another width than they were stored takes longer.
#[inline(always)]
fn swap_macs(frame: &mut [u8; ANSWER]) {
    let Some(head) = frame.first_chunk() else { return };
    let (low, high) = (u64::from_le_bytes(at(head, 0)), u32::from_le_bytes(at(head, 8)));
    let (ours, theirs) = (low << 16 >> 16, u64::from(high) << 16 | low >> 48);
    frame[..8].copy_from_slice(&(theirs | ours << 48).to_le_bytes());
    frame[8..12].copy_from_slice(&((ours >> 16) as u32).to_le_bytes());
}
