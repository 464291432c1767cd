//! Where a core is in its step: data alone.

use super::super::Plan;
use super::super::pace::split;
use super::super::timeline::micros;
use super::super::tuples::Exhausted;
use super::probing::Probing;
use super::timeout_scan::TimeoutScan;

/// Where a core is in its step, and what its next poll goes on with.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) phase: RunPhase,
    /// This core's share.
    pub(super) probes_per_second: u32,
    pub(super) timeout_us: u64,
    /// A stop has been seen.
    pub(super) stopped: bool,
    /// Held connections that the peer can take the end of, as it answered their probes. `None`: as
    /// fast as it goes.
    pub(super) aborts_per_second: Option<u64>,
    /// When the end began, and how many have been ended since.
    pub(super) closing_us: u64,
    pub(super) aborted: u64,
    /// Why the connection that is due was not opened yet.
    pub(super) blocked: Option<Blocked>,
    /// Until when the time blocked has been counted.
    pub(super) blocked_us: u64,
    pub(super) scan: TimeoutScan,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum RunPhase {
    Opening,
    /// Nothing is opened any more; what is in flight may end, until then.
    Draining {
        until: u64,
    },
    /// [`Workload::Hold`]: all are attempted, the last ones not established yet.
    Settling,
    Holding {
        until: u64,
    },
    Probing(Probing),
    /// All that is left gets a RST; `cursor` is the next number to look at.
    Closing {
        cursor: u32,
        until: u64,
        lost: bool,
    },
    /// Nothing is left.
    Over,
}

impl RunState {
    pub(super) fn new(plan: &Plan, share: (u32, u32)) -> RunState {
        let timeout_us = micros(plan.timeout);
        RunState {
            phase: RunPhase::Over,
            probes_per_second: split(u64::from(plan.probes.per_second), share).max(1) as u32,
            timeout_us,
            stopped: false,
            aborts_per_second: None,
            closing_us: 0,
            aborted: 0,
            blocked: None,
            blocked_us: 0,
            scan: TimeoutScan::new(timeout_us),
        }
    }

    /// How many more may be ended by now.
    pub(super) fn aborts(&self, elapsed: u64) -> u64 {
        let Some(per_second) = self.aborts_per_second else { return u64::MAX };
        let by_now = u128::from(elapsed - self.closing_us) * u128::from(per_second) / 1_000_000 + 1;
        (by_now as u64).saturating_sub(self.aborted)
    }
}

/// What the connection that is due lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocked {
    Tuple(Exhausted),
    /// The next 4-tuple is still in use in this stack.
    InUse,
    Slot,
    Frame,
}
