use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::net::if_::if_indextoname;

use super::Watch;
use super::cores::State;
use super::devices::OpenDevice;
use super::follow::Follower;
use super::listening::Listening;
use crate::capture::Writing;
use crate::engine::describe::Tables;
use crate::engine::runner::waker;
use crate::engine::{Order, Refused, Snapshot, Worker};
use crate::xdp::{self, Queue};

/// A stack at work.
pub struct Running {
    pub(super) devices: Arc<[OpenDevice]>,
    pub(super) threads: Vec<JoinHandle<(Worker<Queue>, Option<xdp::Fault>)>>,
    pub(super) state: State,
    pub(super) capture: Option<Writing>,
    pub(super) listening: Arc<Listening>,
    pub(super) follower: Follower,
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
    /// The counts so far. The cores are not disturbed.
    pub fn snapshot(&self) -> Snapshot {
        let capture = self.capture.as_ref().map(Writing::report);
        Snapshot { capture, ..self.state.watch.snapshot() }
    }

    /// The counts for another thread, which may keep this longer than the stack runs.
    pub fn watch(&self) -> Watch {
        self.state.watch.clone()
    }

    /// Why nothing is captured any more, if so. Cheap: look as often as you like.
    pub fn capture_failure(&self) -> Option<String> {
        self.capture.as_ref().and_then(Writing::failure)
    }

    /// Has a core do something between two turns; soon, but not before this returns.
    ///
    /// # Errors
    /// [`Refused`]: the core takes no more.
    pub fn order(&self, core: usize, order: Order) -> Result<(), Refused> {
        let given = self.state.orders.get(core).is_some_and(|orders| orders.give(order));
        given.then_some(()).ok_or(Refused(core))
    }

    /// Every connection's key, for any thread to list.
    pub fn tables(&self) -> Option<&Tables> {
        self.state.tables.as_deref()
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.state.orders.len()
    }

    /// Why it no longer works, if so. Cheap: look as often as you like.
    pub fn fault(&self) -> Option<RunError> {
        let mut devices = self.devices.iter().map(|open| &open.device);
        // By index: its name may be another one by now.
        if let Some(gone) = devices.find(|device| if_indextoname(device.index).is_err()) {
            return Some(RunError::InterfaceGone(self.state.watch.name(&gone.name)));
        }
        self.threads.iter().any(JoinHandle::is_finished).then_some(RunError::Thread)
    }

    /// What an interface is called now that had this name at start.
    pub fn device_name(&self, at_start: &str) -> String {
        self.state.watch.name(at_start)
    }

    /// What has happened to the interfaces and their addresses since this was asked last; one
    /// sentence each, for the operator.
    pub fn news(&self) -> Vec<String> {
        self.follower.news()
    }

    /// Ends all threads, then detaches the program from every interface.
    pub fn stop(mut self) -> Finished {
        let gone = self.fault();
        self.follower.stop();
        self.state.stop.store(true, Relaxed);
        self.state.wakes.iter().cloned().map(waker).for_each(|wake| wake());
        let elapsed = self.started.elapsed();
        let mut workers = Vec::new();
        let mut fault = None;
        for thread in self.threads {
            match thread.join() {
                Ok((worker, trouble)) => {
                    workers.push(worker);
                    fault = fault.or(trouble.map(RunError::Device));
                }
                Err(_) => fault = Some(RunError::Thread),
            }
        }
        // The workers have the sockets: the kernel counts for as long as these are open.
        let mut snapshot = self.state.watch.snapshot();
        drop(workers);
        // The queues are gone, and their taps with them.
        snapshot.capture = self.capture.map(Writing::finish);
        let fault = match gone {
            Some(RunError::InterfaceGone(name)) => Some(RunError::InterfaceGone(name)),
            other => fault.or(other),
        };
        Finished { snapshot, elapsed, fault }
    }
}
