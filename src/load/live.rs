use hdrhistogram::Histogram;

use super::Tally;
use strum::EnumCount;

use super::failure::Failure;
use super::timeline::RunStage;
use handfast_stack::observe::Counter;

/// Live counters of one core, on cache lines of their own. They count events of all connections, measured
/// or not, and only grow: a step's share is the difference since it began.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct LiveCore {
    pub(super) attempted: Counter,
    pub(super) established: Counter,
    pub(super) completed: Counter,
    failed: [Counter; Failure::COUNT],
    /// Gauges.
    pub(super) in_flight: Counter,
    pub(super) stage: Counter,
    /// Time in which a connection was due and no 4-tuple was free.
    pub(super) waited_for_tuple_us: Counter,
    /// The sums when the step began.
    before: [Counter; 4],
}

/// LatencyQuery of one kind in the current step so far. Each core's generator adds its own
/// ([`handfast_stack::engine::Opener::fill_in`]). One kind per query: adding both would take a core too
/// long.
#[derive(Clone, Debug)]
pub struct LatencyQuery {
    of: LatencyKind,
    /// Microseconds.
    pub histogram: Histogram<u64>,
}

/// Which latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencyKind {
    /// Intended start to ESTABLISHED.
    Connect,
    /// Intended start to completion.
    Completion,
}

impl LatencyQuery {
    /// Empty, with all memory that it will need.
    pub fn new(of: LatencyKind) -> LatencyQuery {
        LatencyQuery { of, histogram: Tally::histogram() }
    }

    pub(super) fn add(&mut self, tally: &Tally) {
        let more = match self.of {
            LatencyKind::Connect => &tally.connect,
            LatencyKind::Completion => &tally.completion,
        };
        // Fails only for histograms of different bounds.
        let _ = self.histogram.add(more);
    }
}

/// The events of a step so far on all cores, measured or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepProgress {
    /// The earliest stage of all cores.
    pub stage: RunStage,
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    pub failed: u64,
    pub in_flight: u64,
    /// Time in which a connection was due and no 4-tuple was free, microseconds: of the core that waited
    /// longest, over all steps.
    pub waited_for_tuple_us: u64,
}

/// The events on all cores since the run began, over all of its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Opened, or due and given up.
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    /// In the order of [`Failure::ALL`].
    pub failed: [u64; Failure::COUNT],
    /// A gauge.
    pub in_flight: u64,
}

impl LiveCore {
    /// Begins a step.
    pub(super) fn begin(&self) {
        self.before.iter().zip(self.sums()).for_each(|(before, sum)| before.set(sum));
    }

    #[inline]
    pub(super) fn fail(&self, why: Failure) {
        self.failed[why as usize].bump();
    }

    /// Attempted, established, completed, failed.
    fn sums(&self) -> [u64; 4] {
        let failed = self.failed.iter().map(Counter::value).sum();
        [self.attempted.value(), self.established.value(), self.completed.value(), failed]
    }

    pub(super) fn add_to(&self, sum: &mut StepProgress) {
        let [attempted, established, completed, failed] = self.sums();
        let since = |now: u64, before: usize| now.saturating_sub(self.before[before].value());
        sum.stage = sum.stage.min(RunStage::of(self.stage.value()));
        sum.attempted += since(attempted, 0);
        sum.established += since(established, 1);
        sum.completed += since(completed, 2);
        sum.failed += since(failed, 3);
        sum.in_flight += self.in_flight.value();
        sum.waited_for_tuple_us = sum.waited_for_tuple_us.max(self.waited_for_tuple_us.value());
    }

    pub(super) fn add_to_totals(&self, sum: &mut Totals) {
        sum.attempted += self.attempted.value();
        sum.established += self.established.value();
        sum.completed += self.completed.value();
        sum.failed.iter_mut().zip(&self.failed).for_each(|(sum, failed)| *sum += failed.value());
        sum.in_flight += self.in_flight.value();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_what_came_since_it_began_and_totals_only_grow() {
        let live = LiveCore::default();
        for step in 1..=2 {
            live.begin();
            live.attempted.add(5);
            live.established.add(4);
            live.completed.add(3);
            live.fail(Failure::Refused);
            live.fail(Failure::ClientLate);
            let (mut progress, mut totals) = (StepProgress::default(), Totals::default());
            live.add_to(&mut progress);
            live.add_to_totals(&mut totals);
            let StepProgress { attempted, established, completed, failed, .. } = progress;
            assert_eq!((attempted, established, completed, failed), (5, 4, 3, 2));
            assert_eq!((totals.attempted, totals.completed), (5 * step, 3 * step));
            assert_eq!(totals.failed[Failure::Refused as usize], step);
            assert_eq!(totals.failed.iter().sum::<u64>(), 2 * step);
        }
    }
}
