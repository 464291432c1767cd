use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rtrb::Producer;

use super::choose::Choice;
use super::pcapng::{self, OVERHEAD, Packet};
use super::progress::Progress;
use super::share::Share;
use crate::observe::Counter;

/// Bytes of the largest frame there is: a 4 KiB buffer.
const MOST_BYTES: usize = 4096;
/// Bytes of a ring: some 60,000 frames of a handshake.
pub(super) const RING: usize = 8 << 20;

/// Which way a frame went; the numbers are those of pcapng's `epb_flags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    In = 1,
    Out = 2,
}

/// Monotonic time, set to the system's at the start of the capture: all queues share one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    started: Instant,
    unix_ns: u64,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { started: Instant::now(), unix_ns: unix.as_nanos() as u64 }
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.unix_ns + self.started.elapsed().as_nanos() as u64
    }
}

/// What one tap counts. `seen` is the sum of all others.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub seen: Counter,
    /// Put into the ring.
    pub copied: Counter,
    /// By `--filter` or `--sample`.
    pub left_out: Counter,
    /// No room in the ring.
    pub ring_full: Counter,
    /// Not looked at: copying had used up its share of time.
    pub over_share: Counter,
    /// Not looked at: nothing can be written any more.
    pub after_end: Counter,
    /// No count, but of this tap as well.
    pub progress: Progress,
}

/// A queue's end of a capture.
///
/// Reads the clock when a batch begins and when it ends, and never blocks, allocates or panics.
#[derive(Debug)]
pub struct Tap {
    pub(super) interface: u32,
    pub(super) choice: Choice,
    /// Bytes of each frame.
    pub(super) snaplen: usize,
    pub(super) share: Share,
    pub(super) clock: Clock,
    pub(super) ring: Producer<u8>,
    pub(super) counts: Arc<Counts>,
    /// Set when nothing can be written any more.
    pub(super) ended: Arc<AtomicBool>,
    /// Dropped since the last frame that was not.
    lost: u64,
    /// When the last batch ended.
    last: u64,
    /// Room for the block of one frame.
    block: Vec<u8>,
}

/// What a tap is made of beside its own state.
pub(super) struct Parts {
    pub interface: u32,
    pub choice: Choice,
    pub snaplen: Option<usize>,
    pub share_percent: u8,
    pub clock: Clock,
    pub ring: Producer<u8>,
    pub counts: Arc<Counts>,
    pub ended: Arc<AtomicBool>,
}

impl Tap {
    pub(super) fn new(parts: Parts) -> Tap {
        Tap {
            interface: parts.interface,
            choice: parts.choice,
            snaplen: parts.snaplen.unwrap_or(MOST_BYTES).min(MOST_BYTES),
            share: Share::new(parts.share_percent, parts.clock.now()),
            clock: parts.clock,
            ring: parts.ring,
            counts: parts.counts,
            ended: parts.ended,
            lost: 0,
            last: 0,
            block: Vec::with_capacity(MOST_BYTES + OVERHEAD),
        }
    }

    /// The frames of a batch, as they are on the wire, Ethernet header first.
    #[cold]
    #[inline(never)]
    pub fn take<'a>(&mut self, direction: Direction, frames: impl ExactSizeIterator<Item = &'a [u8]>) {
        let clock = self.clock;
        self.take_by(direction, frames, || clock.now());
    }

    pub(super) fn take_by<'a>(
        &mut self,
        direction: Direction,
        frames: impl ExactSizeIterator<Item = &'a [u8]>,
        clock: impl Fn() -> u64,
    ) {
        let number = frames.len() as u64;
        self.counts.seen.add(number);
        if self.ended.load(Relaxed) {
            return self.counts.after_end.add(number);
        }
        self.counts.progress.begin(self.last);
        let began = clock();
        self.last = began;
        if self.share.allows(began) {
            for frame in frames {
                self.copy(direction, began, frame);
            }
            self.last = clock();
            self.share.spend(self.last.saturating_sub(began));
        } else {
            self.lost += number;
            self.counts.over_share.add(number);
        }
        self.counts.progress.end();
    }

    fn copy(&mut self, direction: Direction, at: u64, frame: &[u8]) {
        if !self.choice.takes(frame) {
            return self.counts.left_out.bump();
        }
        let packet = Packet {
            interface: self.interface,
            at,
            direction,
            length: frame.len() as u32,
            data: frame.get(..self.snaplen).unwrap_or(frame),
            lost_before: self.lost,
        };
        pcapng::packet(&mut self.block, &packet);
        match self.ring.push_entire_slice(&self.block) {
            Ok(()) => {
                self.counts.copied.bump();
                self.lost = 0;
            }
            Err(_) => {
                self.counts.ring_full.bump();
                self.lost += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests;
