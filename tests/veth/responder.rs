//! The responder as a process of its own, in the server's namespace of a lab.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::{Lab, SERVER_DEVICE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::summary::Summary;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// So long may it take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(15);

/// Killed when dropped, so that a failing test leaves nothing behind.
pub struct Responder {
    child: Child,
    lines: Receiver<String>,
    printed: Vec<String>,
    directory: TempDir,
}

/// A responder that ended by itself.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    /// Standard output and standard error.
    pub text: String,
    pub after: Duration,
}

impl Responder {
    /// Starts on the lab's device, and returns once it says that it is ready.
    pub fn start(lab: &Lab, arguments: &[&str]) -> Responder {
        Responder::start_program(PROGRAM, lab, arguments)
    }

    pub fn start_program(program: impl AsRef<OsStr>, lab: &Lab, arguments: &[&str]) -> Responder {
        let mut responder = Responder::spawn(program, lab, &["--dev", SERVER_DEVICE], arguments);
        let ready = responder.read_until(|line| line.starts_with("ready"));
        assert!(ready, "{arguments:?} never became ready:\n{}", responder.printed.join("\n"));
        responder
    }

    /// As [`Responder::start`], with these arguments and no others: the device is among them.
    #[allow(dead_code, reason = "for tests/config")]
    pub fn start_alone(lab: &Lab, arguments: &[&str]) -> Responder {
        let mut responder = Responder::spawn(PROGRAM, lab, &[], arguments);
        let ready = responder.read_until(|line| line.starts_with("ready"));
        assert!(ready, "{arguments:?} never became ready:\n{}", responder.printed.join("\n"));
        responder
    }

    /// Starts what is expected to end by itself, and waits for that.
    pub fn run(lab: &Lab, arguments: &[&str]) -> Ended {
        Responder::spawn(PROGRAM, lab, &[], arguments).ended()
    }

    fn spawn(program: impl AsRef<OsStr>, lab: &Lab, device: &[&str], arguments: &[&str]) -> Responder {
        let directory = TempDir::new().expect("a directory");
        // A hangup ends it, also where the tests themselves were told to survive one (nohup).
        let mut command = lab.server().command("env");
        command.arg("--default-signal=HUP").arg(program).arg("respond").args(device).args(arguments);
        // Into a pipe there is none unasked.
        if !arguments.contains(&"--interval") {
            command.args(["--interval", "1"]);
        }
        command.arg("--json").arg(directory.path().join("summary.json"));
        Responder::of(command, directory)
    }

    fn of(mut command: Command, directory: TempDir) -> Responder {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("ip netns exec");
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take().expect("piped"), sender.clone());
        forward(child.stderr.take().expect("piped"), sender);
        Responder { child, lines, printed: Vec::new(), directory }
    }

    /// Waits for a new line of rates that counts so many open connections.
    pub fn await_open(&mut self, connections: u64) {
        while self.lines.try_recv().is_ok() {}
        let wanted = format!(" {connections} open");
        let found = self.read_until(|line| line.contains(&wanted));
        assert!(found, "not{wanted}:\n{}", self.printed.join("\n"));
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and returns its account of the run.
    pub fn stop(mut self) -> Summary {
        self.signal(Signal::SIGTERM);
        let (status, text) = self.wait();
        assert!(status.success(), "{status}\n{text}");
        let summary = Summary::read(&self.directory.path().join("summary.json"), text);
        summary.assert_sound();
        summary
    }

    /// Waits for it to end by itself.
    pub fn ended(mut self) -> Ended {
        let began = Instant::now();
        let (status, text) = self.wait();
        Ended { code: status.code(), text, after: began.elapsed() }
    }

    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.wait();
    }

    /// Time spent on processors so far: utime and stime, fields 14 and 15 of `/proc/PID/stat`.
    pub fn processor_time(&self) -> Duration {
        let line = fs::read_to_string(format!("/proc/{}/stat", self.pid())).expect("it runs");
        let (_, fields) = line.rsplit_once(')').expect("a name in parentheses");
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().expect("ticks"))
            .sum();
        // USER_HZ is 100 on every architecture of Linux that we run on.
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory, octets.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        1024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB")
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("it runs");
    }

    /// Waits for such a line, and returns it.
    #[allow(dead_code, reason = "for tests/config")]
    pub fn await_line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.read_until(wanted);
        assert!(found, "no such line:\n{}", self.printed.join("\n"));
        self.printed.last().cloned().unwrap_or_default()
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

    fn wait(&mut self) -> (ExitStatus, String) {
        self.read_until(|_| false);
        let text = self.printed.join("\n");
        // Its pipes are closed before its sockets, which the kernel takes its time for.
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                return (status, text);
            }
            assert!(Instant::now() < deadline, "it does not end:\n{text}");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Responder {
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
