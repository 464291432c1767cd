use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Ends a run after its duration or at a signal.
#[derive(Debug)]
pub struct RunTimer<'a> {
    start: Instant,
    limit: Duration,
    stop: &'a AtomicBool,
}

impl<'a> RunTimer<'a> {
    /// Starts now; ends after `limit` or once `stop` is set.
    pub fn start(limit: Option<Duration>, stop: &'a AtomicBool) -> RunTimer<'a> {
        RunTimer { start: Instant::now(), limit: limit.unwrap_or(Duration::MAX), stop }
    }

    /// Returns the time since the start; `None` after the end.
    #[inline]
    pub fn tick(&self) -> Option<Duration> {
        let elapsed = self.elapsed();
        (elapsed < self.limit && !self.stop.load(Relaxed)).then_some(elapsed)
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
