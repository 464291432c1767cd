//! The network of one test, the bench in it, and its targets.

#[path = "../support/skip.rs"]
mod skip;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::{CLIENT_DEVICE, Lab, Namespace, SERVER_DEVICE, SOURCES_V4, Spec};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Ended, Process};
use crate::results::Results;

pub use skip::{root, skipped};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// One of the addresses that belong to the responder alone.
pub const SERVED: Ipv4Addr = Ipv4Addr::new(198, 18, 1, 1);

/// A lab of this test's own, and the turn to use the machine.
pub struct Stage {
    lab: Lab,
    directory: TempDir,
    // Last: the next test's turn begins when the lab is gone.
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Deref for Stage {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// `None`, said loudly, where there can be no lab.
pub fn stage(change: impl FnOnce(Spec) -> Spec) -> Option<Stage> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root()?;
    let turn = turn();
    let name = format!("n{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let lab = Lab::up(&change(Spec::new(name))).expect("the lab");
    Some(Stage { lab, directory: TempDir::new().expect("a directory"), _turn: Some(turn) })
}

/// The turn to use the machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The core of the bench, and the one of its target: two, where there are two.
fn cores() -> (String, String) {
    let most = thread::available_parallelism().map_or(0, |number| number.get() - 1);
    (most.to_string(), "0".to_owned())
}

impl Stage {
    /// A file for a program of this test to write.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The bench on the client's device with these arguments and no other, as it starts.
    pub fn bare(&self, arguments: &[&str]) -> Process {
        let mut command = self.client().command(PROGRAM);
        command.args(["bench", "--dev", CLIENT_DEVICE]).args(arguments);
        Process::start(command)
    }

    /// The bench from the lab's sources, with a short MSL, as it starts.
    pub fn start(&self, arguments: &str) -> Process {
        self.start_at((self.client(), CLIENT_DEVICE, SOURCES_V4), arguments)
    }

    /// As [`Stage::start`], from another place.
    pub fn start_at(&self, (at, device, source): (&Namespace, &str, &str), arguments: &str) -> Process {
        let mut command = at.command(PROGRAM);
        command.args(["bench", "--dev", device, "--source", source, "--cores", &cores().0]);
        command.args(["--msl", "1", "--quiet", "--json"]).arg(self.file("bench.json"));
        command.args(arguments.split_whitespace());
        Process::start(command)
    }

    /// To its end, which must be a report.
    pub fn bench(&self, arguments: &str) -> Results {
        self.report(self.start(arguments))
    }

    /// To its end, without one connection that was established.
    pub fn unreachable(&self, arguments: &str) -> Results {
        self.report_of(self.start(arguments), 5)
    }

    /// To its end; with the most resident memory that it was seen to have, octets.
    pub fn report_and_resident(&self, mut bench: Process) -> (Results, u64) {
        let mut most = 0;
        while let Some(resident) = bench.resident_if_running() {
            most = most.max(resident);
            thread::sleep(Duration::from_millis(50));
        }
        (self.report(bench), most)
    }

    pub fn report(&self, bench: Process) -> Results {
        self.report_of(bench, 0)
    }

    /// As [`Stage::report`], of a bench that ends with this code.
    pub fn report_of(&self, bench: Process, wanted: i32) -> Results {
        let Ended { code, text } = bench.ended();
        assert_eq!(code, Some(wanted), "{text}");
        Results::read(&self.file("bench.json"), text)
    }

    /// `handfast respond` with these services on [`SERVED`], as in `80=http`.
    pub fn respond(&self, listeners: &[&str], arguments: &str) -> Responder {
        let mut command = self.server().command(PROGRAM);
        command.args(["respond", "--dev", SERVER_DEVICE, "--cores", &cores().1]);
        if !arguments.contains("--msl") {
            command.args(["--msl", "1"]);
        }
        command.args(["--interval", "0", "--json"]).arg(self.file("respond.json"));
        for listener in listeners {
            // An IPv6 address is given with it.
            let at = if listener.starts_with('[') { String::new() } else { format!("{SERVED}:") };
            command.args(["--listen", &format!("{at}{listener}")]);
        }
        command.args(arguments.split_whitespace());
        let mut process = Process::start(command);
        process.await_line("ready");
        Responder { process, json: self.file("respond.json") }
    }

    /// Frames that the server's kernel had no room for, as it says itself: in the responder's rings (its
    /// report has those), or before them. None, unless others take the machine.
    pub fn unseen(&self, report: &Value) -> u64 {
        let queues = report["queues"].as_array().unwrap_or_else(|| panic!("no queues: {report}"));
        let kernel = |name: &str| -> u64 {
            queues.iter().map(|queue| queue["kernel"][name].as_u64().expect("a count")).sum()
        };
        kernel("rx_ring_full") + kernel("rx_dropped") + dropped(self.server(), SERVER_DEVICE)
    }

    /// The same of the client's kernel and the bench.
    pub fn unheard(&self, results: &Results) -> u64 {
        let rings = ["kernel_rx_ring_full", "kernel_rx_dropped", "kernel_fill_ring_empty"];
        let rings = rings.iter().map(|name| results.dropped(name)).sum::<u64>();
        rings + dropped(self.client(), CLIENT_DEVICE)
    }

    /// `handfast lab serve-kernel`: the server's own kernel.
    pub fn serve_kernel(&self, listen: SocketAddr, arguments: &str) -> Process {
        self.serve_kernel_at(self.server(), listen, arguments)
    }

    pub fn serve_kernel_at(&self, at: &Namespace, listen: SocketAddr, arguments: &str) -> Process {
        let mut command = at.command(PROGRAM);
        command.args(["lab", "serve-kernel", "--core", &cores().1, "--listen", &listen.to_string()]);
        let mut process = Process::start({
            command.args(arguments.split_whitespace());
            command
        });
        process.await_line("ready");
        process
    }

    /// A program in the server's namespace, once it accepts connections at `at`.
    pub fn serve(&self, command: Command, at: SocketAddr) -> Process {
        let process = Process::start(command);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.in_server(|| TcpStream::connect(at).is_err()).expect("the namespace") {
            assert!(Instant::now() < deadline, "nothing listens at {at}");
            thread::sleep(Duration::from_millis(10));
        }
        process
    }
}

/// Frames that came to this device and found the core's backlog full.
fn dropped(at: &Namespace, device: &str) -> u64 {
    let file = format!("/sys/class/net/{device}/statistics/rx_dropped");
    at.run(&["cat", &file]).expect("cat").trim().parse().expect("a count")
}

/// A `handfast respond` at work.
pub struct Responder {
    pub process: Process,
    json: PathBuf,
}

impl Responder {
    /// Ends it. What it counted, all cores together.
    pub fn stop(self) -> Value {
        self.report()["total"].clone()
    }

    /// Ends it. All that it says.
    pub fn report(self) -> Value {
        self.process.signal(Signal::SIGTERM);
        let Ended { code, text } = self.process.ended();
        assert_eq!(code, Some(0), "{text}");
        let json = std::fs::read(&self.json).expect("--json writes its file");
        serde_json::from_slice(&json).expect("JSON")
    }
}
