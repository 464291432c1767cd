//! What a core does in each poll, with or without events: it opens the connections that are due, ends
//! those that exceed their timeout, and goes from one phase to the next.

use super::super::timeline::{NEVER, RunStage, micros};
use super::super::tuples::Exhausted;
use super::super::workload::Workload;
use super::engine_api::EngineApi;
use super::probing::Probing;
use super::run_state::{Blocked, RunPhase};
use super::state::GeneratorCore;
use super::timeout_scan::TimeoutScan;
use handfast_stack::tcp::Time;

/// Time for the last RSTs, microseconds.
const CLOSE_TIMEOUT_US: u64 = 1_000_000;
/// Limit of [`super::super::Plan::drain`] after [`super::super::Control::stop`].
const STOP_DRAIN_US: u64 = 1_000_000;
/// The longest sleep during a step, and without one, milliseconds: how late a stop or a new step may be
/// seen.
const MAX_SLEEP_MS: u32 = 50;
const MAX_IDLE_SLEEP_MS: u32 = 10;

impl GeneratorCore {
    /// One iteration of the loop.
    pub(super) fn poll(&mut self, engine: &mut impl EngineApi) {
        self.records.reserve(engine.capacity());
        let now = engine.now();
        if self.job.is_none() && !self.begin_step(now) {
            return;
        }
        if now.micros < self.start_us {
            return;
        }
        let elapsed = self.elapsed(now);
        if !self.run.stopped && self.control.is_stopped() {
            self.stop(elapsed);
        }
        // Opens come first: the end of an aborted connection is reported after this poll, and its number
        // must not belong to another connection by then.
        self.advance(engine, now, elapsed);
        self.scan_timeouts(engine, now, elapsed);
        self.publish(elapsed);
    }

    /// Milliseconds until the next event is due, at most `max`.
    pub(super) fn next_deadline_ms(&self, now: Time, max: u32) -> u32 {
        let Some(job) = &self.job else { return max.min(MAX_IDLE_SLEEP_MS) };
        if now.micros < self.start_us {
            return sleep_ms(self.start_us - now.micros, max);
        }
        let elapsed = self.elapsed(now);
        let next = match self.run.phase {
            RunPhase::Opening if job.quota == Some(0) => elapsed,
            RunPhase::Opening => self.next_open_us(elapsed).min(job.line.opens_to),
            RunPhase::Draining { .. } if self.live == 0 => elapsed,
            RunPhase::Draining { until } | RunPhase::Holding { until } => until,
            RunPhase::Settling if self.opening == 0 => elapsed,
            RunPhase::Settling => NEVER,
            RunPhase::Probing(_) | RunPhase::Closing { .. } | RunPhase::Over => elapsed,
        };
        let scan = if self.live == 0 { NEVER } else { self.run.scan.next_us() };
        sleep_ms(next.min(scan).saturating_sub(elapsed), max.min(MAX_SLEEP_MS))
    }

    /// When the next connection is due, or can be opened if it is blocked.
    fn next_open_us(&self, elapsed: u64) -> u64 {
        let Some(job) = &self.job else { return NEVER };
        let due = job.pacer.next_us(elapsed, self.paced_in_flight());
        match self.run.blocked {
            Some(Blocked::Tuple(Exhausted { free_at })) if !job.pacer.is_open_loop() => {
                free_at.map_or(NEVER, |free_at| self.elapsed(free_at))
            }
            Some(Blocked::Slot) if !job.pacer.is_open_loop() => elapsed + 2_000,
            _ => due,
        }
    }

    /// Begins the assigned step, if there is one.
    fn begin_step(&mut self, now: Time) -> bool {
        let Some(job) = self.slot.take_job() else { return false };
        self.start_us = self.control.start(now);
        self.slot.live.begin();
        self.run.phase = RunPhase::Opening;
        self.run.stopped = false;
        self.run.blocked = None;
        self.run.scan = TimeoutScan::new(self.run.timeout_us);
        (self.last_end_us, self.last_established_us) = (0, 0);
        self.job = Some(job);
        true
    }

    fn stop(&mut self, elapsed: u64) {
        self.run.stopped = true;
        let Some(job) = &mut self.job else { return };
        job.line.cut(elapsed);
        match self.run.phase {
            RunPhase::Draining { until } => {
                self.run.phase = RunPhase::Draining { until: until.min(elapsed + STOP_DRAIN_US) };
            }
            RunPhase::Settling | RunPhase::Holding { .. } | RunPhase::Probing(_) => {
                self.close(elapsed, false)
            }
            RunPhase::Opening | RunPhase::Closing { .. } | RunPhase::Over => {}
        }
    }

    fn advance(&mut self, engine: &mut impl EngineApi, now: Time, elapsed: u64) {
        match self.run.phase {
            RunPhase::Opening => self.opening(engine, now, elapsed),
            RunPhase::Draining { .. } if self.live == 0 => self.run.phase = RunPhase::Over,
            RunPhase::Draining { until } if elapsed >= until => self.close(elapsed, false),
            RunPhase::Settling if self.opening == 0 => {
                self.established_all();
                let hold = self.control.plan().duration.map_or(0, micros);
                self.run.phase = RunPhase::Holding { until: elapsed.saturating_add(hold) };
            }
            RunPhase::Holding { until } if elapsed >= until => {
                self.run.phase =
                    RunPhase::Probing(Probing::new(self.records.span().start, self.probe_replies, elapsed));
            }
            RunPhase::Probing(probing) => {
                let rate = self.run.probes_per_second;
                match self.probe(probing, rate, engine, now, elapsed) {
                    Some(further) => self.run.phase = RunPhase::Probing(further),
                    None => self.close(elapsed, true),
                }
            }
            RunPhase::Closing { cursor, until, lost } => {
                let max = self.run.aborts(elapsed);
                let cursor = self.abort_from(cursor, max, lost, engine, now);
                self.run.phase = match cursor >= self.records.span().end {
                    _ if self.live == 0 => RunPhase::Over,
                    true if elapsed >= until => RunPhase::Over,
                    true => RunPhase::Closing { cursor, until, lost },
                    // Counted from the last RST.
                    false => {
                        RunPhase::Closing { cursor, until: elapsed.saturating_add(CLOSE_TIMEOUT_US), lost }
                    }
                };
            }
            RunPhase::Draining { .. } | RunPhase::Settling | RunPhase::Holding { .. } | RunPhase::Over => {}
        }
        if matches!(self.run.phase, RunPhase::Over) {
            self.finish(elapsed);
        }
    }

    fn opening(&mut self, engine: &mut impl EngineApi, now: Time, elapsed: u64) {
        self.open_due(engine, now, elapsed);
        let Some(job) = &self.job else { return };
        let all = job.quota == Some(0);
        if !all && (elapsed < job.line.opens_to || !self.give_up_rest(elapsed)) {
            return;
        }
        self.add_wait(elapsed);
        self.run.blocked = None;
        self.opening_ends(elapsed);
        let hold = *self.workload() == Workload::Hold;
        match (hold, self.run.stopped) {
            (true, true) => self.close(elapsed, false),
            (true, false) => self.run.phase = RunPhase::Settling,
            (false, stopped) => {
                let drain = micros(self.control.plan().drain);
                let drain = if stopped { drain.min(STOP_DRAIN_US) } else { drain };
                self.run.phase = RunPhase::Draining { until: elapsed.saturating_add(drain) };
            }
        }
    }

    /// All connections to hold are established or have failed.
    fn established_all(&mut self) {
        let last = self.last_established_us;
        if let Some(job) = self.job.as_mut().filter(|_| last > 0) {
            job.tally.opening_us = last.saturating_sub(job.line.measured_from);
        }
    }

    /// The time for opening is over.
    fn opening_ends(&mut self, elapsed: u64) {
        let Some(job) = &mut self.job else { return };
        let to = elapsed.min(job.line.measured_to).min(job.line.opens_to);
        job.tally.opening_us = to.saturating_sub(job.line.measured_from);
    }

    /// Begins to end all connections. `lost`: those that did not reply to their probe have failed.
    fn close(&mut self, elapsed: u64, lost: bool) {
        let cursor = self.records.span().start;
        (self.run.closing_us, self.run.aborted) = (elapsed, 0);
        self.run.phase = RunPhase::Closing { cursor, until: elapsed.saturating_add(CLOSE_TIMEOUT_US), lost };
    }

    /// All connections have ended: submits the tally.
    fn finish(&mut self, elapsed: u64) {
        let Some(mut job) = self.job.take() else { return };
        // Connections whose end the engine did not report; there should be none.
        job.tally.in_flight += std::mem::take(&mut self.measured_live);
        let from = job.line.measured_from;
        let by_number = job.quota == Some(0) || job.line.measured_to == NEVER;
        let to = match by_number {
            // None has ended: the time for opening.
            true if self.last_end_us == 0 => elapsed.min(job.line.opens_to),
            true => self.last_end_us,
            false => job.line.measured_to,
        };
        job.tally.finish(to.saturating_sub(from));
        if let Err(job) = self.slot.submit_result(job) {
            // The control thread holds the lock: retried in the next poll.
            self.job = Some(job);
            return;
        }
        if self.live > 0 {
            self.records.forget();
        }
        self.publish(elapsed);
    }

    /// Publishes the progress for other threads.
    fn publish(&self, elapsed: u64) {
        let stage = match (&self.job, self.run.phase) {
            (None, _) => RunStage::Finished,
            (Some(_), RunPhase::Draining { .. } | RunPhase::Closing { .. } | RunPhase::Over) => {
                RunStage::Drain
            }
            (Some(job), _) => job.line.stage(elapsed),
        };
        self.slot.live.stage.set(stage as u64);
        self.slot.live.in_flight.set(u64::from(self.live));
    }
}

/// 0 below two milliseconds: a sleep may be late by one, and connections are due by the microsecond.
fn sleep_ms(gap_us: u64, max: u32) -> u32 {
    match gap_us / 1000 {
        0 | 1 => 0,
        gap_ms => u32::try_from(gap_ms - 1).unwrap_or(max).min(max),
    }
}
