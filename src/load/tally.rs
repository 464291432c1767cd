use hdrhistogram::Histogram;

use strum::EnumCount;

use super::failure::Failure;
use super::timeline::{NEVER, Timeline};

/// The maximum latency, microseconds: five minutes. Longer ones count as this.
const MAX_LATENCY_US: u64 = 300_000_000;
/// The maximum number of seconds with an entry of their own: a week. Later ones are in the totals only.
const MAX_SECONDS: u64 = 7 * 86_400;

/// The counts of one core, or of all.
///
/// Counts and latencies are of the connections whose *intended* start lies in the measured time,
/// whenever they ended: `attempted` is always `completed` + `failed` + `in_flight`. The seconds
/// count events, of any connection, when they happened.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Opened, or due and given up.
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    /// Neither completed nor failed when the run was over.
    pub in_flight: u64,
    failed: [u64; Failure::COUNT],
    /// Intended start to ESTABLISHED, microseconds.
    pub connect: Histogram<u64>,
    /// Intended start to completion, microseconds; [`super::Workload`] defines completion.
    pub completion: Histogram<u64>,
    /// How late connections were opened in an open loop, microseconds: caused by this side.
    pub lag: Histogram<u64>,
    /// HTTP statuses that count as failures, with their counts; the first few different ones.
    pub statuses: Statuses,
    pub refused: OpenRefusals,
    pub waited: OpenWaits,
    /// Whole seconds of the measured time.
    pub seconds: Vec<SecondCounts>,
    /// The part of the measured time in which connections were opened. For held ones: until the last was
    /// established.
    pub opening_us: u64,
    /// The measured time. If a number of connections ended the run: until the last of them had ended.
    pub measured_us: u64,
    clock: SecondClock,
}

/// The events in one second of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondCounts {
    pub attempted: u32,
    pub established: u32,
    pub completed: u32,
    pub failed: u32,
}

/// A few HTTP statuses with their counts. Does not allocate: it is used on the packet path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statuses([(u16, u64); 8]);

impl Statuses {
    pub(super) fn add(&mut self, status: u16, count: u64) {
        let place = self.0.iter_mut().find(|(known, counted)| *known == status || *counted == 0);
        if let Some(place) = place {
            *place = (status, place.1 + count);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// How often a connection that was due could not be opened at once. The connections themselves were opened
/// later, or count as failed: these are the attempts, also outside of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenRefusals {
    pub no_tuple: u64,
    pub no_slot: u64,
    pub no_frame: u64,
    /// 4-tuples skipped, since this stack still used them.
    pub in_use: u64,
}

/// The part of the measured time in which a connection was due and could not be opened, microseconds. For
/// several cores: the longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenWaits {
    /// No 4-tuple was free, or all that were next were still in use by this stack.
    pub tuple_us: u64,
    /// The table had no room.
    pub slot_us: u64,
}

/// The current entry of the seconds, without a division per event.
#[derive(Clone, Copy, Debug)]
struct SecondClock {
    from_us: u64,
    to_us: u64,
    index: usize,
    ends_us: u64,
}

impl Tally {
    /// A histogram for latencies, with all memory that it will need.
    #[allow(clippy::expect_used, reason = "bounds that are constant and valid; not the packet path")]
    pub(super) fn histogram() -> Histogram<u64> {
        Histogram::new_with_bounds(1, MAX_LATENCY_US, 3).expect("bounds that make sense")
    }

    /// An empty tally, with all memory that it will need.
    pub(super) fn new(line: &Timeline) -> Tally {
        let histogram = Tally::histogram;
        let measured = line.measured_to.saturating_sub(line.measured_from);
        let seconds = (measured / 1_000_000).min(MAX_SECONDS) as usize;
        Tally {
            attempted: 0,
            established: 0,
            completed: 0,
            in_flight: 0,
            failed: [0; Failure::COUNT],
            connect: histogram(),
            completion: histogram(),
            lag: histogram(),
            statuses: Statuses::default(),
            refused: OpenRefusals::default(),
            waited: OpenWaits::default(),
            seconds: vec![SecondCounts::default(); seconds],
            opening_us: 0,
            measured_us: if line.measured_to == NEVER { 0 } else { measured },
            clock: SecondClock {
                from_us: line.measured_from,
                to_us: line.measured_to,
                index: 0,
                ends_us: line.measured_from.saturating_add(1_000_000),
            },
        }
    }

    pub fn failed_by(&self, failure: Failure) -> u64 {
        self.failed[failure as usize]
    }

    pub fn failed(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Every reason that occurred, by name.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = Failure::ALL.iter().zip(self.failed);
        all.filter(|(_, count)| *count > 0).map(|(failure, count)| (failure.name(), count))
    }

    /// Share of the attempted connections that failed, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.failed() as f64 / self.attempted.max(1) as f64
    }

    /// Completed connections per second of the measured time.
    pub fn rate(&self) -> f64 {
        if self.measured_us == 0 { 0.0 } else { self.completed as f64 * 1e6 / self.measured_us as f64 }
    }

    /// Connections completed per second within the measured time, whenever they were due: fewer than
    /// [`Tally::rate`] for a target that falls behind. Equal to it without a whole second.
    pub fn rate_meanwhile(&self) -> f64 {
        let completed: u64 = self.seconds.iter().map(|second| u64::from(second.completed)).sum();
        match self.seconds.len() {
            0 => self.rate(),
            seconds => completed as f64 / seconds as f64,
        }
    }

    /// Adds the counts of another core over the same time.
    pub fn merge(&mut self, other: &Tally) {
        self.attempted += other.attempted;
        self.established += other.established;
        self.completed += other.completed;
        self.in_flight += other.in_flight;
        self.failed.iter_mut().zip(other.failed).for_each(|(all, more)| *all += more);
        // All have the same bounds: adding cannot fail.
        let _ = self.connect.add(&other.connect);
        let _ = self.completion.add(&other.completion);
        let _ = self.lag.add(&other.lag);
        other.statuses.iter().for_each(|(status, count)| self.statuses.add(status, count));
        self.refused.no_tuple += other.refused.no_tuple;
        self.refused.no_slot += other.refused.no_slot;
        self.refused.no_frame += other.refused.no_frame;
        self.refused.in_use += other.refused.in_use;
        self.waited.tuple_us = self.waited.tuple_us.max(other.waited.tuple_us);
        self.waited.slot_us = self.waited.slot_us.max(other.waited.slot_us);
        self.seconds.resize(self.seconds.len().max(other.seconds.len()), SecondCounts::default());
        for (all, more) in self.seconds.iter_mut().zip(&other.seconds) {
            all.attempted += more.attempted;
            all.established += more.established;
            all.completed += more.completed;
            all.failed += more.failed;
        }
        self.opening_us = self.opening_us.max(other.opening_us);
        self.measured_us = self.measured_us.max(other.measured_us);
    }

    /// The entry of the second of `elapsed_us`.
    #[inline]
    pub(super) fn second(&mut self, elapsed_us: u64) -> Option<&mut SecondCounts> {
        let clock = &mut self.clock;
        if elapsed_us < clock.from_us || elapsed_us >= clock.to_us {
            return None;
        }
        if elapsed_us >= clock.ends_us {
            clock.index = ((elapsed_us - clock.from_us) / 1_000_000) as usize;
            clock.ends_us = clock.from_us.saturating_add((clock.index as u64 + 1) * 1_000_000);
        }
        self.seconds.get_mut(clock.index)
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.failed[failure as usize] += 1;
    }

    /// Records by how much a connection was opened late.
    #[inline]
    pub(super) fn late(&mut self, late_us: u64) {
        self.lag.saturating_record(late_us);
    }

    /// The run has ended: sets the measured time and removes a last second that is not whole.
    pub(super) fn finish(&mut self, measured_us: u64) {
        self.measured_us = measured_us;
        self.opening_us = self.opening_us.min(measured_us);
        self.seconds.truncate((measured_us / 1_000_000) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(&Timeline {
            ramped_up: 0,
            measured_from: 500_000,
            measured_to: 3_500_000,
            opens_to: NEVER,
        })
    }

    #[test]
    fn seconds_begin_with_the_measured_time() {
        let mut tally = tally();
        for at in [0, 499_999, 3_500_000, 9_000_000] {
            assert!(tally.second(at).is_none(), "{at}");
        }
        for at in [500_000, 1_499_999, 1_500_000, 3_499_999, 3_499_999] {
            tally.second(at).unwrap().completed += 1;
        }
        let completed: Vec<u32> = tally.seconds.iter().map(|second| second.completed).collect();
        assert_eq!(completed, [2, 1, 2]);
        tally.finish(2_999_999);
        assert_eq!(tally.seconds.len(), 2, "the last one is not whole");
    }

    #[test]
    fn cores_add_up() {
        let (mut one, mut other) = (tally(), tally());
        for (tally, latency, late) in [(&mut one, 100, 5), (&mut other, 9_000, 50)] {
            tally.attempted = 4;
            tally.completed = 2;
            tally.fail(Failure::Reset);
            tally.fail(Failure::NoTuple);
            tally.completion.saturating_record(latency);
            tally.late(late);
            tally.second(600_000).unwrap().failed += 2;
            tally.second(700_000).unwrap().completed += 3;
        }
        one.merge(&other);
        assert_eq!((one.attempted, one.completed, one.failed()), (8, 4, 4));
        assert_eq!(one.failures().collect::<Vec<_>>(), [("reset", 2), ("no-tuple", 2)]);
        assert_eq!((one.completion.len(), one.completion.min(), one.lag.max()), (2, 100, 50));
        assert_eq!((one.lag.mean(), one.loss(), one.seconds[0].failed), (27.5, 0.5, 4));
        assert!((one.rate() - 4.0 / 3.0).abs() < 1e-9);
        assert!((one.rate_meanwhile() - 6.0 / one.seconds.len() as f64).abs() < 1e-9);
        one.seconds.clear();
        assert!((one.rate_meanwhile() - one.rate()).abs() < 1e-9, "no whole second");
    }

    #[test]
    fn a_few_statuses_are_told_apart() {
        let mut statuses = Statuses::default();
        [404, 503, 404].into_iter().for_each(|status| statuses.add(status, 1));
        assert_eq!(statuses.iter().collect::<Vec<_>>(), [(404, 2), (503, 1)]);
        (400..450).for_each(|status| statuses.add(status, 1));
        assert_eq!(statuses.iter().count(), 8);
    }

    #[test]
    fn memory_is_bounded_and_latencies_saturate() {
        let mut tally = Tally::new(&Timeline { measured_to: NEVER, ..Timeline::default() });
        assert_eq!(tally.seconds.len() as u64, MAX_SECONDS);
        tally.connect.saturating_record(u64::MAX);
        assert!(tally.connect.max() >= MAX_LATENCY_US && !tally.connect.is_auto_resize());
    }
}
