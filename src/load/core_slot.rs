//! The hand-over of jobs and results between [`super::Control`] and one core.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use super::Tally;
use super::live::LiveCore;
use super::pace::Pacer;
use super::timeline::{RunStage, Timeline};

/// One core's slot: the step assigned to it, its result, and its live counters.
#[derive(Debug, Default)]
pub(super) struct CoreSlot {
    /// A job is assigned: a core that waits for one need not lock.
    assigned: AtomicBool,
    state: Mutex<SlotState>,
    pub(super) live: LiveCore,
}

#[derive(Debug, Default)]
struct SlotState {
    job: Option<Box<StepJob>>,
    result: Option<Box<StepJob>>,
    busy: bool,
}

/// One core's part of a step. The control thread allocates and frees it: the core does neither.
#[derive(Debug)]
pub(super) struct StepJob {
    pub(super) line: Timeline,
    pub(super) pacer: Pacer,
    /// Connections left to measure. `None`: no limit.
    pub(super) quota: Option<u64>,
    pub(super) tally: Tally,
}

/// The control side. May wait for the lock, which the core holds for a few instructions, once a step.
impl CoreSlot {
    fn lock(&self) -> MutexGuard<'_, SlotState> {
        // The state is valid at any moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.lock().busy
    }

    pub(super) fn assign(&self, job: Box<StepJob>) {
        self.live.stage.set(RunStage::Idle as u64);
        *self.lock() = SlotState { job: Some(job), result: None, busy: true };
        self.assigned.store(true, Ordering::Release);
    }

    pub(super) fn has_result(&self) -> bool {
        self.lock().result.is_some()
    }

    pub(super) fn take_result(&self) -> Option<Box<StepJob>> {
        self.lock().result.take()
    }
}

/// The core's side.
impl CoreSlot {
    fn try_lock(&self) -> Option<MutexGuard<'_, SlotState>> {
        match self.state.try_lock() {
            Ok(state) => Some(state),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Takes the assigned job, if there is one.
    pub(super) fn take_job(&self) -> Option<Box<StepJob>> {
        // Acquire, matches the Release in `assign`.
        if !self.assigned.load(Ordering::Acquire) {
            return None;
        }
        let job = self.try_lock()?.job.take();
        self.assigned.store(false, Ordering::Relaxed);
        job
    }

    /// Submits a finished job. Gives it back while the control thread holds the lock.
    pub(super) fn submit_result(&self, job: Box<StepJob>) -> Result<(), Box<StepJob>> {
        match self.try_lock() {
            Some(mut state) => {
                state.result = Some(job);
                state.busy = false;
                Ok(())
            }
            None => Err(job),
        }
    }

    /// The core's thread ends: its job, or the one it never began, becomes the result. May wait.
    pub(super) fn detach(&self, job: Option<Box<StepJob>>) {
        let mut state = self.lock();
        let job = job.or_else(|| state.job.take());
        if state.busy {
            state.result = job;
        }
        state.busy = false;
        self.live.stage.set(RunStage::Finished as u64);
    }
}
