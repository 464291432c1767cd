use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Processor time, without the cost of reading it, which is that of ten segments.
#[derive(Default)]
pub(super) struct Clock {
    /// Cost of two readings.
    cost: Duration,
}

impl Clock {
    /// Calibrates on the core that it will be read on.
    pub(super) fn calibrated() -> Clock {
        const READINGS: usize = 1001;
        let reading = |_| Clock::default().since(processor_time());
        let mut costs: Vec<_> = (0..READINGS).map(reading).collect();
        costs.sort_unstable();
        Clock { cost: costs[READINGS / 2] }
    }

    /// Returns the processor time of this thread since `before`.
    pub(super) fn since(&self, before: Duration) -> Duration {
        processor_time().saturating_sub(before).saturating_sub(self.cost)
    }
}

/// Processor time of this thread, without time of other programs.
pub(super) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
