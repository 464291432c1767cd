use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Release, SeqCst};

/// Between two batches.
const NONE: u64 = u64::MAX;

/// Which time stamps a tap may still put in: told by the tap, asked by the writer.
///
/// A core can be taken away in the middle of a batch, for as long as the machine likes. Its frames have
/// an older stamp then than what other queues have put in meanwhile.
#[derive(Debug)]
pub(super) struct Progress(AtomicU64);

impl Default for Progress {
    fn default() -> Progress {
        Progress(AtomicU64::new(NONE))
    }
}

impl Progress {
    /// To be called before the batch's time stamp is read from the clock: it will not be before `least`.
    #[inline]
    pub(super) fn begin(&self, least: u64) {
        // SeqCst: not after the clock is read, which a writer that sees no batch relies on.
        self.0.store(least, SeqCst);
    }

    /// All of the batch is put in.
    #[inline]
    pub(super) fn end(&self) {
        self.0.store(NONE, Release);
    }

    /// Everything with an older stamp than this has been put in, or than the clock showed before this
    /// call if that is less.
    pub(super) fn least(&self) -> u64 {
        self.0.load(SeqCst)
    }
}
