use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rtrb::Producer;

use super::cpu_budget::CpuBudget;
use super::filter::CaptureFilter;
use super::pcapng::{self, OVERHEAD, Packet};
use super::progress::Progress;
use crate::observe::Counter;

/// Bytes of the largest frame: a 4 KiB buffer.
const MAX_FRAME: usize = 4096;
/// Bytes of a ring: about 60,000 frames of a handshake.
pub(super) const RING: usize = 8 << 20;

/// Direction of a frame, with the values of `epb_flags` in pcapng.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In = 1,
    /// Sent.
    Out = 2,
}

/// A monotonic clock, set to the system time at the start of the capture and shared by all queues.
#[derive(Clone, Copy, Debug)]
pub(super) struct CaptureClock {
    started: Instant,
    unix_ns: u64,
}

impl CaptureClock {
    pub(super) fn new() -> CaptureClock {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        CaptureClock { started: Instant::now(), unix_ns: unix.as_nanos() as u64 }
    }

    /// Nanoseconds since 1970.
    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.unix_ns + self.started.elapsed().as_nanos() as u64
    }
}

/// The counters of one tap. `seen` is the sum of all others.
#[derive(Debug, Default)]
pub(super) struct TapCounts {
    pub seen: Counter,
    /// Written to the ring.
    pub copied: Counter,
    /// Left out by the filter.
    pub left_out: Counter,
    /// No room in the ring.
    pub ring_full: Counter,
    /// Not examined: the CPU budget of copying was used up.
    pub over_budget: Counter,
    /// Not examined: the file cannot be written any more.
    pub after_end: Counter,
    /// Not a counter: the progress of this tap.
    pub progress: Progress,
}

/// The part of a capture at one queue.
///
/// Reads the clock when a batch begins and when it ends, and never blocks, allocates or panics.
#[derive(Debug)]
pub struct Tap {
    pub(super) interface: u32,
    pub(super) filter: CaptureFilter,
    /// Bytes of each frame.
    pub(super) snaplen: usize,
    pub(super) budget: CpuBudget,
    pub(super) clock: CaptureClock,
    pub(super) ring: Producer<u8>,
    pub(super) counts: Arc<TapCounts>,
    /// Set when the file cannot be written any more.
    pub(super) ended: Arc<AtomicBool>,
    /// Frames dropped since the last captured one.
    lost: u64,
    /// The end of the last batch.
    last: u64,
    /// Room for the block of one frame.
    block: Vec<u8>,
}

/// The parameters of a tap.
pub(super) struct Parts {
    pub interface: u32,
    pub filter: CaptureFilter,
    pub snaplen: Option<usize>,
    pub cpu_percent: u8,
    pub clock: CaptureClock,
    pub ring: Producer<u8>,
    pub counts: Arc<TapCounts>,
    pub ended: Arc<AtomicBool>,
}

impl Tap {
    pub(super) fn new(parts: Parts) -> Tap {
        Tap {
            interface: parts.interface,
            filter: parts.filter,
            snaplen: parts.snaplen.unwrap_or(MAX_FRAME).min(MAX_FRAME),
            budget: CpuBudget::new(parts.cpu_percent, parts.clock.now()),
            clock: parts.clock,
            ring: parts.ring,
            counts: parts.counts,
            ended: parts.ended,
            lost: 0,
            last: 0,
            block: Vec::with_capacity(MAX_FRAME + OVERHEAD),
        }
    }

    /// Captures the frames of a batch as they are on the wire, beginning with the Ethernet header.
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
        if self.budget.allows(began) {
            for frame in frames {
                self.copy(direction, began, frame);
            }
            self.last = clock();
            self.budget.spend(self.last.saturating_sub(began));
        } else {
            self.lost += number;
            self.counts.over_budget.add(number);
        }
        self.counts.progress.end();
    }

    fn copy(&mut self, direction: Direction, at: u64, frame: &[u8]) {
        if !self.filter.takes(frame) {
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
