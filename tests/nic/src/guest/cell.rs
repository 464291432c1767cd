//! The cells. Each comes to one line, which is compared as it is: it has no number that depends on how
//! fast the machine is.

use std::io::Read;
use std::process::Stdio;

use super::doctor::Doctor;
use super::pair::{End, Pair, until};
use super::responder::{Responder, Started, Summary};
use crate::cells::{CONNECTIONS, FEW};

/// Bytes of a packet that are not the client's data: IPv4, TCP, timestamps (RFC 7323).
const HEADERS: u32 = 20 + 20 + 12;
const MTU: u32 = 1500;
const VLAN: &str = "5";

/// A pair, and what its cells have come to.
pub struct Tried {
    pair: Pair,
    doctor: Doctor,
    /// By mode cell: what it became, or that it was refused.
    became: Vec<(String, Became)>,
}

/// What a mode cell came to, for the comparison with doctor's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Became {
    Refused,
    Ran {
        mode: String,
        queues: u64,
        with_traffic: usize,
        /// Whether any connection was answered.
        answers: bool,
    },
}

impl Became {
    pub fn answers_nothing(&self) -> bool {
        matches!(self, Became::Ran { answers: false, .. })
    }
}

impl Tried {
    /// doctor looks at the interface while nothing uses it.
    pub fn new(pair: Pair) -> Tried {
        let doctor = Doctor::ask(&pair);
        Tried { pair, doctor, became: Vec::new() }
    }

    /// # Errors
    /// Something other than handfast did not work.
    pub fn cell(&mut self, name: &str) -> Result<String, String> {
        match name {
            "auto" => self.mode(name, &[]),
            "native" => self.mode(name, &["--mode", "native"]),
            "generic" => self.mode(name, &["--mode", "generic"]),
            "partial" => self.mode(name, &["--mode", "generic", "--accept-partial-checksums"]),
            "zerocopy" => self.mode(name, &["--zerocopy"]),
            "mtu" => self.largest_mtu(),
            "vlan" => self.vlan(),
            "link" => self.link(),
            "kill" => self.kill(),
            "bench" => self.bench(),
            "doctor" => self.doctor.compare(&self.became),
            _ => Err("there is no such cell".to_owned()),
        }
    }

    fn mode(&mut self, name: &str, options: &[&str]) -> Result<String, String> {
        let responder = match self.start(options)? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => {
                self.became.push((name.to_owned(), Became::Refused));
                return Ok(format!("refused: {reason}"));
            }
        };
        let connected = self.connect(CONNECTIONS)?;
        // What nothing answers does not echo either, and each attempt costs its time limit.
        let answers = !connected.starts_with("0 ");
        let echoed = match answers {
            false => "echo not tried".to_owned(),
            true => self.echo(&[950, 1024, MTU - HEADERS])?,
        };
        let summary = responder.stop()?;
        let (queues, with_traffic) = (summary.queues(), summary.queues_with_traffic());
        let became = Became::Ran { mode: summary.became(), queues, with_traffic, answers };
        self.became.push((name.to_owned(), became));
        let well = connected == all_of(CONNECTIONS) && !echoed.contains("not");
        Ok(format!(
            "{}, {connected}, {echoed}, {with_traffic} of {queues} queues{}",
            summary.became(),
            if well { String::new() } else { excuse(&summary) },
        ))
    }

    fn largest_mtu(&self) -> Result<String, String> {
        let Some(most) = self.doctor.largest_mtu() else {
            return Ok("doctor names no largest MTU".to_owned());
        };
        if let Err(error) = self.pair.set_mtu(most) {
            self.pair.set_mtu(MTU)?;
            return Ok(format!("{most}: {error}"));
        }
        let result = self.at_mtu(most);
        self.pair.set_mtu(MTU)?;
        result
    }

    fn at_mtu(&self, mtu: u32) -> Result<String, String> {
        let responder = match self.start(&[])? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => return Ok(format!("{mtu}: refused: {reason}")),
        };
        let (connected, echoed) = (self.connect(FEW)?, self.echo(&[mtu - HEADERS])?);
        Ok(format!("{mtu}: {}, {connected}, {echoed}", responder.stop()?.became()))
    }

    /// First as the NIC comes. If it takes tags out of frames, XDP does not see them: then respond has to
    /// say so, and it must work without that offload.
    fn vlan(&self) -> Result<String, String> {
        for end in [End::Server, End::Client] {
            let add = ["ip", "link", "add", "link", "eth0", "name", "eth0.5", "type", "vlan", "id", VLAN];
            self.pair.on(end, &add)?;
        }
        let result = self.in_vlan();
        for end in [End::Server, End::Client] {
            self.pair.on(end, &["ip", "link", "del", "eth0.5"])?;
        }
        result
    }

    fn in_vlan(&self) -> Result<String, String> {
        self.pair.on(End::Client, &["ip", "addr", "add", "10.8.5.2/24", "dev", "eth0.5"])?;
        self.pair.on(End::Client, &["ip", "link", "set", "eth0.5", "up"])?;
        let features = self.pair.on(End::Server, &["ethtool", "-k", "eth0"])?;
        let mut parts = Vec::new();
        if features.lines().any(|line| line.starts_with("rx-vlan-offload: on") && !line.contains("fixed")) {
            let (connected, log) = self.vlan_run()?;
            let said = if log.contains("rxvlan") { "said at start" } else { "not said at start" };
            parts.push(format!("rxvlan on: {connected}, {said}"));
            self.pair.on(End::Server, &["ethtool", "-K", "eth0", "rxvlan", "off"])?;
            self.pair.wait_for_carrier()?;
        }
        let mut without = self.vlan_run();
        if without.as_ref().is_ok_and(|(connected, _)| connected.starts_with("0 of")) {
            // The change of rxvlan resets the NIC, which may have been busy with that.
            self.pair.wait_for_carrier()?;
            without = self.vlan_run();
        }
        if !parts.is_empty() {
            self.pair.on(End::Server, &["ethtool", "-K", "eth0", "rxvlan", "on"])?;
        }
        parts.push(format!("rxvlan off: {}", without?.0));
        Ok(parts.join("; "))
    }

    fn vlan_run(&self) -> Result<(String, String), String> {
        let responder = match Responder::start(&self.pair, &[], "10.8.5.1")? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => return Ok((format!("refused: {reason}"), String::new())),
        };
        let connected = self.client("10.8.5.1:80", FEW, "http")?;
        let log = responder.log();
        responder.stop()?;
        Ok((connected, log))
    }

    fn link(&self) -> Result<String, String> {
        let responder = match self.start(&[])? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => return Ok(format!("refused: {reason}")),
        };
        let mut parts = vec![self.connect(FEW)?];
        for (end, name) in [(End::Server, "this end"), (End::Client, "other end")] {
            for state in ["down", "up"] {
                self.pair.on(end, &["ip", "link", "set", "eth0", state])?;
            }
            self.pair.wait_for_carrier()?;
            parts.push(format!("after {name} {}", self.connect(FEW)?));
        }
        responder.stop()?;
        Ok(parts.join(", "))
    }

    fn kill(&self) -> Result<String, String> {
        let responder = match self.start(&[])? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => return Ok(format!("refused: {reason}")),
        };
        let before = self.connect(FEW)?;
        responder.kill();
        let attached = || self.pair.on(End::Server, &["ip", "link", "show", "eth0"]);
        let gone = until("no program", || attached().is_ok_and(|text| !text.contains("xdp")));
        let gone = if gone.is_ok() { "program gone" } else { "program still there" };
        let again = match self.start(&[])? {
            Started::Runs(responder) => responder,
            Started::Refused(reason) => return Ok(format!("{before}, {gone}, refused: {reason}")),
        };
        let after = self.connect(FEW)?;
        Ok(format!("{before}, {gone}, {} again, {after}", again.stop()?.became()))
    }

    fn bench(&self) -> Result<String, String> {
        let listen = format!("{}:8080", self.pair.client());
        let mut server = self.pair.command(End::Client, &["nic-test", "server", &listen]);
        let mut server = server.stdout(Stdio::piped()).spawn().map_err(|error| format!("server: {error}"))?;
        let mut ready = String::new();
        let output = server.stdout.take().ok_or("no output of the server")?;
        output.take(6).read_to_string(&mut ready).map_err(|error| error.to_string())?;
        let (count, sources) = (CONNECTIONS.to_string(), self.pair.sources());
        let output = self.pair.on(
            End::Server,
            &[
                "handfast",
                "bench",
                "--dev",
                "eth0",
                "--source",
                &sources,
                &listen,
                "--workload",
                "request",
                "--http",
                "/",
                "--connections",
                &count,
                "--concurrency",
                "16",
                "--timeout",
                "120",
                "--quiet",
                "--max-connections",
                "16384",
                "--json",
                "/tmp/bench.json",
            ],
        );
        let _ = server.kill();
        let _ = server.wait();
        println!("{}", output?);
        let text = std::fs::read_to_string("/tmp/bench.json").map_err(|error| error.to_string())?;
        let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let completed = json["connections"]["completed"].as_u64().unwrap_or(0);
        Ok(format!("{completed} of {CONNECTIONS}"))
    }

    fn start(&self, options: &[&str]) -> Result<Started, String> {
        Responder::start(&self.pair, options, &self.pair.owned())
    }

    /// `200 of 200`: kernel clients whose request was answered.
    fn connect(&self, count: u64) -> Result<String, String> {
        self.client(&format!("{}:80", self.pair.owned()), count, "http")
    }

    /// `echo 950 1024 1448`: sizes, in bytes of one segment, that came back each time.
    fn echo(&self, sizes: &[u32]) -> Result<String, String> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for size in sizes {
            let target = format!("{}:7", self.pair.owned());
            let whole = self.client(&target, FEW, &format!("echo:{size}"))? == all_of(FEW);
            if whole { &mut good } else { &mut bad }.push(size.to_string());
        }
        let mut words = vec!["echo".to_owned()];
        words.append(&mut good);
        if !bad.is_empty() {
            words.push("not".to_owned());
            words.append(&mut bad);
        }
        Ok(words.join(" "))
    }

    fn client(&self, target: &str, count: u64, dialogue: &str) -> Result<String, String> {
        let count = count.to_string();
        let output = self.pair.on(End::Client, &["nic-test", "client", target, &count, dialogue])?;
        println!("{target} {dialogue}: {}", output.trim_end());
        Ok(output.lines().next().unwrap_or_default().to_owned())
    }
}

fn all_of(count: u64) -> String {
    format!("{count} of {count}")
}

/// What the summary has to say where not all went well.
fn excuse(summary: &Summary) -> String {
    if summary.frames_in() == 0 {
        return ", no frame came in".to_owned();
    }
    match summary.drops().as_slice() {
        [] => ", nothing dropped".to_owned(),
        drops => format!(", dropped {}", drops.join(" ")),
    }
}
