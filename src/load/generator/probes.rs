//! Probes held connections: does the peer still have them?

use super::super::timeline::micros;
use super::super::workload::Actions;
use super::engine_api::EngineApi;
use super::probing::Probing;
use super::record::ConnPhase;
use super::state::{GeneratorCore, short};
use super::timeout_scan::SCAN_BATCH;
use handfast_stack::tcp::Time;

impl GeneratorCore {
    /// Sends the probes that are due. Returns `None` when all have replied or no round is left.
    pub(super) fn probe(
        &mut self,
        mut probing: Probing,
        per_second: u32,
        engine: &mut impl EngineApi,
        now: Time,
        elapsed: u64,
    ) -> Option<Probing> {
        let plan = self.control.plan().probes;
        probing.record_replies(self.probe_replies, elapsed);
        if let Some(until) = probing.wait_until {
            let all = probing.replied >= probing.sent;
            if elapsed < until && !all {
                return Some(probing);
            }
            if probing.rounds == 0 && probing.replied > 0 {
                self.run.aborts_per_second = Some(probing.pace());
            }
            let rounds = probing.rounds + 1;
            // A peer that replied to no probe at all is not probed again.
            if rounds >= plan.rounds || all || (rounds == 1 && probing.replied == 0) {
                return None;
            }
            let next = Probing::new(self.records.span().start, self.probe_replies, elapsed);
            return Some(Probing { rounds, ..next });
        }
        let mut allowance = probing.allowance(per_second, elapsed);
        let end = self.records.span().end;
        let scan_to = probing.cursor.saturating_add(SCAN_BATCH).min(end);
        while probing.cursor < scan_to && allowance > 0 {
            let record = self.records.get_mut(probing.cursor);
            if let Some(record) =
                record.filter(|record| matches!(record.phase, ConnPhase::Open | ConnPhase::Probed))
            {
                record.set(ConnPhase::Probed, short(now));
                self.apply(engine, now, probing.cursor, Actions::PROBE);
                probing.sent += 1;
                allowance -= 1;
            }
            probing.cursor += 1;
        }
        if probing.cursor >= end {
            // Without probes there is no reply to wait for.
            let wait = if probing.sent == 0 { 0 } else { micros(plan.wait) };
            probing.wait_until = Some(elapsed.saturating_add(wait));
        }
        Some(probing)
    }
}
