//! `handfast respond` as a child process.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use handfast_lab::process::{Process, Reading};
use nix::sys::signal::Signal;

use super::Failure;

/// A responder and its output. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct ResponderProcess {
    process: Process,
    /// The lines that were handed out.
    taken: usize,
}

impl ResponderProcess {
    /// Starts it and returns its output up to the line `ready`.
    pub(crate) fn start(
        mut command: Command,
        timeout: Duration,
    ) -> Result<(ResponderProcess, Vec<String>), Failure> {
        // Ctrl-C on the terminal must reach this process only, which ends the responder itself.
        command.process_group(0);
        let process = Process::start(command)
            .map_err(|error| Failure::new(format!("cannot start the responder: {error}")))?;
        let mut responder = ResponderProcess { process, taken: 0 };
        let what = match responder.process.read_until_ready(Instant::now() + timeout, None) {
            Reading::Found => {
                let before = responder.take();
                return Ok((responder, before));
            }
            Reading::Closed => "ended before it was ready".to_owned(),
            Reading::TimedOut | Reading::Interrupted => {
                format!("was not ready within {} s", timeout.as_secs())
            }
        };
        Err(Failure::new(format!("the responder {what}:\n{}", responder.process.text())))
    }

    /// What it printed since the last call.
    pub(crate) fn printed(&mut self) -> Vec<String> {
        self.process.read_now();
        self.take()
    }

    /// Asks it to end, and returns what it printed on its way out.
    pub(crate) fn stop(mut self, timeout: Duration) -> Result<Vec<String>, Failure> {
        // Fails if it has ended already, which is as wanted.
        let _ = self.process.signal(Signal::SIGTERM);
        if self.process.read_to_end(Instant::now() + timeout, None) != Reading::Closed {
            return Err(Failure::new(format!("the responder did not end within {} s", timeout.as_secs())));
        }
        let printed = self.take();
        match self.process.wait() {
            Ok(status) if status.success() => Ok(printed),
            Ok(status) => {
                Err(Failure::new(format!("the responder ended with {status}\n{}", printed.join("\n"))))
            }
            Err(error) => Err(Failure::new(format!("cannot wait for the responder: {error}"))),
        }
    }

    fn take(&mut self) -> Vec<String> {
        let lines = self.process.printed()[self.taken..].iter().map(|line| line.text.clone()).collect();
        self.taken = self.process.printed().len();
        lines
    }
}
