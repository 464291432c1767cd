//! The end of a run that other threads hold: begins steps, watches, stops, takes the tally.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::Duration;

use thiserror::Error;

use super::live::{LiveCore, Progress, Totals};
use super::pace::{Pacer, split};
use super::timeline::{Stage, Timeline};
use super::{Load, Plan, Space, Tally, Workload};
use handfast_stack::tcp::Time;

/// A step begins this much after the first core has seen it, so that all can be there.
const START_DELAY_US: u64 = 20_000;

/// A run: its plan, and one [`super::Generator`] per core. It may have several steps, one after another,
/// each with a load of its own; what a step leaves behind, 4-tuples that must rest above all, the
/// next one respects.
#[derive(Debug)]
pub struct Control {
    plan: Plan,
    space: Space,
    desks: OnceLock<Box<[Arc<Desk>]>>,
    /// When the step began, microseconds of the cores' clock; 0: not yet.
    start_us: AtomicU64,
    stop: AtomicBool,
}

/// Where a core and [`Control`] meet.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// There is a job. So that a core that waits need not lock to see that there is none.
    waiting: AtomicBool,
    slot: Mutex<Slot>,
    pub(super) live: LiveCore,
}

#[derive(Debug, Default)]
struct Slot {
    job: Option<Box<Job>>,
    done: Option<Box<Job>>,
    busy: bool,
}

/// One core's part of a step. Made, and given up, by [`Control`]'s thread: the core allocates
/// nothing.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) line: Timeline,
    pub(super) pacer: Pacer,
    /// Connections to measure that are left. `None`: no limit.
    pub(super) quota: Option<u64>,
    pub(super) tally: Tally,
}

/// Why a step did not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BeginError {
    #[error("the step before is not over")]
    Busy,
    #[error("no core runs: start the stack first")]
    NoCore,
}

impl Control {
    /// [`Plan::check`] is the caller's part.
    pub fn new(plan: Plan) -> Arc<Control> {
        let space = plan.space();
        Arc::new(Control {
            plan,
            space,
            desks: OnceLock::new(),
            start_us: AtomicU64::new(0),
            stop: AtomicBool::new(false),
        })
    }

    pub(super) fn desk_of(&self, core: usize, cores: usize) -> Arc<Desk> {
        let desks = self.desks.get_or_init(|| (0..cores.max(1)).map(|_| Arc::default()).collect());
        desks.get(core).cloned().unwrap_or_default()
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    fn desks(&self) -> &[Arc<Desk>] {
        self.desks.get().map_or(&[], |desks| desks)
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
        let desks = self.desks();
        if desks.is_empty() {
            return Err(BeginError::NoCore);
        }
        if desks.iter().any(|desk| desk.lock().busy) {
            return Err(BeginError::Busy);
        }
        self.start_us.store(0, Ordering::Relaxed);
        for (core, desk) in desks.iter().enumerate() {
            let job = Box::new(self.job(load, (core as u32, desks.len() as u32)));
            desk.live.stage.set(Stage::Idle as u64);
            *desk.lock() = Slot { job: Some(job), done: None, busy: true };
            desk.waiting.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn job(&self, load: Load, share: (u32, u32)) -> Job {
        let plan = &self.plan;
        let line = match plan.workload {
            // It ends when all have been probed.
            Workload::Hold => Timeline::new(Duration::ZERO, Duration::ZERO, None, Duration::ZERO),
            _ => Timeline::new(plan.ramp_up, plan.warm_up, plan.duration, plan.ramp_down),
        };
        let paced = Timeline { ramped_up: super::timeline::micros(plan.ramp_up), ..line };
        Job {
            pacer: Pacer::new(load, &paced, share, plan.seed),
            quota: plan.connections.map(|all| split(all, share)),
            tally: Tally::new(&line),
            line,
        }
    }

    /// How it goes.
    pub fn progress(&self) -> Progress {
        let stage = if self.desks().is_empty() { Stage::Idle } else { Stage::Finished };
        let mut sum = Progress { stage, ..Progress::default() };
        self.desks().iter().for_each(|desk| desk.live.add_to(&mut sum));
        sum
    }

    /// What has come of the run so far, over all its steps.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        self.desks().iter().for_each(|desk| desk.live.add_to_totals(&mut sum));
        sum
    }

    /// FourTuple the step early, and every step after it: nothing more is opened, and what is in flight
    /// has a second at most to end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The tally of the step, once it is over on every core. A core whose thread has ended counts
    /// as over, with what it has got.
    pub fn take(&self) -> Option<Tally> {
        let desks = self.desks();
        if desks.iter().any(|desk| desk.lock().done.is_none()) {
            return None;
        }
        let mut tallies = desks.iter().filter_map(|desk| desk.lock().done.take()).map(|job| job.tally);
        let mut all = tallies.next()?;
        tallies.for_each(|tally| all.merge(&tally));
        Some(all)
    }

    /// When the step begins on every core: the first that asks decides.
    pub(super) fn start(&self, now: Time) -> u64 {
        let start = now.micros + START_DELAY_US;
        match self.start_us.compare_exchange(0, start, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => start,
            Err(decided) => decided,
        }
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Slot> {
        // A slot is whole at any moment.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Without waiting: the other side holds the lock for a few instructions, once a step.
    fn try_lock(&self) -> Option<MutexGuard<'_, Slot>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The core's side: a job, if there is one.
    pub(super) fn adopt(&self) -> Option<Box<Job>> {
        // Acquire, matches the Release in `Control::step`.
        if !self.waiting.load(Ordering::Acquire) {
            return None;
        }
        let job = self.try_lock()?.job.take();
        self.waiting.store(false, Ordering::Relaxed);
        job
    }

    /// The core's side: the job is done. Gives it back if the other side is looking right now.
    pub(super) fn hand_in(&self, job: Box<Job>) -> Result<(), Box<Job>> {
        match self.try_lock() {
            Some(mut slot) => {
                slot.done = Some(job);
                slot.busy = false;
                Ok(())
            }
            None => Err(job),
        }
    }

    /// The core ends. What it had, or never began, is handed in. May wait.
    pub(super) fn leave(&self, job: Option<Box<Job>>) {
        let mut slot = self.lock();
        let job = job.or_else(|| slot.job.take());
        if slot.busy {
            slot.done = job;
        }
        slot.busy = false;
        self.live.stage.set(Stage::Finished as u64);
    }
}
