//! The bench and its targets, in the network of one test.

use std::net::{SocketAddr, TcpStream};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use handfast_lab::{CLIENT_DEVICE, Namespace, SERVER_DEVICE, SOURCES_V4, Spec};
use serde_json::Value;
use support::{Ended, OWNED_V4, Process, json, program, wait_until};

use crate::results::Results;

/// A lab of this test's own, and the turn to use the machine.
pub struct Stage {
    stage: support::Stage,
    // Last: the next test's turn begins when the lab is gone.
    _turn: MutexGuard<'static, ()>,
}

impl Deref for Stage {
    type Target = support::Stage;

    fn deref(&self) -> &support::Stage {
        &self.stage
    }
}

/// `None` without root.
pub fn stage(change: impl FnOnce(Spec) -> Spec) -> Option<Stage> {
    let turn = turn();
    Some(Stage { stage: support::stage(change)?, _turn: turn })
}

/// The turn to use the machine.
pub fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The core of the bench, and the one of its target: two, where there are two.
fn cores() -> (String, String) {
    let last = thread::available_parallelism().map_or(0, |number| number.get() - 1);
    (last.to_string(), "0".to_owned())
}

impl Stage {
    /// The bench on the client's device with these arguments and no other, as it starts.
    pub fn bare(&self, arguments: &[&str]) -> Process {
        let mut command = self.client().command(program());
        command.args(["bench", "--dev", CLIENT_DEVICE]).args(arguments);
        Process::start(command)
    }

    /// The bench from the lab's sources, with a short MSL, as it starts.
    pub fn start(&self, arguments: &str) -> Process {
        self.start_at((self.client(), CLIENT_DEVICE, SOURCES_V4), arguments)
    }

    /// As [`Stage::start`], from another place.
    pub fn start_at(&self, (at, device, source): (&Namespace, &str, &str), arguments: &str) -> Process {
        let mut command = at.command(program());
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

    /// To its end; with the most resident memory that it was seen to have, bytes.
    pub fn report_and_resident(&self, mut bench: Process) -> (Results, u64) {
        let mut max = 0;
        while let Some(resident) = bench.resident_if_running() {
            max = max.max(resident);
            thread::sleep(Duration::from_millis(50));
        }
        (self.report(bench), max)
    }

    pub fn report(&self, bench: Process) -> Results {
        self.report_of(bench, 0)
    }

    /// As [`Stage::report`], of a bench that ends with this code.
    pub fn report_of(&self, bench: Process, wanted: i32) -> Results {
        let Ended { code, text, .. } = bench.ended();
        assert_eq!(code, Some(wanted), "{text}");
        Results::read(&self.file("bench.json"), text)
    }

    /// `handfast respond` with these services on [`OWNED_V4`], as in `80=http`.
    pub fn respond(&self, listeners: &[&str], arguments: &str) -> Responder {
        let mut command = self.server().command(program());
        command.args(["respond", "--dev", SERVER_DEVICE, "--cores", &cores().1]);
        if !arguments.contains("--msl") {
            command.args(["--msl", "1"]);
        }
        command.args(["--interval", "0", "--json"]).arg(self.file("respond.json"));
        for listener in listeners {
            // An IPv6 address is given with it.
            let at = if listener.starts_with('[') { String::new() } else { format!("{OWNED_V4}:") };
            command.args(["--listen", &format!("{at}{listener}")]);
        }
        command.args(arguments.split_whitespace());
        let process = Process::ready(command);
        Responder { process, json: self.file("respond.json") }
    }

    /// Frames that the server's kernel had no room for, by its own counters: in the responder's rings (its
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
        let mut command = at.command(program());
        command.args(["lab", "serve-kernel", "--core", &cores().1, "--listen", &listen.to_string()]);
        command.args(arguments.split_whitespace());
        Process::ready(command)
    }

    /// A program in the server's namespace, once it accepts connections at `at`.
    pub fn serve(&self, command: Command, at: SocketAddr) -> Process {
        let process = Process::start(command);
        wait_until(&format!("a listener at {at}"), || {
            self.in_server(|| TcpStream::connect(at).is_ok()).expect("the namespace")
        });
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

    /// Ends it. Its report.
    pub fn report(self) -> Value {
        self.process.stop();
        json(&self.json)
    }
}
