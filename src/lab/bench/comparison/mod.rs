//! Runs that can be compared: one veth pair, the same client, a core for each side, one server
//! at a time, in an order that changes from round to round.

mod bench_client;
mod child;
mod client;
mod disturbance;
mod error;
mod repeat;
mod run;
mod server;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

pub use bench_client::{BenchClient, KERNEL_TIME_WAIT_S, MSL_S, SOURCE_TURNS};
pub use client::{CeilingClient, ClientCommand, Outcome};
pub use disturbance::Disturbance;
pub use error::ComparisonError;
pub use run::{FailedRun, Run, RunResult};
pub use server::ServerKind;

use repeat::least_disturbed;

use super::workload::{Pattern, Workload};
use crate::{Lab, Spec};
use handfast_stack::xdp::Mode;

/// The port that every server answers on.
const PORT: u16 = 7000;
/// Room for the connections of a run with those in TIME-WAIT, touched before it begins: the first use
/// of 2 MiB costs milliseconds on a virtual machine, which a run of seconds would be charged with.
const RESIDENT: [&str; 3] = ["--max-connections", "1M", "--prefault"];
/// How often signals are looked at while something else is waited for.
pub(super) const LOOK: Duration = Duration::from_millis(10);
/// What starting and ending the programs of a run takes, about.
const OVERHEAD: Duration = Duration::from_millis(500);
/// What failed so often is out.
const TRIES: usize = 2;
/// Of all runs so large a part may be made again, and so many at least.
const REPEATED_PART: u32 = 4;
const LEAST_REPEATS: u32 = 2;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct ComparisonPlan {
    /// The lab's name; a lab of that name is replaced.
    pub name: String,
    /// `handfast` itself: every server is one of its subcommands.
    pub program: PathBuf,
    pub servers: Vec<ServerKind>,
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

/// What a plan tells while it goes on.
#[derive(Clone, Copy, Debug)]
pub enum RunEvent<'a> {
    Done(&'a RunResult),
    /// A run that was disturbed, and is made again.
    Disturbed(&'a RunResult),
    Failed(&'a FailedRun),
}

/// What came of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRuns {
    pub rows: Vec<RunResult>,
    /// Runs that could not be made. What is lost twice is not tried again.
    pub failed: Vec<FailedRun>,
    /// It was stopped before the last run; the run under way is not among the rows.
    pub interrupted: bool,
}

impl ComparisonPlan {
    /// Everything that takes no choice: ten rounds of three seconds on one queue.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> ComparisonPlan {
        ComparisonPlan {
            name: name.into(),
            program: program.into(),
            servers: ServerKind::ALL.to_vec(),
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
        let run = |server, pattern, mode| Run { plan: self, server, pattern, mode, round, number: 0 };
        let mut runs = Vec::new();
        for &mode in &self.modes {
            let (link, others): (Vec<ServerKind>, Vec<ServerKind>) =
                self.servers.iter().partition(|server| server.is_one_to_one());
            for pattern in &self.patterns {
                runs.extend(others.iter().map(|server| run(*server, *pattern, mode)));
            }
            let timestamps = self.patterns.iter().any(|pattern| pattern.timestamps);
            let syn = Pattern { timestamps, ..Pattern::new(Workload::Syn) };
            runs.extend(link.iter().map(|server| run(*server, syn, mode)));
        }
        let places = runs.len().max(1);
        runs.rotate_left(round as usize % places);
        if round % 2 == 1 {
            runs.reverse();
        }
        for (place, run) in runs.iter_mut().enumerate() {
            run.number = round * places as u32 + place as u32;
        }
        runs
    }

    /// About how long it takes.
    pub fn expected(&self) -> Duration {
        (self.duration + self.settle + OVERHEAD) * self.rounds * self.round(0).len() as u32
    }

    /// Makes the lab, runs every round, and removes the lab, also after an error.
    ///
    /// # Errors
    /// As [`ComparisonPlan::run_in`], and the lab cannot be made.
    pub fn run(
        &self,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<FinishedRuns, ComparisonError> {
        let lab = Lab::up(&Spec { ipv6: self.ipv6, ..Spec::new(&self.name) })?;
        let finished = self.run_in(&lab, client, stop, seen)?;
        lab.remove()?;
        Ok(finished)
    }

    /// Runs every round in this lab. `client` is what calls the servers that are a TCP; the
    /// ceilings are called by a bare program. `seen` is told each row as it comes. A run that was
    /// disturbed is made again, within bounds. One that cannot be made is told and kept, and the others
    /// go on.
    ///
    /// # Errors
    /// The lab is not as it should be.
    pub fn run_in(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<FinishedRuns, ComparisonError> {
        let mut finished = FinishedRuns { rows: Vec::new(), failed: Vec::new(), interrupted: false };
        let mut spare = (self.rounds * self.round(0).len() as u32 / REPEATED_PART).max(LEAST_REPEATS);
        // Of all runs, those that are made again too: each has sources of its own.
        let mut number = 0;
        for run in (0..self.rounds).flat_map(|round| self.round(round)) {
            if finished.failed.iter().filter(|failed| run.same_series(failed)).count() >= TRIES {
                continue;
            }
            let attempt = || {
                let run = Run { number, ..run.clone() };
                number += 1;
                run.carry_out(lab, client, stop)
            };
            match least_disturbed(&mut spare, attempt, |row| seen(RunEvent::Disturbed(row))) {
                Ok(row) => {
                    seen(RunEvent::Done(&row));
                    finished.rows.push(row);
                }
                Err(ComparisonError::Interrupted) => {
                    finished.interrupted = true;
                    break;
                }
                Err(ComparisonError::Lab(error)) => return Err(error.into()),
                Err(error) => {
                    let failed = run.failed(&error);
                    seen(RunEvent::Failed(&failed));
                    finished.failed.push(failed);
                }
            }
        }
        Ok(finished)
    }
}
