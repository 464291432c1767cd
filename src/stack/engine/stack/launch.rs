//! Starts the threads of the cores, scheduled as asked. A thread inherits the scheduling of the one that
//! starts it, and to take a better one takes a privilege. So a thread of its own takes it while there
//! are privileges, waits for the cores, and gives these up before it starts them.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use super::StartError;
use crate::engine::Worker;
use crate::engine::priority::Priority;
use crate::engine::privileges::{drop_bounding_set, drop_privileges};
use crate::engine::runner::Runner;
use crate::xdp::{DeviceError, Queue};

/// One core at work.
pub(super) type CoreThread = JoinHandle<(Worker<Queue>, Option<DeviceError>)>;

/// The thread that waits. It ends when it is dropped, too.
pub(super) struct Launcher {
    runners: SyncSender<Vec<Runner>>,
    threads: Receiver<io::Result<Vec<CoreThread>>>,
}

impl Launcher {
    /// # Errors
    /// `Schedule`: the kernel refuses this priority; `Thread`: there is no thread.
    pub(super) fn new(priority: Priority) -> Result<Launcher, StartError> {
        let (runners, to_start) = sync_channel::<Vec<Runner>>(1);
        let (started, threads) = sync_channel(1);
        let (told, taken) = sync_channel(1);
        let wait = move || {
            let is_taken = priority.apply();
            let goes_on = is_taken.is_ok();
            // Another user, whom the process may become meanwhile, could not any more.
            let bounding = drop_bounding_set();
            // The other ends wait for as long as this thread is there.
            let _ = told.send(is_taken);
            if !goes_on {
                return;
            }
            // The rest not earlier: the C library ends the process if not every thread may become that user.
            let Ok(runners) = to_start.recv() else { return };
            let plain = bounding.and_then(|()| drop_privileges());
            let plain = plain.map_err(|error| io::Error::other(error.to_string()));
            let _ = started.send(plain.and_then(|()| runners.into_iter().map(start).collect()));
        };
        Builder::new().name("hf-launcher".to_owned()).spawn(wait).map_err(StartError::Thread)?;
        let taken = taken.recv().unwrap_or_else(|_| Err(gone()));
        taken.map_err(|source| StartError::Schedule { priority, source })?;
        Ok(Launcher { runners, threads })
    }

    /// One pinned thread per core.
    pub(super) fn start(self, runners: Vec<Runner>) -> io::Result<Vec<CoreThread>> {
        self.runners.send(runners).map_err(|_| gone())?;
        self.threads.recv().unwrap_or_else(|_| Err(gone()))
    }
}

fn start(runner: Runner) -> io::Result<CoreThread> {
    Builder::new().name(format!("hf-core-{}", runner.cpu)).spawn(move || runner.run())
}

fn gone() -> io::Error {
    io::Error::other("the thread that starts the others has ended")
}
