use std::time::Instant;

use crate::observe::{Counters, STAGES, Stage};

/// Where a poll's time goes. Off, it costs a predicted branch per stage and batch.
pub(super) struct Stopwatch {
    /// When the current stage began; `None`: off.
    since: Option<Instant>,
    /// This poll's, nanoseconds: it counts only if the poll had work.
    spent: [u64; STAGES.len()],
}

impl Stopwatch {
    pub(super) fn new(on: bool) -> Stopwatch {
        Stopwatch { since: on.then(Instant::now), spent: [0; STAGES.len()] }
    }

    /// A poll begins.
    #[inline]
    pub(super) fn start(&mut self) {
        if let Some(since) = &mut self.since {
            *since = Instant::now();
            self.spent = [0; STAGES.len()];
        }
    }

    /// `stage` is over, the next one begins.
    #[inline]
    pub(super) fn lap(&mut self, stage: Stage) {
        if let Some(since) = &mut self.since {
            let now = Instant::now();
            self.spent[stage as usize] += now.duration_since(*since).as_nanos() as u64;
            *since = now;
        }
    }

    /// The poll is over, and had work.
    #[inline]
    pub(super) fn count(&self, times: &Counters<{ STAGES.len() }>) {
        if self.since.is_some() {
            times.iter().zip(self.spent).for_each(|(time, spent)| time.add(spent));
        }
    }
}
