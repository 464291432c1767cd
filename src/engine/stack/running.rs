use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;

use super::Watch;
use super::cores::State;
use super::devices::OpenDevice;
use super::listening::Listening;
use crate::capture::Writing;
use crate::engine::describe::Tables;
use crate::engine::runner::waker;
use crate::engine::{Order, Refused, Snapshot, Worker};
use crate::xdp::{self, Queue};

/// How often the end of the threads is looked after.
const LOOK: Duration = Duration::from_millis(2);

/// A stack at work.
pub struct Running {
    pub(super) devices: Vec<OpenDevice>,
    pub(super) threads: Vec<JoinHandle<(Worker<Queue>, Option<xdp::Fault>)>>,
    pub(super) state: State,
    pub(super) capture: Option<Writing>,
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
        let gone = self
            .devices
            .iter()
            .find(|open| if_nametoindex(open.device.name.as_str()).ok() != Some(open.device.index));
        if let Some(open) = gone {
            return Some(RunError::InterfaceGone(open.device.name.clone()));
        }
        self.threads.iter().any(JoinHandle::is_finished).then_some(RunError::Thread)
    }

    /// Ends all connections and threads, then detaches the program from every interface. How, and how
    /// long it may take, [`Options::on_stop`](super::Options) says.
    pub fn stop(self) -> Finished {
        self.stop_unless(&AtomicBool::new(false))
    }

    /// As [`Running::stop`], but without waiting for connections once `cut` is true.
    pub fn stop_unless(self, cut: &AtomicBool) -> Finished {
        let gone = self.fault();
        self.state.asked.stop.store(true, Relaxed);
        self.state.wakes.iter().cloned().map(waker).for_each(|wake| wake());
        let elapsed = self.started.elapsed();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if cut.load(Relaxed) {
                self.state.asked.cut.store(true, Relaxed);
            }
            std::thread::sleep(LOOK);
        }
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
