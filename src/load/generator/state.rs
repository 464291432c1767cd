//! The generator's state on one core, and the handlers of connection events: each returns what to do
//! with the connection. `phases` has what is done without an event.

use std::sync::Arc;

use super::super::control::Control;
use super::super::core_slot::{CoreSlot, StepJob};
use super::super::failure::Failure;
use super::super::timeline::micros;
use super::super::tuples::TupleAllocator;
use super::super::workload::{Actions, ConnStatus, Workload};
use super::engine_api::EngineApi;
use super::record::{ConnPhase, ConnRecord, ConnRecords};
use super::run_state::RunState;
use handfast_stack::observe::Closed;
use handfast_stack::tcp::Time;

/// See the module.
pub(super) struct GeneratorCore {
    pub(super) control: Arc<Control>,
    pub(super) slot: Arc<CoreSlot>,
    pub(super) tuples: TupleAllocator,
    pub(super) records: ConnRecords,
    /// The current step.
    pub(super) job: Option<Box<StepJob>>,
    /// When the step began, microseconds.
    pub(super) start_us: u64,
    /// Connections that have not ended.
    pub(super) live: u32,
    /// Of these: those whose SYN is not answered.
    pub(super) opening: u32,
    /// Of these: those that count in the step.
    pub(super) measured_live: u64,
    /// When the last connection that counts ended, since the start.
    pub(super) last_end_us: u64,
    /// When the last connection that counts was established, since the start.
    pub(super) last_established_us: u64,
    /// Replies to probes.
    pub(super) probe_replies: u64,
    pub(super) run: RunState,
}

/// The result of a connection.
#[derive(Clone, Copy, Debug)]
enum ConnResult {
    /// After this many microseconds.
    Completed(u32),
    Failed(Failure),
    /// Neither, when the run ended.
    InFlight,
}

/// Microseconds modulo 2^32.
#[inline]
pub(super) fn short(now: Time) -> u32 {
    now.micros as u32
}

impl GeneratorCore {
    pub(super) fn new(control: Arc<Control>, slot: Arc<CoreSlot>, share: (u32, u32)) -> GeneratorCore {
        let plan = control.plan();
        let reuse_us = micros(plan.reuse_after);
        GeneratorCore {
            tuples: TupleAllocator::new(control.space().clone(), share, plan.seed, reuse_us),
            run: RunState::new(plan, share),
            records: ConnRecords::default(),
            job: None,
            start_us: 0,
            live: 0,
            opening: 0,
            measured_live: 0,
            last_end_us: 0,
            last_established_us: 0,
            probe_replies: 0,
            control,
            slot,
        }
    }

    pub(super) fn workload(&self) -> &Workload {
        &self.control.plan().workload
    }

    pub(super) fn elapsed(&self, now: Time) -> u64 {
        now.micros.saturating_sub(self.start_us)
    }

    /// The connections in flight of a closed loop: held ones are not part of the load.
    pub(super) fn paced_in_flight(&self) -> u32 {
        if *self.workload() == Workload::Hold { self.opening } else { self.live }
    }

    /// Applies actions to a connection. One that the engine does not have is counted as aborted.
    pub(super) fn apply(&mut self, engine: &mut impl EngineApi, now: Time, number: u32, actions: Actions) {
        if !engine.apply(number, actions) {
            self.on_closed(number, now, Closed::Aborted);
        }
    }

    #[inline]
    pub(super) fn on_established(&mut self, number: u32, now: Time) -> Actions {
        let elapsed = self.elapsed(now);
        let GeneratorCore { control, slot, records, job, opening, last_established_us, .. } = self;
        let Some(record) = records.get_mut(number) else { return Actions::ABORT };
        if record.phase != ConnPhase::Opening {
            return Actions::NOTHING;
        }
        let age = record.age(short(now));
        *opening = opening.saturating_sub(1);
        slot.live.established.bump();
        if let Some(job) = job {
            if let Some(second) = job.tally.second(elapsed) {
                second.established += 1;
            }
            if record.is_measured() {
                job.tally.established += 1;
                *last_established_us = elapsed;
                job.tally.connect.saturating_record(u64::from(age));
            }
        }
        record.phase = ConnPhase::Open;
        let (actions, status) = control.plan().workload.on_established();
        set_status(record, status, age);
        actions
    }

    #[inline]
    pub(super) fn on_data(&mut self, number: u32, now: Time, data: &[u8]) -> Actions {
        let GeneratorCore { control, records, job, .. } = self;
        let Some(record) = records.get_mut(number).filter(|record| record.phase == ConnPhase::Open) else {
            return Actions::NOTHING;
        };
        let mut response = record.response;
        let (actions, status) = control.plan().workload.on_data(&mut response, data);
        record.response = response;
        if status == ConnStatus::Failed(Failure::HttpStatus)
            && let Some(job) = job.as_mut().filter(|_| record.is_measured())
        {
            job.tally.statuses.add(response.status(), 1);
        }
        set_status(record, status, record.age(short(now)));
        actions
    }

    /// The peer's FIN has arrived.
    #[inline]
    pub(super) fn on_fin(&mut self, number: u32, now: Time) -> Actions {
        let GeneratorCore { control, records, .. } = self;
        let Some(record) = records.get_mut(number) else { return Actions::CLOSE };
        match record.phase {
            ConnPhase::Open | ConnPhase::Probed => {
                let (actions, status) = control.plan().workload.on_fin(&{ record.response });
                set_status(record, status, record.age(short(now)));
                actions
            }
            _ => Actions::CLOSE,
        }
    }

    /// An acceptable segment has arrived: the reply to a probe, if one was sent.
    #[inline]
    pub(super) fn on_alive(&mut self, number: u32, now: Time) {
        if let Some(record) = self.records.get_mut(number).filter(|record| record.phase == ConnPhase::Probed)
        {
            record.set(ConnPhase::Done, short(now).wrapping_sub(record.aux()));
            self.probe_replies += 1;
        }
    }

    /// An ICMP error has arrived for the connection. It does not end it (RFC 9293 MUST-56); a time-out
    /// after it counts as unreachable.
    pub(super) fn on_icmp_error(&mut self, number: u32) {
        if let Some(record) = self.records.get_mut(number) {
            record.set_unreachable();
        }
    }

    /// There was no send buffer for the request.
    pub(super) fn on_no_buffer(&mut self, number: u32) {
        self.mark_aborting(number, Some(Failure::NoBuffer));
    }

    /// The connection is about to be reset; it counts as this failure. `None`: as in flight.
    pub(super) fn mark_aborting(&mut self, number: u32, why: Option<Failure>) {
        let Some(record) = self.records.get_mut(number) else { return };
        if record.phase == ConnPhase::Opening {
            self.opening = self.opening.saturating_sub(1);
        }
        record.mark_aborting(why);
    }

    #[inline]
    pub(super) fn on_closed(&mut self, number: u32, now: Time, how: Closed) {
        let Some(record) = self.records.take(number) else { return };
        self.tuples.release(record.lease(), now);
        self.live = self.live.saturating_sub(1);
        self.measured_live = self.measured_live.saturating_sub(u64::from(record.is_measured()));
        let age = record.age(short(now));
        let workload = self.workload();
        match record.phase {
            ConnPhase::Free | ConnPhase::Opening => {
                self.opening = self.opening.saturating_sub(1);
                let failure = Failure::of_handshake(how, record.is_unreachable());
                self.count(&record, now, ConnResult::Failed(failure));
            }
            ConnPhase::Open | ConnPhase::Probed => {
                let failure = workload.on_end(how);
                self.count(&record, now, failure.map_or(ConnResult::Completed(age), ConnResult::Failed));
            }
            ConnPhase::Done => {
                let failure = workload.on_end_when_done(how);
                let done = ConnResult::Completed(record.aux());
                self.count(&record, now, failure.map_or(done, ConnResult::Failed));
            }
            ConnPhase::Aborting => {
                let reason = record.abort_reason();
                self.count(&record, now, reason.map_or(ConnResult::InFlight, ConnResult::Failed));
            }
        }
    }

    fn count(&mut self, record: &ConnRecord, now: Time, result: ConnResult) {
        let elapsed = self.elapsed(now);
        let live = &self.slot.live;
        match result {
            ConnResult::Completed(_) => live.completed.bump(),
            ConnResult::Failed(failure) => live.fail(failure),
            ConnResult::InFlight => {}
        }
        let Some(job) = &mut self.job else { return };
        if let Some(second) = job.tally.second(elapsed) {
            second.completed += u32::from(matches!(result, ConnResult::Completed(_)));
            second.failed += u32::from(matches!(result, ConnResult::Failed(_)));
        }
        if !record.is_measured() {
            return;
        }
        match result {
            ConnResult::Completed(latency) => {
                job.tally.completed += 1;
                job.tally.completion.saturating_record(u64::from(latency));
            }
            ConnResult::Failed(failure) => job.tally.fail(failure),
            ConnResult::InFlight => {
                job.tally.in_flight += 1;
                return;
            }
        }
        self.last_end_us = elapsed;
    }
}

/// Records the status of a connection in its phase.
#[inline]
fn set_status(record: &mut ConnRecord, status: ConnStatus, age: u32) {
    match status {
        ConnStatus::Pending => {}
        ConnStatus::Done => record.set(ConnPhase::Done, age),
        ConnStatus::Failed(failure) => record.mark_aborting(Some(failure)),
    }
}

impl Drop for GeneratorCore {
    /// The core's thread ends, possibly in the middle of a step: submits its counts.
    fn drop(&mut self) {
        if let Some(job) = &mut self.job {
            job.tally.in_flight += self.measured_live;
        }
        self.slot.detach(self.job.take());
    }
}
