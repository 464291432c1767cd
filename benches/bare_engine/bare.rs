//! The least that any engine does for a handshake: nothing here makes it TCP. No timers, no clock, no
//! states but two, no options but the MSS, no statistics, no second listener, no second core.
//!
//! Per batch of frames three passes, each asking for the cache lines of the next: parse, hash, ask for
//! the bucket; look at the tags, ask for the entry; answer or establish.

use std::mem::take;

use crate::prefetch::prefetch;
use crate::table::{Key, Table};
use crate::words::{Sum, fold, octets, u16_at, u32_at, u64_at};

/// Frames of a batch.
pub const BATCH: usize = 64;

/// Octets of a frame, as on a port in memory.
pub type Frame = [u8; 1792];

/// Where a frame lies, and its octets, as a ring would say.
#[derive(Clone, Copy)]
pub struct Descriptor {
    pub index: u32,
    pub len: u32,
}

/// What the answers say of our window, octets.
const WINDOW: u16 = 64_240;
/// What a peer that names none can take (RFC 9293 3.7.1).
const DEFAULT_MSS: u16 = 536;
const MSS: u16 = 1460;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Octets of Ethernet, IPv4 and TCP without options.
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
    mss: u16,
    flags: u8,
}

pub struct Bare {
    table: Table,
    /// Address and port that we listen at, as they lie in a frame.
    listen: (u32, u16),
    secret: [u64; 4],
    segments: Vec<Segment>,
}

impl Bare {
    /// Room for `capacity` connections to one listener.
    pub fn new(capacity: u32, address: [u8; 4], port: u16, secret: [u64; 4]) -> Bare {
        let listen = (u32::from_ne_bytes(address), port.to_be());
        Bare { table: Table::new(capacity), listen, secret, segments: Vec::with_capacity(BATCH) }
    }

    /// Takes frames and leaves the answers in them; `sent` says where.
    #[inline(never)] // what callgrind collects
    pub fn batch(&mut self, frames: &mut [Frame], arrived: &[Descriptor], sent: &mut Vec<Descriptor>) {
        let mut segments = take(&mut self.segments);
        for place in arrived {
            let Some(frame) = frames.get(place.index as usize) else { continue };
            if let Some(mut segment) = self.parse(frame, place.len as usize) {
                segment.frame = place.index;
                prefetch(self.table.bucket(segment.hash));
                segments.push(segment);
            }
        }
        let mut new = 0;
        for segment in &segments {
            prefetch(self.table.likely(segment.hash, &mut new));
        }
        for segment in segments.drain(..) {
            match segment.flags & (FIN | SYN | RST | ACK) {
                SYN => {
                    let Some(isn) = self.open(&segment) else { continue };
                    let Some(frame) = frames.get_mut(segment.frame as usize) else { continue };
                    let Some(answer) = frame.first_chunk_mut() else { continue };
                    syn_ack(answer, &segment, isn);
                    sent.push(Descriptor { index: segment.frame, len: ANSWER as u32 });
                }
                ACK => self.establish(&segment),
                // How the generator clears away.
                RST => self.reset(&segment),
                _ => {}
            }
        }
        self.segments = segments;
    }

    /// Whether the connection of a frame is established: to check by.
    pub fn is_established(&self, frame: &Frame, len: usize) -> bool {
        let segment = self.parse(frame, len);
        let entry = segment.and_then(|segment| self.table.find(segment.key, segment.hash));
        entry.is_some_and(|entry| entry.established)
    }

    /// Checks lengths, both checksums and who is meant: IPv4 without options, TCP without payload.
    #[inline(always)]
    fn parse(&self, frame: &Frame, len: usize) -> Option<Segment> {
        let head: &[u8; HEADERS] = frame.first_chunk()?;
        let first = u32_at(head, 12) & octets([0xff, 0xff, 0xff, 0]);
        let second = u32_at(head, 20) & octets([0x3f, 0xff, 0, 0xff]);
        // IPv4, 20 octets of header, no fragment, TCP.
        if first != octets([8, 0, 0x45, 0]) || second != octets([0, 0, 0, 6]) {
            return None;
        }
        let total = usize::from(u16::from_be(u16_at(head, 16)));
        let header = usize::from(head[46] >> 4) * 4;
        if header < 20 || total != 20 + header || len < 14 + total {
            return None;
        }
        let options = frame.get(HEADERS..14 + total)?;
        let addresses = u64_at(head, 26);
        let ip = Sum(addresses).add(u64_at(head, 14)).add_u32(u32_at(head, 22));
        let tcp = Sum(addresses).add(u64_at(head, 34)).add(u64_at(head, 42)).add_u32(u32_at(head, 50));
        let tcp = tcp.add_u32(((header + 6) as u32).to_be());
        let tcp = options.chunks_exact(4).fold(tcp, |sum, word| match word.first_chunk() {
            Some(word) => sum.add_u32(octets(*word)),
            None => sum,
        });
        if ip.fold() != 0xffff || tcp.fold() != 0xffff {
            return None;
        }
        if (u32_at(head, 30), u16_at(head, 36)) != self.listen {
            return None;
        }
        let key = Key { addresses, ports: u32_at(head, 34) };
        let flags = head[47];
        Some(Segment {
            key,
            hash: self.hash(key),
            seq: u32::from_be(u32_at(head, 38)),
            ack: u32::from_be(u32_at(head, 42)),
            frame: 0,
            mss: if flags & SYN != 0 { mss(options) } else { 0 },
            flags,
        })
    }

    /// Bucket and tag from its lower half, the ISN is its upper one: 64 bits that nobody can tell in
    /// advance who does not know the secret.
    #[inline(always)]
    fn hash(&self, key: Key) -> u64 {
        let [a, b, c, d] = self.secret;
        fold(fold(key.addresses ^ a, u64::from(key.ports) ^ b) ^ c, d)
    }

    /// Our ISN, if the connection is new and there is room.
    #[inline(always)]
    fn open(&mut self, segment: &Segment) -> Option<u32> {
        let isn = (segment.hash >> 32) as u32;
        let entry = self.table.insert(segment.key, segment.hash)?;
        entry.receive_next = segment.seq.wrapping_add(1);
        entry.send_next = isn.wrapping_add(1);
        entry.mss = segment.mss;
        entry.established = false;
        Some(isn)
    }

    #[inline(always)]
    fn establish(&mut self, segment: &Segment) {
        if let Some(entry) = self.table.find_mut(segment.key, segment.hash)
            && (entry.send_next, entry.receive_next) == (segment.ack, segment.seq)
        {
            entry.established = true;
        }
    }

    #[inline(never)]
    fn reset(&mut self, segment: &Segment) {
        let entry = self.table.find(segment.key, segment.hash);
        if entry.is_some_and(|entry| entry.receive_next == segment.seq) {
            self.table.remove(segment.key, segment.hash);
        }
    }
}

#[inline(always)]
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

/// Makes the SYN a SYN-ACK. Headers are written anew: what is constant in them is summed beforehand.
#[inline(always)]
fn syn_ack(frame: &mut [u8; ANSWER], segment: &Segment, isn: u32) {
    const IP: [u8; 8] = [0x45, 0, 0, 44, 0, 0, 0x40, 0];
    const PROTOCOL: [u8; 4] = [64, 6, 0, 0];
    const WORDS: [u8; 4] = [0x60, SYN | ACK, (WINDOW >> 8) as u8, WINDOW as u8];
    const OPTION: [u8; 4] = [2, 4, (MSS >> 8) as u8, MSS as u8];
    const IP_SUM: u64 = Sum(u64::from_ne_bytes(IP)).halves() + octets(PROTOCOL) as u64;
    const TCP_SUM: u64 = octets(WORDS) as u64 + octets(OPTION) as u64 + octets([0, 6, 0, 24]) as u64;

    let mut macs = [0; 12];
    macs[..6].copy_from_slice(&frame[6..12]);
    macs[6..].copy_from_slice(&frame[..6]);
    let (addresses, ports) = (segment.key.addresses.rotate_left(32), segment.key.ports.rotate_left(16));
    let (seq, ack) = (isn.to_be(), segment.seq.wrapping_add(1).to_be());
    let both = Sum(addresses).halves();
    let tcp = TCP_SUM + both + u64::from(ports) + u64::from(seq) + u64::from(ack);
    frame[..12].copy_from_slice(&macs);
    frame[14..22].copy_from_slice(&IP);
    frame[22..26].copy_from_slice(&PROTOCOL);
    frame[24..26].copy_from_slice(&(!Sum(IP_SUM + both).fold()).to_ne_bytes());
    frame[26..34].copy_from_slice(&addresses.to_ne_bytes());
    frame[34..38].copy_from_slice(&ports.to_ne_bytes());
    frame[38..42].copy_from_slice(&seq.to_ne_bytes());
    frame[42..46].copy_from_slice(&ack.to_ne_bytes());
    frame[46..50].copy_from_slice(&WORDS);
    frame[50..52].copy_from_slice(&(!Sum(tcp).fold()).to_ne_bytes());
    frame[52..54].copy_from_slice(&[0, 0]);
    frame[54..58].copy_from_slice(&OPTION);
}
