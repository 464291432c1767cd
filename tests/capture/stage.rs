//! The network of one test, and the responder in it that captures.

#[path = "../support/skip.rs"]
mod skip;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::load::{self, Plan, Progress, Tally};
use handfast_lab::{Lab, SERVED_V4, SERVER_DEVICE, Spec};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Ended, Process};
use crate::reader::Capture;

pub use skip::{root, skipped};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// One of the addresses that belong to the responder alone.
pub const SERVED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 1, 1));

pub struct Stage {
    lab: Lab,
    directory: TempDir,
}

impl Deref for Stage {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// A lab of this test's own. `None`, said loudly, where it or what reads a capture cannot be had.
pub fn stage(change: impl FnOnce(Spec) -> Spec) -> Option<Stage> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root()?;
    let tshark = Command::new("tshark").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if tshark.is_err() {
        return skipped("tshark is not installed: apt-get install tshark");
    }
    let name = format!("p{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let lab = Lab::up(&change(Spec::new(name))).expect("the lab");
    Some(Stage { lab, directory: TempDir::new().expect("a directory") })
}

pub fn at(port: u16) -> SocketAddr {
    SocketAddr::new(SERVED, port)
}

impl Stage {
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `handfast respond` with http on 80 and close on 81, up to its arguments for `--pcap`.
    pub fn command(&self) -> Command {
        let mut command = self.server().command(PROGRAM);
        command.args(["respond", "--dev", SERVER_DEVICE, "--interval", "0", "--msl", "1", "--json"]);
        command.arg(self.file("respond.json"));
        for listener in ["80=http", "81=close"] {
            command.args(["--listen", &format!("{SERVED_V4}:{listener}")]);
        }
        command
    }

    /// Capturing to a file of this test.
    pub fn respond(&self, arguments: &str) -> Responder<'_> {
        self.respond_to(self.file("run.pcapng"), arguments)
    }

    pub fn respond_to(&self, pcap: PathBuf, arguments: &str) -> Responder<'_> {
        let mut command = self.command();
        command.args(arguments.split_whitespace()).arg("--pcap").arg(&pcap);
        self.started(command, pcap)
    }

    pub fn started(&self, command: Command, pcap: PathBuf) -> Responder<'_> {
        let mut process = Process::start(command);
        process.await_line("ready");
        Responder { stage: self, process, pcap }
    }

    /// Carries the plan out as the client's kernel; every connection must go to its end, also that the
    /// client's FIN is acknowledged where the server closed first.
    pub fn clients(&self, plan: &Plan) {
        let tally: Tally =
            self.in_client(|| load::run(plan, &Progress::default())).expect("the namespace").expect("epoll");
        assert_eq!((Some(tally.completed), tally.failed()), (plan.count, 0), "{tally}");
        wait_until(|| self.in_client(has_no_connection).expect("the namespace"));
    }
}

pub struct Responder<'a> {
    stage: &'a Stage,
    pub process: Process,
    pcap: PathBuf,
}

/// A run that is over.
pub struct Run {
    pub json: Value,
    /// What it printed.
    pub text: String,
    pub pcap: PathBuf,
}

impl Responder<'_> {
    /// Ends it.
    pub fn stop(self) -> Run {
        self.process.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Waits for its end, which must be a good one.
    pub fn ended(self) -> Run {
        let Ended { code, text } = self.process.ended();
        assert_eq!(code, Some(0), "{text}");
        let json = std::fs::read(self.stage.file("respond.json")).expect("--json writes its file");
        let run = Run { json: serde_json::from_slice(&json).expect("JSON"), text, pcap: self.pcap };
        let parts = ["captured", "left_out", "dropped.ring_full", "dropped.over_budget", "dropped.unwritten"];
        let parts: u64 = parts.iter().map(|part| run.number(&format!("capture.{part}"))).sum();
        assert_eq!(run.number("capture.seen"), parts, "{}", run.json["capture"]);
        let queues = run.json["queues"].as_array().expect("queues").iter();
        let passed = queues.map(|queue| {
            queue["received"].as_u64().expect("a count") + queue["transmitted"].as_u64().expect("a count")
        });
        assert_eq!(run.number("capture.seen"), passed.sum::<u64>(), "{}", run.json);
        run
    }
}

impl Run {
    /// A count by its path, with dots.
    pub fn number(&self, path: &str) -> u64 {
        let value = path.split('.').fold(&self.json, |value, name| &value[name]);
        value.as_u64().unwrap_or_else(|| panic!("no number {path} in {:#}", self.json))
    }

    pub fn dropped(&self) -> u64 {
        ["ring_full", "over_budget", "unwritten"]
            .iter()
            .map(|why| self.number(&format!("capture.dropped.{why}")))
            .sum()
    }

    /// What tshark makes of the file: as many packets as the summary says.
    pub fn capture(&self) -> Capture {
        let capture = Capture::read(&self.pcap);
        assert_eq!(capture.packets.len() as u64, self.number("capture.captured"), "{}", self.text);
        let bytes = std::fs::metadata(&self.pcap).expect("a file").len();
        assert_eq!(bytes, self.number("capture.bytes"));
        capture
    }
}

/// Whether the namespace's kernel has none but those in TIME-WAIT, state 6.
fn has_no_connection() -> bool {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/tcp").expect("sockets");
    sockets.lines().skip(1).all(|line| line.split_whitespace().nth(3) == Some("06"))
}

/// Looks often, for a while.
pub fn wait_until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "not within ten seconds");
        thread::sleep(Duration::from_millis(5));
    }
}
