use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Release, SeqCst};

/// Between two batches.
const NONE: u64 = u64::MAX;

/// The timestamps that a tap may still write, published by the tap and read by the writer.
///
/// A core can be preempted in the middle of a batch for any time. Its frames then have an older
/// timestamp than those that other queues have written meanwhile.
#[derive(Debug)]
pub(super) struct Progress(AtomicU64);

impl Default for Progress {
    fn default() -> Progress {
        Progress(AtomicU64::new(NONE))
    }
}

impl Progress {
    /// To be called before the timestamp of the batch is read from the clock; it will not be before `min`.
    #[inline]
    pub(super) fn begin(&self, min: u64) {
        // SeqCst: not after the clock is read; a writer that sees no batch relies on it.
        self.0.store(min, SeqCst);
    }

    /// The batch is written completely.
    #[inline]
    pub(super) fn end(&self) {
        self.0.store(NONE, Release);
    }

    /// All frames with an older timestamp than this have been written; the bound is the clock before this
    /// call, if that is lower.
    pub(super) fn complete_until(&self) -> u64 {
        self.0.load(SeqCst)
    }
}
