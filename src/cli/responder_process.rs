//! `handfast respond` as a child process.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Failure;

/// A responder and its output. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct ResponderProcess {
    child: Child,
    lines: Receiver<String>,
}

impl ResponderProcess {
    /// Starts it and returns its output up to the line `ready`.
    pub fn start(
        mut command: Command,
        timeout: Duration,
    ) -> Result<(ResponderProcess, Vec<String>), Failure> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C on the terminal must reach this process only, which ends the responder itself.
            .process_group(0)
            .spawn()
            .map_err(|error| Failure::new(format!("cannot start the responder: {error}")))?;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), sender.clone());
        forward(child.stderr.take(), sender);
        let mut responder = ResponderProcess { child, lines };
        let before = responder.lines_until_ready(timeout)?;
        Ok((responder, before))
    }

    /// The output since the last call.
    pub fn printed(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Ends it, and returns the output until its end.
    pub fn stop(mut self, timeout: Duration) -> Result<Vec<String>, Failure> {
        self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + timeout;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => printed.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Failure::new(format!(
                        "the responder did not end within {} s",
                        timeout.as_secs()
                    )));
                }
            }
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(printed),
            Ok(status) => {
                Err(Failure::new(format!("the responder ended with {status}\n{}", printed.join("\n"))))
            }
            Err(error) => Err(Failure::new(format!("cannot wait for the responder: {error}"))),
        }
    }

    fn lines_until_ready(&mut self, timeout: Duration) -> Result<Vec<String>, Failure> {
        let deadline = Instant::now() + timeout;
        let mut printed = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let ready = line.starts_with("ready");
                    printed.push(line);
                    if ready {
                        return Ok(printed);
                    }
                }
                Err(cause) => {
                    let what = match cause {
                        RecvTimeoutError::Disconnected => "ended before it was ready".to_string(),
                        RecvTimeoutError::Timeout => format!("was not ready within {} s", timeout.as_secs()),
                    };
                    return Err(Failure::new(format!("the responder {what}:\n{}", printed.join("\n"))));
                }
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // It fails if the process has ended already.
            let _ = kill(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for ResponderProcess {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Forwards each line of the stream until it ends.
fn forward(stream: Option<impl Read + Send + 'static>, lines: Sender<String>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
