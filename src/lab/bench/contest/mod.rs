//! Runs that can be compared: one veth pair, the same client, a core for each side, one contestant
//! at a time, in an order that changes from round to round.

mod child;
mod client;
mod contestant;
mod error;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

pub use client::{BareClient, ClientCommand, Outcome};
pub use contestant::Contestant;
pub use error::ContestError;

use super::workload::{Pattern, Workload};
use crate::lab::{KERNEL_V4, KERNEL_V6, Lab, SOURCES_V4, SOURCES_V6, Spec};
use crate::xdp::Mode;
use child::Child;

/// The port that every contestant answers on.
const PORT: u16 = 7000;
/// How often signals are looked at while something else is waited for.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct Contest {
    /// The lab's name; a lab of that name is replaced.
    pub name: String,
    /// `handfast` itself: every contestant is one of its subcommands.
    pub program: PathBuf,
    pub contestants: Vec<Contestant>,
    /// The link's ceilings, which answer one frame with one, run SYNs instead.
    pub patterns: Vec<Pattern>,
    /// Where the eBPF programs run, on both ends alike.
    pub modes: Vec<Mode>,
    /// Each of which runs everything once.
    pub rounds: u32,
    /// Of one run.
    pub duration: Duration,
    /// Quiet before each run, so that the kernel has cleared up behind the one before.
    pub settle: Duration,
    pub cores: Cores,
    pub ipv6: bool,
    /// Connections under way at a time.
    pub window: u32,
}

/// Which core each side is pinned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cores {
    pub client: usize,
    pub server: usize,
}

/// One run of one contestant.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub contest: &'a Contest,
    pub contestant: Contestant,
    pub pattern: Pattern,
    pub mode: Mode,
    /// From 0.
    pub round: u32,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub contestant: &'static str,
    /// A ceiling, and not a TCP.
    pub ceiling: bool,
    pub workload: String,
    pub closer: String,
    pub mode: String,
    pub round: u32,
    /// Connections (or round trips, with the workload `syn`) per second.
    pub rate: f64,
    pub completed: u64,
    /// As the client and the server count them, together.
    pub failures: u64,
    /// The client's own report.
    pub client: Value,
    /// The contestant's own report.
    pub server: Value,
}

/// What came of a contest.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    pub rows: Vec<Row>,
    /// It was stopped before the last run; the run under way is not among the rows.
    pub interrupted: bool,
}

impl Contest {
    /// Everything that takes no choice: ten rounds of three seconds on one queue.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Contest {
        Contest {
            name: name.into(),
            program: program.into(),
            contestants: Contestant::ALL.to_vec(),
            patterns: Workload::COMPARED.map(Pattern::new).to_vec(),
            modes: vec![Mode::Generic, Mode::Native],
            rounds: 10,
            duration: Duration::from_secs(3),
            settle: Duration::from_millis(500),
            cores: Cores { client: 0, server: 1 },
            ipv6: false,
            // With two frames each, still fewer than wait for a core at most (net.core.netdev_max_backlog).
            window: 256,
        }
    }

    /// The runs of one round, in its order: what a run leaves behind meets another one each time.
    pub fn round(&self, round: u32) -> Vec<Run<'_>> {
        let run = |contestant, pattern, mode| Run { contest: self, contestant, pattern, mode, round };
        let mut runs = Vec::new();
        for &mode in &self.modes {
            let (link, others): (Vec<Contestant>, Vec<Contestant>) =
                self.contestants.iter().partition(|contestant| contestant.is_one_to_one());
            for pattern in &self.patterns {
                runs.extend(others.iter().map(|contestant| run(*contestant, *pattern, mode)));
            }
            let timestamps = self.patterns.iter().any(|pattern| pattern.timestamps);
            let syn = Pattern { timestamps, ..Pattern::new(Workload::Syn) };
            runs.extend(link.iter().map(|contestant| run(*contestant, syn, mode)));
        }
        let places = runs.len().max(1);
        runs.rotate_left(round as usize % places);
        if round % 2 == 1 {
            runs.reverse();
        }
        runs
    }

    /// Makes the lab, runs every round, and removes the lab, also after an error. `client` is what
    /// calls the contestants that are a TCP; the ceilings are called by a bare program. `seen` is
    /// told each row as it comes.
    ///
    /// # Errors
    /// The lab cannot be made, or a program cannot be run, ends early, or says what cannot be read.
    pub fn run(
        &self,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(&Row),
    ) -> Result<Finished, ContestError> {
        let lab = Lab::up(&Spec { ipv6: self.ipv6, ..Spec::new(&self.name) })?;
        let mut rows = Vec::new();
        let mut interrupted = false;
        'rounds: for round in 0..self.rounds {
            for run in self.round(round) {
                match run.carry_out(&lab, client, stop) {
                    Ok(row) => {
                        seen(&row);
                        rows.push(row);
                    }
                    Err(ContestError::Interrupted) => {
                        interrupted = true;
                        break 'rounds;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        lab.remove()?;
        Ok(Finished { rows, interrupted })
    }
}

impl Run<'_> {
    /// Where the contestant answers. The kernel has an address of its own; the others own theirs.
    pub fn target(&self) -> SocketAddr {
        let address = match (self.contestant.is_kernel(), self.contest.ipv6) {
            (true, false) => IpAddr::from(KERNEL_V4),
            (true, true) => KERNEL_V6.into(),
            (false, false) => IpAddr::from([198, 18, 1, 1]),
            (false, true) => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1]),
        };
        SocketAddr::new(address, PORT)
    }

    /// Where the client calls from: routed to it in the server's namespace.
    pub fn sources(&self) -> IpNet {
        let text = if self.contest.ipv6 { SOURCES_V6 } else { SOURCES_V4 };
        text.parse().unwrap_or_default()
    }

    fn carry_out(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
    ) -> Result<Row, ContestError> {
        wait(self.contest.settle, stop)?;
        let client: &dyn ClientCommand = if self.contestant.is_ceiling() { &BareClient } else { client };
        let name = self.contestant.name();
        self.contestant.prepare(self, lab)?;
        let mut server = Child::start(name, self.contestant.command(self, lab))?;
        server.wait_ready(stop)?;
        let calling = Child::start("client", client.command(self, lab))?;
        let said = calling.finish(self.contest.duration, stop);
        // The server's own words may explain what the client could not do.
        let server = server.stop(self.contestant.report_file(self).as_deref());
        let (said, server) = (said?, server?);
        let outcome = client
            .read(&said)
            .ok_or_else(|| ContestError::Report { who: "client", text: said.to_string() })?;
        let failed = server.get("failed").and_then(Value::as_u64).unwrap_or(0);
        Ok(Row {
            contestant: name,
            ceiling: self.contestant.is_ceiling(),
            workload: self.pattern.workload.to_string(),
            closer: self.pattern.closer.to_string(),
            mode: self.mode.to_string(),
            round: self.round,
            rate: outcome.rate,
            completed: outcome.completed,
            failures: outcome.failures + failed,
            client: said,
            server,
        })
    }
}

/// Lets time pass, unless told to stop.
fn wait(time: Duration, stop: &AtomicBool) -> Result<(), ContestError> {
    let until = Instant::now() + time;
    loop {
        if stop.load(Relaxed) {
            return Err(ContestError::Interrupted);
        }
        match until.checked_duration_since(Instant::now()) {
            Some(left) => std::thread::sleep(left.min(LOOK)),
            None => return Ok(()),
        }
    }
}
