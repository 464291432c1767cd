//! The generator's state on one core, and the handlers of connection events: each returns what to do
//! with the connection. `phases` has what is done without an event.

use std::sync::Arc;

use super::super::control::Control;
use super::super::core_slot::{CoreSlot, StepJob};
use super::super::failure::Failure;
use super::super::timeline::micros;
use super::super::tuples::Tuples;
use super::super::workload::{Actions, ConnStatus, Workload};
use super::engine_api::EngineApi;
use super::record::{ConnPhase, ConnRecord, ConnRecords};
use super::run_state::RunState;
use handfast_stack::observe::Closed;
use handfast_stack::tcp::Time;

pub(super) struct GeneratorCore {
    pub(super) control: Arc<Control>,
    pub(super) slot: Arc<CoreSlot>,
    pub(super) tuples: Tuples,
    pub(super) records: ConnRecords,
    /// The step at work.
    pub(super) job: Option<Box<StepJob>>,
    /// When it began, microseconds.
    pub(super) start_us: u64,
    /// Connections that live.
    pub(super) live: u32,
    /// Of these: without an answer to their SYN.
    pub(super) opening: u32,
    /// Of these: those that count.
    pub(super) measured_live: u64,
    /// When the last of those that count ended, since the start.
    pub(super) last_end_us: u64,
    /// When the last of those that count was established, since the start.
    pub(super) last_established_us: u64,
    /// Probes that were answered.
    pub(super) answers: u64,
    pub(super) run: RunState,
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
            tuples: Tuples::new(control.space().clone(), share, plan.seed, reuse_us),
            run: RunState::new(plan, share),
            records: ConnRecords::default(),
            job: None,
            start_us: 0,
            live: 0,
            opening: 0,
            measured_live: 0,
            last_end_us: 0,
            last_established_us: 0,
            answers: 0,
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

    /// What a closed loop counts: held connections are no load.
    pub(super) fn paced_in_flight(&self) -> u32 {
        if *self.workload() == Workload::Hold { self.opening } else { self.live }
    }

    pub(super) fn apply(&mut self, engine: &mut impl EngineApi, now: Time, number: u32, actions: Actions) {
        if !engine.apply(number, actions) {
            // The engine knows of no such connection: nobody will tell its end.
            self.closed(number, now, Closed::Aborted);
        }
    }

    /// ESTABLISHED.
    #[inline]
    pub(super) fn opened(&mut self, number: u32, now: Time) -> Actions {
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
        let (actions, status) = control.plan().workload.opened();
        set_status(record, status, age);
        actions
    }

    /// Data has arrived.
    #[inline]
    pub(super) fn data(&mut self, number: u32, now: Time, data: &[u8]) -> Actions {
        let GeneratorCore { control, records, job, .. } = self;
        let Some(record) = records.get_mut(number).filter(|record| record.phase == ConnPhase::Open) else {
            return Actions::NOTHING;
        };
        let mut response = record.response;
        let (actions, status) = control.plan().workload.data(&mut response, data);
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
    pub(super) fn peer_closed(&mut self, number: u32, now: Time) -> Actions {
        let GeneratorCore { control, records, .. } = self;
        let Some(record) = records.get_mut(number) else { return Actions::CLOSE };
        match record.phase {
            ConnPhase::Open | ConnPhase::Probed => {
                let (actions, status) = control.plan().workload.peer_closed(&{ record.response });
                set_status(record, status, record.age(short(now)));
                actions
            }
            _ => Actions::CLOSE,
        }
    }

    /// An acceptable segment has arrived: an answer, if a probe was sent.
    #[inline]
    pub(super) fn heard(&mut self, number: u32, now: Time) {
        if let Some(record) = self.records.get_mut(number).filter(|record| record.phase == ConnPhase::Probed)
        {
            record.set(ConnPhase::Done, short(now).wrapping_sub(record.aux()));
            self.answers += 1;
        }
    }

    /// An ICMP error about it has come, which alone ends nothing.
    pub(super) fn unreachable(&mut self, number: u32) {
        if let Some(record) = self.records.get_mut(number) {
            record.set_unreachable();
        }
    }

    /// Its request found no send buffer.
    pub(super) fn unsent(&mut self, number: u32) {
        self.mark_aborting(number, Some(Failure::NoBuffer));
    }

    /// It will end by our RST; this is what it counts for then. `None`: in flight.
    pub(super) fn mark_aborting(&mut self, number: u32, why: Option<Failure>) {
        let Some(record) = self.records.get_mut(number) else { return };
        if record.phase == ConnPhase::Opening {
            self.opening = self.opening.saturating_sub(1);
        }
        record.mark_aborting(why);
    }

    /// It is over.
    #[inline]
    pub(super) fn closed(&mut self, number: u32, now: Time, how: Closed) {
        let Some(record) = self.records.take(number) else { return };
        self.tuples.give_back(record.ticket(), now);
        self.live = self.live.saturating_sub(1);
        self.measured_live = self.measured_live.saturating_sub(u64::from(record.is_measured()));
        let age = record.age(short(now));
        let workload = self.workload();
        match record.phase {
            ConnPhase::Free | ConnPhase::Opening => {
                self.opening = self.opening.saturating_sub(1);
                let failure = Failure::of_handshake(how, record.is_unreachable());
                self.count(&record, now, Err(Some(failure)));
            }
            ConnPhase::Open | ConnPhase::Probed => {
                let result = workload.ended(how).map_or(Ok(age), |failure| Err(Some(failure)));
                self.count(&record, now, result);
            }
            ConnPhase::Done => {
                let result = workload.ended_done(how).map_or(Ok(record.aux()), |failure| Err(Some(failure)));
                self.count(&record, now, result);
            }
            ConnPhase::Aborting => self.count(&record, now, Err(record.abort_reason())),
        }
    }

    /// What a connection came to: complete after so many microseconds, failed, or (`Err(None)`)
    /// still in flight.
    fn count(&mut self, record: &ConnRecord, now: Time, result: Result<u32, Option<Failure>>) {
        let elapsed = self.elapsed(now);
        let live = &self.slot.live;
        match result {
            Ok(_) => live.completed.bump(),
            Err(Some(failure)) => live.fail(failure),
            Err(None) => {}
        }
        let Some(job) = &mut self.job else { return };
        if let Some(second) = job.tally.second(elapsed) {
            second.completed += u32::from(result.is_ok());
            second.failed += u32::from(matches!(result, Err(Some(_))));
        }
        if !record.is_measured() {
            return;
        }
        match result {
            Ok(latency) => {
                job.tally.completed += 1;
                job.tally.completion.saturating_record(u64::from(latency));
            }
            Err(Some(failure)) => job.tally.fail(failure),
            Err(None) => {
                job.tally.in_flight += 1;
                return;
            }
        }
        self.last_end_us = elapsed;
    }
}

/// Notes how a connection stands.
#[inline]
fn set_status(record: &mut ConnRecord, status: ConnStatus, age: u32) {
    match status {
        ConnStatus::Pending => {}
        ConnStatus::Done => record.set(ConnPhase::Done, age),
        ConnStatus::Failed(failure) => record.mark_aborting(Some(failure)),
    }
}

impl Drop for GeneratorCore {
    /// The core has ended, perhaps in the middle of a step: what it counted is not lost.
    fn drop(&mut self) {
        if let Some(job) = &mut self.job {
            job.tally.in_flight += self.measured_live;
        }
        self.slot.detach(self.job.take());
    }
}
