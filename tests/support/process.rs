//! Programs that a test runs.

use std::borrow::BorrowMut;
use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::process::{self, Line, Reading};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{POLL_INTERVAL, TIMEOUT};

/// A program that runs. Killed when dropped, so that a failing test leaves nothing running.
#[derive(Debug)]
pub struct Process(process::Process);

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// `None`: a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// Both, line by line as they came.
    pub text: String,
    /// The time that the end was waited for.
    pub after: Duration,
}

impl Process {
    /// Starts it with its output in pipes.
    pub fn start(command: Command) -> Process {
        let what = format!("{command:?}");
        Process(process::Process::start(command).unwrap_or_else(|error| panic!("{what}: {error}")))
    }

    /// Starts it and waits until it is ready.
    pub fn ready(command: Command) -> Process {
        let mut process = Process::start(command);
        process.await_line("ready");
        process
    }

    /// Waits for a line that begins like this.
    #[track_caller]
    pub fn await_line(&mut self, start: &str) -> String {
        self.read_until(&format!("line {start:?}"), |line| line.starts_with(start))
    }

    /// Waits for a line of which this holds.
    #[track_caller]
    pub fn await_line_where(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        self.read_until("such line", wanted)
    }

    #[track_caller]
    fn read_until(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let reading = self.0.read_until(Instant::now() + TIMEOUT, None, |line| wanted(&line.text));
        assert!(reading == Reading::Found, "no {what} ({reading:?}):\n{}", self.0.text());
        self.0.printed().last().map(|line| line.text.clone()).unwrap_or_default()
    }

    /// [`Process::await_line`] considers only the lines that come from now on.
    pub fn skip_printed(&mut self) {
        self.0.read_now();
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        self.0.signal(signal).expect("it runs");
    }

    /// As [`Process::signal`], to a process that may have ended.
    pub fn signal_if_running(&self, signal: Signal) {
        let _ = self.0.signal(signal);
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn ended(mut self) -> Ended {
        let began = Instant::now();
        self.0.read_to_end(began + TIMEOUT, None);
        // Its pipes are closed before its sockets, for which the kernel takes time.
        let Some(code) = exit_code(TIMEOUT, || self.0.try_wait().expect("a child of ours")) else {
            panic!("it does not end:\n{}", self.0.text());
        };
        let of = |is_error: bool| -> String {
            let lines = self.0.printed().iter().filter(|line: &&Line| line.is_error == is_error);
            lines.map(|line| line.text.clone() + "\n").collect()
        };
        Ended { code, out: of(false), err: of(true), text: self.0.text(), after: began.elapsed() }
    }

    /// Ends it by SIGTERM and waits for that, which must be a success.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        let ended = self.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.text);
        ended
    }

    /// Ends it by SIGKILL.
    pub fn kill(self) {
        self.signal(Signal::SIGKILL);
        self.ended();
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB")
    }

    /// As [`Process::resident`]; `None` once it has ended.
    pub fn resident_if_running(&mut self) -> Option<u64> {
        match self.0.try_wait().expect("a child of ours") {
            Some(_) => None,
            None => fs::read_to_string(format!("/proc/{}/statm", self.id()))
                .ok()
                .and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok())
                .map(|pages| 4096 * pages),
        }
    }

    /// Time spent on processors so far: utime and stime, fields 14 and 15 of `/proc/PID/stat`.
    pub fn processor_time(&self) -> Duration {
        let line = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it runs");
        let (_, fields) = line.rsplit_once(')').expect("a name in parentheses");
        let fields = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = fields.map(|field| field.parse::<u64>().expect("ticks")).sum();
        // USER_HZ is 100 on every architecture of Linux that we run on.
        Duration::from_millis(ticks * 10)
    }
}

/// A child whose streams are the test's matter. Killed when dropped.
#[derive(Debug)]
pub struct ChildGuard(pub Child);

impl ChildGuard {
    pub fn spawn(mut command: impl BorrowMut<Command>) -> ChildGuard {
        let command = command.borrow_mut();
        ChildGuard(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Waits for its end; `None`: a signal ended it.
    #[track_caller]
    pub fn code(&mut self) -> Option<i32> {
        exit_code(TIMEOUT, || self.0.try_wait().expect("a child of ours")).expect("it does not end")
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program to its end, its output in files: a process that it leaves running may keep them open.
#[track_caller]
pub fn run(mut command: impl BorrowMut<Command>) -> Ended {
    let began = Instant::now();
    let folder = TempDir::new().expect("a directory");
    let path = |name: &str| folder.path().join(name);
    let file = |name: &str| File::create(path(name)).expect("a file");
    let command = command.borrow_mut().stdin(Stdio::null()).stdout(file("out")).stderr(file("err"));
    let code = ChildGuard::spawn(command).code();
    let text = |name: &str| String::from_utf8_lossy(&fs::read(path(name)).expect("a file")).into_owned();
    let (out, err) = (text("out"), text("err"));
    Ended { code, text: format!("{out}{err}"), out, err, after: began.elapsed() }
}

/// The exit code of a program that ends within the limit.
fn exit_code(
    limit: Duration,
    mut try_wait: impl FnMut() -> Option<std::process::ExitStatus>,
) -> Option<Option<i32>> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = try_wait() {
            return Some(status.code());
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(POLL_INTERVAL);
    }
}
