//! The control side of a run, for other threads than the cores': begins steps, watches, stops, takes the
//! tally.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use thiserror::Error;

use super::core_slot::{CoreSlot, StepJob};
use super::live::{StepProgress, Totals};
use super::pace::{Pacer, split};
use super::timeline::{RunStage, Timeline};
use super::{Load, Plan, Tally, TupleSpace, Workload};
use handfast_stack::tcp::Time;

/// A step begins this long after the first core has seen it, so that every core has seen it by then.
const START_DELAY_US: u64 = 20_000;

/// A run: its plan, and one [`super::Generator`] per core. It may have several steps, one after another,
/// each with its own load; 4-tuples that a step used rest in the next one as well.
#[derive(Debug)]
pub struct Control {
    plan: Plan,
    space: TupleSpace,
    slots: OnceLock<Box<[Arc<CoreSlot>]>>,
    /// When the step began, microseconds of the cores' clock; 0: not yet.
    start_us: AtomicU64,
    stop: AtomicBool,
}

/// Why a step did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BeginError {
    #[error("the previous step has not ended")]
    Busy,
    #[error("no core is running: start the stack first")]
    NoCore,
}

impl Control {
    /// The caller has checked the plan ([`Plan::check`]).
    pub fn new(plan: Plan) -> Arc<Control> {
        let space = plan.space();
        Arc::new(Control {
            plan,
            space,
            slots: OnceLock::new(),
            start_us: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn slot_of(&self, core: usize, cores: usize) -> Arc<CoreSlot> {
        let slots = self.slots.get_or_init(|| (0..cores.max(1)).map(|_| Arc::default()).collect());
        slots.get(core).cloned().unwrap_or_default()
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn space(&self) -> &TupleSpace {
        &self.space
    }

    fn slots(&self) -> &[Arc<CoreSlot>] {
        self.slots.get().map_or(&[], |slots| slots)
    }

    /// Begins a step with the plan's load.
    ///
    /// # Errors
    /// As [`Control::step`].
    pub fn begin(&self) -> Result<(), BeginError> {
        self.step(self.plan.load)
    }

    /// Begins a step with another load, and all else as planned.
    ///
    /// # Errors
    /// [`BeginError`].
    pub fn step(&self, load: Load) -> Result<(), BeginError> {
        let slots = self.slots();
        if slots.is_empty() {
            return Err(BeginError::NoCore);
        }
        if slots.iter().any(|slot| slot.is_busy()) {
            return Err(BeginError::Busy);
        }
        self.start_us.store(0, Ordering::Relaxed);
        for (core, slot) in slots.iter().enumerate() {
            slot.assign(Box::new(self.job(load, (core as u32, slots.len() as u32))));
        }
        Ok(())
    }

    fn job(&self, load: Load, share: (u32, u32)) -> StepJob {
        let plan = &self.plan;
        let line = match plan.workload {
            // A hold step ends when all connections have been probed.
            Workload::Hold => Timeline::new(Duration::ZERO, Duration::ZERO, None, Duration::ZERO),
            _ => Timeline::new(plan.ramp_up, plan.warm_up, plan.duration, plan.ramp_down),
        };
        let paced = Timeline { ramped_up: super::timeline::micros(plan.ramp_up), ..line };
        StepJob {
            pacer: Pacer::new(load, &paced, share, plan.seed),
            quota: plan.connections.map(|all| split(all, share)),
            tally: Tally::new(&line),
            line,
        }
    }

    /// The progress of the step.
    pub fn progress(&self) -> StepProgress {
        let stage = if self.slots().is_empty() { RunStage::Idle } else { RunStage::Finished };
        let mut sum = StepProgress { stage, ..StepProgress::default() };
        self.slots().iter().for_each(|slot| slot.live.add_to(&mut sum));
        sum
    }

    /// The totals of the run so far, over all its steps.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.slots().iter().for_each(|slot| slot.live.add_to_totals(&mut sum));
        sum
    }

    /// Ends the step early, and every step after it: nothing more is opened, and what is in flight
    /// has a second at most to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The tally of the step, once all cores have finished it. A core whose thread has ended counts as
    /// finished, with its counts so far.
    pub fn take(&self) -> Option<Tally> {
        let slots = self.slots();
        if slots.iter().any(|slot| !slot.has_result()) {
            return None;
        }
        let mut tallies = slots.iter().filter_map(|slot| slot.take_result()).map(|job| job.tally);
        let mut all = tallies.next()?;
        tallies.for_each(|tally| all.merge(&tally));
        Some(all)
    }

    /// When the step begins on every core: the first core that calls this decides.
    pub(super) fn start(&self, now: Time) -> u64 {
        let start = now.micros + START_DELAY_US;
        match self.start_us.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => start,
            Err(decided) => decided,
        }
    }
}
