//! When to open the next connection.

use super::schedule::{ArrivalSchedule, Arrivals};
use super::timeline::{NEVER, Timeline};

/// The load of a run or step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Closed loop: this many connections in flight, over all cores. The end of one starts the next, so a
    /// slow target gets less load.
    Concurrency(u32),
    /// Open loop: this many connections per second over all cores, independent of their completion.
    /// Latency counts from the intended start, so that a stall of client or target shows in it (no
    /// coordinated omission).
    Rate { per_second: u64, arrivals: Arrivals },
}

/// One core's share of a load.
#[derive(Clone, Debug)]
pub(super) enum Pacer {
    Closed { limit: u32, ramp_up_us: u64 },
    Open(ArrivalSchedule),
}

impl Pacer {
    /// `share`: core and number of cores.
    pub(super) fn new(load: Load, line: &Timeline, share: (u32, u32), seed: u64) -> Pacer {
        match load {
            Load::Concurrency(all) => {
                Pacer::Closed { limit: split(u64::from(all), share) as u32, ramp_up_us: line.ramped_up }
            }
            Load::Rate { per_second, arrivals } => {
                Pacer::Open(ArrivalSchedule::new(per_second, arrivals, line, share, seed))
            }
        }
    }

    /// The intended start of the connection to open now, if one is due.
    #[inline]
    pub(super) fn due(&self, elapsed_us: u64, in_flight: u32) -> Option<u64> {
        match self {
            Pacer::Closed { .. } => (in_flight < self.room(elapsed_us)).then_some(elapsed_us),
            Pacer::Open(schedule) => Some(schedule.next_us()).filter(|next| *next <= elapsed_us),
        }
    }

    /// The connection that was due was opened or given up.
    #[inline]
    pub(super) fn begun(&mut self) {
        if let Pacer::Open(schedule) = self {
            schedule.advance();
        }
    }

    /// When the next connection is due, if none ends earlier.
    pub(super) fn next_us(&self, elapsed_us: u64, in_flight: u32) -> u64 {
        match self {
            Pacer::Open(schedule) => schedule.next_us(),
            Pacer::Closed { .. } if in_flight < self.room(elapsed_us) => elapsed_us,
            Pacer::Closed { limit, ramp_up_us } if in_flight < *limit => {
                (u128::from(*ramp_up_us) * u128::from(in_flight) / u128::from(*limit)) as u64 + 1
            }
            Pacer::Closed { .. } => NEVER,
        }
    }

    /// Whether starts have an intended time, and so can be late.
    pub(super) fn is_open_loop(&self) -> bool {
        matches!(self, Pacer::Open(_))
    }

    /// Closed loop: how many connections may be in flight now. Grows evenly during ramp-up.
    fn room(&self, elapsed_us: u64) -> u32 {
        match self {
            Pacer::Open(_) => u32::MAX,
            Pacer::Closed { limit, ramp_up_us } if elapsed_us >= *ramp_up_us => *limit,
            Pacer::Closed { limit, ramp_up_us } => {
                let grown = u128::from(*limit) * u128::from(elapsed_us) / u128::from(*ramp_up_us);
                (grown as u32).saturating_add(1).min(*limit)
            }
        }
    }
}

/// Splits a total over cores: the first ones get one more where it does not divide.
pub(super) fn split(all: u64, (core, cores): (u32, u32)) -> u64 {
    let (core, cores) = (u64::from(core), u64::from(cores.max(1)));
    all / cores + u64::from(core < all % cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timeline = Timeline { ramped_up: 0, measured_from: 0, measured_to: NEVER, opens_to: NEVER };

    #[test]
    fn shares_add_up() {
        for (all, cores) in [(10, 3), (1, 4), (0, 2), (7, 1)] {
            assert_eq!((0..cores).map(|core| split(all, (core, cores))).sum::<u64>(), all);
        }
    }

    #[test]
    fn a_closed_loop_fills_up_and_waits() {
        let mut pacer = Pacer::new(Load::Concurrency(3), &NOW, (0, 2), 0);
        assert_eq!((pacer.due(7, 0), pacer.due(7, 1), pacer.due(7, 2)), (Some(7), Some(7), None));
        assert_eq!((pacer.next_us(7, 1), pacer.next_us(7, 2)), (7, NEVER));
        pacer.begun();
        assert!(!pacer.is_open_loop());
    }

    #[test]
    fn a_closed_loop_ramps_up() {
        let line = Timeline { ramped_up: 1000, ..NOW };
        let pacer = Pacer::new(Load::Concurrency(10), &line, (0, 1), 0);
        for (elapsed, room) in [(0, 1), (99, 1), (100, 2), (950, 10), (1000, 10), (5000, 10)] {
            assert!(pacer.due(elapsed, room - 1).is_some(), "{elapsed}");
            assert_eq!(pacer.due(elapsed, room), None, "{elapsed}");
        }
        let next = pacer.next_us(100, 2);
        assert!(pacer.due(next, 2).is_some() && next <= 202, "{next}");
    }

    #[test]
    fn an_open_loop_keeps_the_intended_time_of_what_is_late() {
        let load = Load::Rate { per_second: 1000, arrivals: Arrivals::Steady };
        let mut pacer = Pacer::new(load, &NOW, (1, 2), 0);
        assert_eq!(pacer.due(999, 0), None);
        assert_eq!(pacer.next_us(0, 0), 1000);
        // A stall of a second: all that was due meanwhile still is, each with its own time.
        let mut late = Vec::new();
        while let Some(intended) = pacer.due(1_000_000, 1_000_000) {
            late.push(intended);
            pacer.begun();
        }
        assert_eq!(late.len(), 500);
        assert_eq!((late[0], late[1], late[499]), (1000, 3000, 999_000));
    }
}
