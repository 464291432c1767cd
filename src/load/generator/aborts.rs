//! Aborts connections: those that exceed their timeout, and at the end of a step those that are left.

use super::super::failure::Failure;
use super::super::workload::{Actions, Workload};
use super::engine_api::EngineApi;
use super::record::ConnPhase;
use super::state::{GeneratorCore, short};
use super::timeout_scan::SCAN_BATCH;
use handfast_stack::tcp::Time;

/// RSTs sent in one poll at most.
const ABORT_BATCH: u64 = 128;

impl GeneratorCore {
    /// Checks the connections that are due for it.
    pub(super) fn scan_timeouts(&mut self, engine: &mut impl EngineApi, now: Time, elapsed: u64) {
        let span = self.records.span();
        for _ in 0..self.run.scan.due(&span, elapsed) {
            let number = self.run.scan.next(&span);
            self.check_timeout(engine, now, number);
        }
    }

    fn check_timeout(&mut self, engine: &mut impl EngineApi, now: Time, number: u32) {
        let hold = *self.workload() == Workload::Hold;
        let timeout_us = self.run.timeout_us;
        let Some(record) = self.records.get_mut(number) else { return };
        if u64::from(record.age(short(now))) <= timeout_us {
            return;
        }
        let why = match record.phase {
            ConnPhase::Opening if record.is_unreachable() => Failure::Unreachable,
            ConnPhase::Opening => Failure::ConnectTimeout,
            ConnPhase::Open | ConnPhase::Done if !hold => Failure::Timeout,
            _ => return,
        };
        self.end(engine, now, number, Some(why));
    }

    /// Ends a connection with a RST, for this reason.
    fn end(&mut self, engine: &mut impl EngineApi, now: Time, number: u32, why: Option<Failure>) {
        self.mark_aborting(number, why);
        self.apply(engine, now, number, Actions::ABORT);
    }

    /// Ends the connections from number `cursor` on, at most `max` and a batch. `lost`: those that did not
    /// reply to their probe have failed. Returns where to continue.
    pub(super) fn abort_from(
        &mut self,
        cursor: u32,
        max: u64,
        lost: bool,
        engine: &mut impl EngineApi,
        now: Time,
    ) -> u32 {
        let hold = *self.workload() == Workload::Hold;
        let (mut number, mut aborts) = (cursor, 0);
        let scan_to = cursor.saturating_add(SCAN_BATCH).min(self.records.span().end);
        let max = max.min(ABORT_BATCH);
        while number < scan_to && aborts < max {
            let phase = self.records.get_mut(number).map(|record| record.phase);
            match phase {
                None | Some(ConnPhase::Free | ConnPhase::Aborting) => {}
                Some(phase) => {
                    aborts += 1;
                    match phase {
                        ConnPhase::Done if hold => self.apply(engine, now, number, Actions::ABORT),
                        ConnPhase::Probed if lost => self.end(engine, now, number, Some(Failure::ProbeLost)),
                        _ => self.end(engine, now, number, None),
                    }
                }
            }
            number += 1;
        }
        self.run.aborted += aborts;
        number
    }
}
