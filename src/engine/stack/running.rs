use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;

use super::cores::State;
use super::devices::OpenDevice;
use super::listening::Listening;
use crate::engine::runner::waker;
use crate::engine::snapshot::{QueueSnapshot, Snapshot};
use crate::engine::{Order, Refused, Worker};
use crate::xdp::{self, Queue};

/// A stack at work.
pub struct Running {
    pub(super) devices: Vec<OpenDevice>,
    pub(super) threads: Vec<JoinHandle<(Worker<Queue>, Option<xdp::Fault>)>>,
    pub(super) state: State,
    pub(super) listening: Box<Listening>,
    pub(super) started: Instant,
}

/// The end of a run.
pub struct Finished {
    pub snapshot: Snapshot,
    pub elapsed: Duration,
    /// Why it ended by itself, if it did.
    pub fault: Option<RunError>,
}

/// Why a running stack ended by itself. There is no way back without privileges.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}; start again when it is back")]
    Device(xdp::Fault),
    #[error(
        "interface {0} is gone: it was removed or moved to another namespace; start again when it is back"
    )]
    InterfaceGone(String),
    #[error("a core's thread ended unexpectedly: this is a bug, please report it")]
    Thread,
}

impl Running {
    /// The counts so far; queues' own come with [`Running::stop`].
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.state.counters, self.devices.iter().map(|open| (&open.device, &open.program)))
    }

    /// Has a core do something between two turns; soon, but not before this returns.
    ///
    /// # Errors
    /// [`Refused`]: the core takes no more.
    pub fn order(&self, core: usize, order: Order) -> Result<(), Refused> {
        let given = self.state.orders.get(core).is_some_and(|orders| orders.give(order));
        given.then_some(()).ok_or(Refused(core))
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.state.orders.len()
    }

    /// Why it no longer works, if so. Cheap: look as often as you like.
    pub fn fault(&self) -> Option<RunError> {
        let gone = self
            .devices
            .iter()
            .find(|open| if_nametoindex(open.device.name.as_str()).ok() != Some(open.device.index));
        if let Some(open) = gone {
            return Some(RunError::InterfaceGone(open.device.name.clone()));
        }
        self.threads.iter().any(JoinHandle::is_finished).then_some(RunError::Thread)
    }

    /// Ends all threads, then detaches the program from every interface.
    pub fn stop(self) -> Finished {
        let gone = self.fault();
        self.state.stop.store(true, Relaxed);
        self.state.wakes.iter().cloned().map(waker).for_each(|wake| wake());
        let elapsed = self.started.elapsed();
        let mut queues = Vec::new();
        let mut fault = None;
        for (core, thread) in self.threads.into_iter().enumerate() {
            match thread.join() {
                Ok((worker, trouble)) => {
                    queues.extend(worker.ports().iter().map(|queue| QueueSnapshot::of(core, queue)));
                    fault = fault.or(trouble.map(RunError::Device));
                }
                Err(_) => fault = Some(RunError::Thread),
            }
        }
        let devices = self.devices.iter().map(|open| (&open.device, &open.program));
        let mut snapshot = Snapshot::new(&self.state.counters, devices);
        snapshot.queues = queues;
        let fault = match gone {
            Some(RunError::InterfaceGone(name)) => Some(RunError::InterfaceGone(name)),
            other => fault.or(other),
        };
        Finished { snapshot, elapsed, fault }
    }
}
