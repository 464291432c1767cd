//! A program of a test, and what it prints.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// So long may it take to say something, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Killed when dropped, so that a failing test leaves nothing behind.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub text: String,
}

impl Process {
    pub fn start(mut command: Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().expect("piped"), sender.clone());
        forward(child.stderr.take().expect("piped"), sender);
        Process { child, lines, printed: Vec::new() }
    }

    /// Waits for a line that begins like this.
    pub fn await_line(&mut self, start: &str) {
        let found = self.read_until(|line| line.starts_with(start));
        assert!(found, "no line {start:?}:\n{}", self.printed.join("\n"));
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).expect("it runs");
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Ended {
        self.read_until(|_| false);
        let text = self.printed.join("\n");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return Ended { code: status.code(), text };
            }
            assert!(Instant::now() < deadline, "it does not end:\n{text}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Resident memory, octets.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB")
    }

    /// As [`Process::resident`]; `None` once it has ended.
    pub fn resident_if_running(&mut self) -> Option<u64> {
        match self.child.try_wait().expect("a child of ours") {
            Some(_) => None,
            None => fs::read_to_string(format!("/proc/{}/statm", self.child.id()))
                .ok()
                .and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok())
                .map(|pages| 4096 * pages),
        }
    }

    /// False: it ended, or was silent for too long, before such a line.
    fn read_until(&mut self, wanted: impl Fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let found = wanted(&line);
                    self.printed.push(line);
                    if found {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line of the stream on, until it ends.
fn forward(stream: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}
