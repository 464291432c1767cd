//! The responder that captures, in the network of one test.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use handfast_lab::load::Plan;
use handfast_lab::{SERVED_V4, SERVER_DEVICE, Spec};
use nix::sys::signal::Signal;
use serde_json::Value;
use support::{Ended, Process, json, program, tool, wait_until};

use crate::reader::Capture;

pub struct Stage(support::Stage);

impl Deref for Stage {
    type Target = support::Stage;

    fn deref(&self) -> &support::Stage {
        &self.0
    }
}

/// `None` without root, and without the program that reads a capture.
pub fn stage(change: impl FnOnce(Spec) -> Spec) -> Option<Stage> {
    tool("tshark")?;
    support::stage(change).map(Stage)
}

impl Stage {
    /// `handfast respond` with http on 80 and close on 81, up to its arguments for `--pcap`.
    pub fn command(&self) -> Command {
        let mut command = self.server().command(program());
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
        Responder { stage: self, process: Process::ready(command), pcap }
    }

    /// Carries the plan out as the client's kernel; every connection must go to its end, also that the
    /// client's FIN is acknowledged where the server closed first.
    pub fn clients(&self, plan: &Plan) {
        support::clients(self, plan);
        wait_until("every connection has ended", || {
            self.in_client(has_no_connection).expect("the namespace")
        });
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
        let Ended { code, text, .. } = self.process.ended();
        assert_eq!(code, Some(0), "{text}");
        let run = Run { json: json(&self.stage.file("respond.json")), text, pcap: self.pcap };
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

    /// What tshark reads from the file: as many packets as the summary counts.
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
