//! The state of a step on one core.

use super::super::Plan;
use super::super::pace::split;
use super::super::timeline::micros;
use super::super::tuples::Exhausted;
use super::probing::Probing;
use super::timeout_scan::TimeoutScan;

/// The state of a step on one core.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) phase: RunPhase,
    /// Of this core.
    pub(super) probes_per_second: u32,
    pub(super) timeout_us: u64,
    /// A stop has been seen.
    pub(super) stopped: bool,
    /// The rate at which held connections are reset: that of the peer's replies to probes. `None`: no limit.
    pub(super) aborts_per_second: Option<u64>,
    /// When the resets began, and the number of them so far.
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
    /// Waits for connections in flight to end, until then.
    Draining {
        until: u64,
    },
    /// [`Workload::Hold`]: all connections are opened, the last ones not established yet.
    Settling,
    Holding {
        until: u64,
    },
    Probing(Probing),
    /// Resets the connections that are left; `cursor` is the next number.
    Closing {
        cursor: u32,
        until: u64,
        lost: bool,
    },
    /// All connections have ended.
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

    /// The number of connections that may be reset now.
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
