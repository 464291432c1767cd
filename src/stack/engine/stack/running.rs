use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;

use super::Watch;
use super::cores::State;
use super::devices::OpenDevice;
use super::follow::Follower;
use super::launch::CoreThread;
use super::listening::Listening;
use super::tier::TierThread;
use crate::capture::CaptureWriter;
use crate::engine::inspect::Tables;
use crate::engine::runner::waker;
use crate::engine::{Command, CommandQueueFull, Snapshot};
use crate::xdp::{self, Network};

/// How often the end of the threads is looked after.
const LOOK: Duration = Duration::from_millis(2);

/// A stack at work.
pub struct Running {
    pub(super) devices: Arc<[OpenDevice]>,
    pub(super) threads: Vec<CoreThread>,
    pub(super) state: State,
    pub(super) capture: Option<CaptureWriter>,
    pub(super) listening: Arc<Listening>,
    pub(super) follower: Follower,
    pub(super) tier: Option<TierThread>,
    pub(super) started: Instant,
}

/// The end of a run.
pub struct Finished {
    /// Every count at the end of the run.
    pub snapshot: Snapshot,
    /// Duration of the run.
    pub elapsed: Duration,
    /// Why it ended by itself, if it did.
    pub fault: Option<RunError>,
}

/// Why a running stack ended by itself. There is no way back without privileges.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    /// A device or a socket of it failed.
    #[error("{0}; start again when it is back")]
    Device(xdp::DeviceError),
    /// An interface no longer exists in this network namespace.
    #[error(
        "interface {name} is gone: it was removed or moved to another namespace; start again when it is \
         back{}",
        without(others)
    )]
    InterfaceGone { name: String, others: Vec<String> },
    /// The thread of a core panicked or returned early.
    #[error("a core's thread ended unexpectedly: this is a bug, please report it")]
    Thread,
}

/// The program serves all of its interfaces or none: a part of what was asked for would look whole.
fn without(others: &[String]) -> String {
    match others {
        [] => String::new(),
        _ => format!(", or now with the others alone: {}", others.join(", ")),
    }
}

impl Running {
    /// The counts so far. The cores are not disturbed.
    pub fn snapshot(&self) -> Snapshot {
        let capture = self.capture.as_ref().map(CaptureWriter::report);
        Snapshot { capture, ..self.state.watch.snapshot() }
    }

    /// The counts for another thread, which may keep this longer than the stack runs.
    pub fn watch(&self) -> Watch {
        self.state.watch.clone()
    }

    /// Why nothing is captured any more, if so. Cheap: look as often as you like.
    pub fn capture_failure(&self) -> Option<String> {
        self.capture.as_ref().and_then(CaptureWriter::failure)
    }

    /// Has a core do something between two polls; soon, but not before this returns.
    ///
    /// # Errors
    /// [`CommandQueueFull`]: the core takes no more.
    pub fn order(&self, core: usize, order: Command) -> Result<(), CommandQueueFull> {
        let given = self.state.orders.get(core).is_some_and(|orders| orders.submit(order));
        given.then_some(()).ok_or(CommandQueueFull(core))
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
        let gone = self.devices.iter().find(|open| self.is_gone(open));
        if let Some(gone) = gone {
            let name = |open: &OpenDevice| self.state.watch.name(&open.device.name);
            let others = self.devices.iter().filter(|open| open.device.index != gone.device.index);
            return Some(RunError::InterfaceGone { name: name(gone), others: others.map(name).collect() });
        }
        self.threads.iter().any(JoinHandle::is_finished).then_some(RunError::Thread)
    }

    /// Whether an interface is gone, and has not just got another name. nix's `if_indextoname` does not
    /// see that there is none.
    fn is_gone(&self, open: &OpenDevice) -> bool {
        let (index, name) = (open.device.index, self.state.watch.name(&open.device.name));
        let renamed = || Network::read().is_ok_and(|network| network.at(index).is_some());
        if_nametoindex(name.as_str()).ok() != Some(index) && !renamed()
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

    /// Ends all connections and threads, then detaches the program from every interface. How, and how
    /// long it may take, [`StackConfig::on_stop`](super::StackConfig) says.
    pub fn stop(self) -> Finished {
        self.stop_unless(|| false)
    }

    /// As [`Running::stop`], but without waiting for connections once `cut` says so, which is asked often.
    pub fn stop_unless(mut self, mut cut: impl FnMut() -> bool) -> Finished {
        let gone = self.fault();
        self.follower.stop();
        // SYNs are refused from now on.
        drop(self.tier.take());
        self.state.asked.stop.store(true, Relaxed);
        self.state.wakes.iter().cloned().map(waker).for_each(|wake| wake());
        let elapsed = self.started.elapsed();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            if cut() {
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
        snapshot.capture = self.capture.map(CaptureWriter::finish);
        let fault = match gone {
            Some(gone @ RunError::InterfaceGone { .. }) => Some(gone),
            other => fault.or(other),
        };
        Finished { snapshot, elapsed, fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_one_interface_names_those_that_are_left() {
        let gone = |others: &[&str]| {
            let others = others.iter().map(|name| (*name).to_owned()).collect();
            RunError::InterfaceGone { name: "eth0".into(), others }.to_string()
        };
        assert!(gone(&[]).ends_with("start again when it is back"));
        assert!(gone(&["eth1"]).ends_with("when it is back, or now with the others alone: eth1"));
        assert!(gone(&["eth1", "eth2"]).ends_with("alone: eth1, eth2"));
    }
}
