use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Reading it costs as much as ten segments, so that is left out.
#[derive(Default)]
pub(super) struct Clock {
    /// Of looking twice at once.
    cost: Duration,
}

impl Clock {
    /// On the core that it will be read on.
    pub(super) fn calibrated() -> Clock {
        const LOOKS: usize = 1001;
        let look = |_| Clock::default().since(processor_time());
        let mut costs: Vec<_> = (0..LOOKS).map(look).collect();
        costs.sort_unstable();
        Clock { cost: costs[LOOKS / 2] }
    }

    /// What this thread has spent since `before`.
    pub(super) fn since(&self, before: Duration) -> Duration {
        processor_time().saturating_sub(before).saturating_sub(self.cost)
    }
}

/// Of this thread. What a neighbour takes away of the wall clock's time is left out.
pub(super) fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}
