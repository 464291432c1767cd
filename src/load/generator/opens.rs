//! Opens the connections that are due, and gives up those that cannot be opened in time.

use super::super::failure::Failure;
use super::super::workload::{Actions, Workload};
use super::engine_api::EngineApi;
use super::record::ConnRecord;
use super::run_state::Blocked;
use super::state::GeneratorCore;
use handfast_stack::engine::OpenError;
use handfast_stack::tcp::Time;

/// The maximum number of connections opened in one poll, so that received segments do not wait long.
const OPEN_BATCH: usize = 128;
/// The maximum number of due connections given up in one poll; no packet is sent for these.
const GIVE_UP_BATCH: usize = 4096;
/// Time after the end of opening in which connections due before it may still be opened, microseconds: a
/// pause of the host at the end makes connections late, as one in the middle does, but does not mean that
/// the client is too slow.
const CATCH_UP_US: u64 = 500_000;

/// What to do about a connection that is [`Blocked`].
enum Retry {
    /// With the next 4-tuple.
    Time,
    NextPoll,
    /// Never: the connection has failed.
    Fail(Failure),
}

impl GeneratorCore {
    /// Opens the connections that are due, as far as the engine accepts them.
    pub(super) fn open_due(&mut self, engine: &mut impl EngineApi, now: Time, elapsed: u64) {
        let (mut opened, mut given_up) = (0, 0);
        while opened < OPEN_BATCH && given_up < GIVE_UP_BATCH {
            let Some(intended) = self.due(elapsed) else { return };
            let failed = if elapsed - intended > self.run.timeout_us {
                Some(self.too_late())
            } else {
                match self.open_one(engine, now, intended, elapsed) {
                    Ok(()) => None,
                    Err(blocked) => match self.on_blocked(blocked, elapsed) {
                        Retry::Time => None,
                        Retry::NextPoll => return,
                        Retry::Fail(failure) => Some(failure),
                    },
                }
            };
            match failed {
                None => opened += 1,
                Some(failure) => {
                    self.give_up(intended, elapsed, failure);
                    given_up += 1;
                }
            }
        }
    }

    /// The intended start of the connection that is due.
    fn due(&self, elapsed: u64) -> Option<u64> {
        let job = self.job.as_ref().filter(|job| job.quota != Some(0))?;
        job.pacer.due(elapsed, self.paced_in_flight()).filter(|intended| *intended < job.line.opens_to)
    }

    fn open_one(
        &mut self,
        engine: &mut impl EngineApi,
        now: Time,
        intended: u64,
        elapsed: u64,
    ) -> Result<(), Blocked> {
        let ends = self.tuples.peek(now).map_err(Blocked::Tuple)?;
        if *self.workload() == Workload::Flood {
            return match engine.syn(ends) {
                Ok(()) => {
                    self.sent(now, intended, elapsed);
                    Ok(())
                }
                Err(OpenError::Family) => Err(Blocked::Slot),
                Err(_) => Err(Blocked::Frame),
            };
        }
        match engine.open(ends) {
            Ok(number) if self.records.has_room(number) => {
                self.begin(number, intended, elapsed);
                Ok(())
            }
            Ok(number) => {
                // There was no memory for its record.
                engine.apply(number, Actions::ABORT);
                Err(Blocked::Slot)
            }
            Err(OpenError::InUse) => {
                self.tuples.skip(now);
                Err(Blocked::InUse)
            }
            Err(OpenError::NoFrame) => Err(Blocked::Frame),
            // The plan's check excludes a wrong family.
            Err(OpenError::Full | OpenError::Family) => Err(Blocked::Slot),
        }
    }

    /// Records a connection whose SYN was sent.
    fn begin(&mut self, number: u32, intended: u64, elapsed: u64) {
        let lease = self.tuples.take();
        let counts = self.attempted(intended, elapsed);
        let start = self.start_us.wrapping_add(intended) as u32;
        self.records.put(number, ConnRecord::new(start, lease, counts));
        self.live += 1;
        self.opening += 1;
        self.measured_live += u64::from(counts);
    }

    /// Counts a SYN of a flood, which is complete when sent.
    fn sent(&mut self, now: Time, intended: u64, elapsed: u64) {
        let lease = self.tuples.take();
        self.tuples.release(lease, now);
        let counts = self.attempted(intended, elapsed);
        self.slot.live.completed.bump();
        let Some(job) = &mut self.job else { return };
        if let Some(second) = job.tally.second(elapsed) {
            second.completed += 1;
        }
        if counts {
            job.tally.completed += 1;
            self.last_end_us = elapsed;
        }
    }

    /// Counts an opened connection. Returns whether it is measured.
    #[inline]
    fn attempted(&mut self, intended: u64, elapsed: u64) -> bool {
        if self.run.blocked.is_some() {
            self.add_wait(elapsed);
            self.run.blocked = None;
        }
        let Some(job) = &mut self.job else { return false };
        let counts = job.line.counts(intended);
        job.pacer.begun();
        self.slot.live.attempted.bump();
        if let Some(second) = job.tally.second(elapsed) {
            second.attempted += 1;
        }
        if counts {
            job.tally.attempted += 1;
            job.quota = job.quota.map(|left| left.saturating_sub(1));
            if job.pacer.is_open_loop() {
                job.tally.late(elapsed - intended);
            }
        }
        counts
    }

    /// Records what blocks the next connection. A closed loop waits for it; so does an open loop for a
    /// frame. Anything else will not be free in time for all that is due: in an open loop the connection
    /// has failed.
    fn on_blocked(&mut self, blocked: Blocked, elapsed: u64) -> Retry {
        self.add_wait(elapsed);
        (self.run.blocked, self.run.blocked_us) = (Some(blocked), elapsed);
        let Some(job) = &mut self.job else { return Retry::NextPoll };
        let refused = &mut job.tally.refused;
        let (count, wait) = match blocked {
            Blocked::InUse => (&mut refused.in_use, Retry::Time),
            Blocked::Frame => (&mut refused.no_frame, Retry::NextPoll),
            Blocked::Tuple(_) => (&mut refused.no_tuple, Retry::Fail(Failure::NoTuple)),
            Blocked::Slot => (&mut refused.no_slot, Retry::Fail(Failure::NoSlot)),
        };
        *count += 1;
        if job.pacer.is_open_loop() || matches!(wait, Retry::Time) { wait } else { Retry::NextPoll }
    }

    /// Adds the time since the last call to the wait for what blocks the next connection.
    pub(super) fn add_wait(&mut self, elapsed: u64) {
        let (Some(blocked), Some(job)) = (self.run.blocked, &mut self.job) else { return };
        let from = std::mem::replace(&mut self.run.blocked_us, elapsed);
        let measured = elapsed.min(job.line.measured_to).saturating_sub(from.max(job.line.measured_from));
        match blocked {
            Blocked::Tuple(_) | Blocked::InUse => {
                job.tally.waited.tuple_us += measured;
                self.slot.live.waited_for_tuple_us.add(elapsed.saturating_sub(from));
            }
            Blocked::Slot => job.tally.waited.slot_us += measured,
            Blocked::Frame => {}
        }
    }

    /// Why the connection that is due was not opened in time.
    fn too_late(&self) -> Failure {
        match self.run.blocked {
            None => Failure::ClientLate,
            Some(Blocked::Frame) => Failure::NoFrame,
            Some(Blocked::Slot) => Failure::NoSlot,
            Some(Blocked::Tuple(_) | Blocked::InUse) => Failure::NoTuple,
        }
    }

    /// Counts the connection that was due as failed.
    fn give_up(&mut self, intended: u64, elapsed: u64, why: Failure) {
        let Some(job) = &mut self.job else { return };
        job.pacer.begun();
        self.slot.live.attempted.bump();
        self.slot.live.fail(why);
        if let Some(second) = job.tally.second(elapsed) {
            second.attempted += 1;
            second.failed += 1;
        }
        if job.line.counts(intended) {
            job.tally.attempted += 1;
            job.tally.fail(why);
            job.quota = job.quota.map(|left| left.saturating_sub(1));
            self.last_end_us = elapsed;
        }
    }

    /// After the time for opening: gives up the connections that were due and are not opened soon.
    /// Returns false if some are left for the next poll.
    pub(super) fn give_up_rest(&mut self, elapsed: u64) -> bool {
        let Some(job) = self.job.as_ref().filter(|job| job.pacer.is_open_loop()) else { return true };
        let soon = !self.run.stopped && elapsed < job.line.opens_to.saturating_add(CATCH_UP_US);
        if soon && self.due(elapsed).is_some() {
            return false;
        }
        for _ in 0..GIVE_UP_BATCH {
            match self.due(elapsed) {
                Some(intended) => self.give_up(intended, elapsed, Failure::ClientLate),
                None => return true,
            }
        }
        false
    }
}
