use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::{Child, POLL_INTERVAL};
use super::client::{CeilingClient, ClientCommand};
use super::disturbance::CpuSnapshot;
use super::error::ComparisonError;
use super::plan::{ComparisonPlan, Run};
use super::repeat::least_disturbed;
use super::results::{FailedRun, FinishedRuns, RunEvent, RunResult};
use super::server::ServerKind;
use super::syn_work::{Packets, SynWork};
use crate::link_counts::LinkCounts;
use crate::{Lab, SERVER_DEVICE, Spec};

/// Failures after which the runs of one server, workload and mode are skipped.
const MAX_FAILURES: usize = 2;
/// Repetitions are limited to one in `REPEAT_FRACTION` of all runs, but allowed at least `MIN_REPEATS` times.
const REPEAT_FRACTION: u32 = 4;
const MIN_REPEATS: u32 = 2;

impl ComparisonPlan {
    /// Creates the lab, runs every round, and removes the lab, also after an error.
    ///
    /// # Errors
    /// As [`ComparisonPlan::run_in`], and the lab cannot be created.
    pub fn run(
        &self,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<FinishedRuns, ComparisonError> {
        let lab = Lab::up(&Spec { ipv6: self.uses_ipv6(), ..Spec::new(&self.name) })?;
        let finished = self.run_in(&lab, client, stop, on_event)?;
        lab.remove()?;
        Ok(finished)
    }

    /// Runs every round in this lab. `client` connects to the servers that are a TCP, [`CeilingClient`] to the
    /// ceilings. `on_event` is called after each run. A disturbed run is repeated, within bounds. A failed
    /// one is kept among the failures, and the others go on.
    ///
    /// # Errors
    /// The lab cannot be used.
    pub fn run_in(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
        on_event: &mut dyn FnMut(RunEvent<'_>),
    ) -> Result<FinishedRuns, ComparisonError> {
        let mut finished = FinishedRuns { results: Vec::new(), failed: Vec::new(), interrupted: false };
        let mut repeats_left = (self.rounds * self.round(0).len() as u32 / REPEAT_FRACTION).max(MIN_REPEATS);
        // Counts every attempt: each has its own source addresses.
        let mut number = 0;
        for run in (0..self.rounds).flat_map(|round| self.round(round)) {
            if finished.failed.iter().filter(|failed| run.same_series(failed)).count() >= MAX_FAILURES {
                continue;
            }
            let attempt = || {
                let run = Run { number, ..run.clone() };
                number += 1;
                run.execute(lab, client, stop)
            };
            match least_disturbed(&mut repeats_left, attempt, |result| on_event(RunEvent::Disturbed(result)))
            {
                Ok(result) => {
                    on_event(RunEvent::Done(&result));
                    finished.results.push(result);
                }
                Err(ComparisonError::Interrupted) => {
                    finished.interrupted = true;
                    break;
                }
                Err(ComparisonError::Lab(error)) => return Err(error.into()),
                Err(error) => {
                    let failed = run.failed(&error);
                    on_event(RunEvent::Failed(&failed));
                    finished.failed.push(failed);
                }
            }
        }
        Ok(finished)
    }
}

impl Run<'_> {
    fn failed(&self, error: &ComparisonError) -> FailedRun {
        FailedRun {
            server: self.server.name(),
            workload: self.workload(),
            mode: self.mode.to_string(),
            round: self.round,
            reason: error.to_string(),
        }
    }

    /// Whether that run was of the same server, workload and mode.
    fn same_series(&self, failed: &FailedRun) -> bool {
        let FailedRun { server, workload, mode, .. } = self.failed(&ComparisonError::Interrupted);
        (server, &workload, &mode) == (failed.server, &failed.workload, &failed.mode)
    }

    fn syn_work(&self, client: &Value, server: &Value, link: &LinkCounts) -> Option<SynWork> {
        SynWork::read(self.plan.cores, client, Packets::of(self.server, server, link))
    }

    /// Runs server and client once.
    fn execute(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
    ) -> Result<RunResult, ComparisonError> {
        let name = self.server.name();
        if self.server == ServerKind::HandfastEbpf && !self.plan.cookie_tier {
            return Err(ComparisonError::NoTier { who: name });
        }
        wait(self.plan.settle, stop)?;
        let before = CpuSnapshot::now();
        let bare = self.server.is_ceiling() || self.pattern.is_syn();
        let client: &dyn ClientCommand = if bare { &CeilingClient } else { client };
        self.server.prepare(self, lab)?;
        let mut server = Child::start(name, self.server.command(self, lab))?;
        server.wait_ready(stop)?;
        let link_before = LinkCounts::of(lab.server(), SERVER_DEVICE)?;
        let client_process = Child::start("client", client.command(self, lab))?;
        let client_report =
            client_process.finish(self.plan.duration, client.report_file(self).as_deref(), stop);
        // The server is stopped even if the client failed: its own error may be the cause.
        let server_report = server.stop(self.server.report_file(self).as_deref());
        let (client_report, server_report) = (client_report?, server_report?);
        let link = LinkCounts::of(lab.server(), SERVER_DEVICE)?.since(&link_before);
        let disturbance = before.until(&CpuSnapshot::now(), self.plan.cores);
        let outcome = client
            .read(&client_report)
            .ok_or_else(|| ComparisonError::Report { who: "client", text: client_report.to_string() })?;
        let failed = server_report.get("failed").and_then(Value::as_u64).unwrap_or(0);
        Ok(RunResult {
            server: name,
            ceiling: self.server.is_ceiling(),
            workload: self.workload(),
            closer: self.pattern.closer.to_string(),
            mode: self.mode.to_string(),
            round: self.round,
            rate: outcome.rate,
            completed: outcome.completed,
            failures: outcome.failures + failed,
            syn: self
                .pattern
                .is_syn()
                .then(|| self.syn_work(&client_report, &server_report, &link))
                .flatten(),
            client_report,
            server_report,
            disturbance,
            attempts: 1,
        })
    }
}

/// Sleeps, unless `stop` is set.
fn wait(time: Duration, stop: &AtomicBool) -> Result<(), ComparisonError> {
    let until = Instant::now() + time;
    loop {
        if stop.load(Relaxed) {
            return Err(ComparisonError::Interrupted);
        }
        match until.checked_duration_since(Instant::now()) {
            Some(left) => std::thread::sleep(left.min(POLL_INTERVAL)),
            None => return Ok(()),
        }
    }
}
