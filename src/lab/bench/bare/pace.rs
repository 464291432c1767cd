use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// When to stop.
#[derive(Debug)]
pub struct Pace<'a> {
    start: Instant,
    limit: Duration,
    stop: &'a AtomicBool,
}

impl<'a> Pace<'a> {
    /// From now on, for `limit` or until told to stop.
    pub fn start(limit: Option<Duration>, stop: &'a AtomicBool) -> Pace<'a> {
        Pace { start: Instant::now(), limit: limit.unwrap_or(Duration::MAX), stop }
    }

    /// Since the start; `None` once it is over.
    #[inline]
    pub fn tick(&self) -> Option<Duration> {
        let elapsed = self.elapsed();
        (elapsed < self.limit && !self.stop.load(Relaxed)).then_some(elapsed)
    }

    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
