use hdrhistogram::Histogram;

use super::Tally;
use super::timeline::Stage;
use crate::observe::Counter;

/// What a core tells while it runs, for whoever watches; on lines of its own. Everything since the
/// step began, measured or not.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct LiveCore {
    pub(super) attempted: Counter,
    pub(super) established: Counter,
    pub(super) completed: Counter,
    pub(super) failed: Counter,
    /// Gauges.
    pub(super) in_flight: Counter,
    pub(super) stage: Counter,
}

/// Latencies of one kind, of the step at work so far: a form that each core's generator adds its own
/// to ([`crate::engine::Caller::fill_in`]). Two of a kind in one form would take a core too long.
#[derive(Clone, Debug)]
pub struct Latencies {
    of: Latency,
    /// Microseconds.
    pub histogram: Histogram<u64>,
}

/// Which latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// Intended start to ESTABLISHED.
    Connect,
    /// Intended start to done.
    Completion,
}

impl Latencies {
    /// None yet, with all memory that they will need.
    pub fn new(of: Latency) -> Latencies {
        Latencies { of, histogram: Tally::histogram() }
    }

    pub(super) fn add(&mut self, tally: &Tally) {
        let more = match self.of {
            Latency::Connect => &tally.connect,
            Latency::Completion => &tally.completion,
        };
        // It fails for a histogram of other bounds alone.
        let _ = self.histogram.add(more);
    }
}

/// All cores' [`LiveCore`] at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Of the core that is the least far.
    pub stage: Stage,
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    pub failed: u64,
    pub in_flight: u64,
}

impl LiveCore {
    /// A new step begins.
    pub(super) fn clear(&self) {
        for counter in [&self.attempted, &self.established, &self.completed, &self.failed] {
            counter.set(0);
        }
    }

    pub(super) fn add_to(&self, sum: &mut Progress) {
        sum.stage = sum.stage.min(Stage::of(self.stage.value()));
        sum.attempted += self.attempted.value();
        sum.established += self.established.value();
        sum.completed += self.completed.value();
        sum.failed += self.failed.value();
        sum.in_flight += self.in_flight.value();
    }
}
