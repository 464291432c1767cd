use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::child::Child;
use super::disturbance::{Disturbance, Look};
use super::{CeilingClient, ClientCommand, ComparisonError, ComparisonPlan, LOOK, PORT, ServerKind};
use crate::bench::workload::Pattern;
use crate::{KERNEL_V4, KERNEL_V6, Lab, SOURCES_V4, SOURCES_V6};
use handfast_stack::xdp::Mode;

/// One run of one server.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub plan: &'a ComparisonPlan,
    pub server: ServerKind,
    pub pattern: Pattern,
    pub mode: Mode,
    /// From 0.
    pub round: u32,
    /// Of all runs of the plan, from 0.
    pub number: u32,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    pub server: &'static str,
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
    pub client_report: Value,
    /// The server's own report.
    pub server_report: Value,
    pub disturbance: Disturbance,
    /// How often it was run: a run that was disturbed is made again, and the least disturbed one kept.
    pub attempts: u32,
}

/// A run that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRun {
    pub server: &'static str,
    pub workload: String,
    pub mode: String,
    pub round: u32,
    pub reason: String,
}

impl Run<'_> {
    /// Where the server answers. The kernel has an address of its own; the others own theirs.
    pub fn target(&self) -> SocketAddr {
        let address = match (self.server.is_kernel(), self.plan.ipv6) {
            (true, false) => IpAddr::from(KERNEL_V4),
            (true, true) => KERNEL_V6.into(),
            (false, false) => IpAddr::from([198, 18, 1, 1]),
            (false, true) => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 1, 1]),
        };
        SocketAddr::new(address, PORT)
    }

    /// Where the client calls from: routed to it in the server's namespace.
    pub fn sources(&self) -> IpNet {
        let text = if self.plan.ipv6 { SOURCES_V6 } else { SOURCES_V4 };
        text.parse().unwrap_or_default()
    }

    pub(super) fn failed(&self, error: &ComparisonError) -> FailedRun {
        FailedRun {
            server: self.server.name(),
            workload: self.pattern.name(),
            mode: self.mode.to_string(),
            round: self.round,
            reason: error.to_string(),
        }
    }

    /// The same server's part of the same game, in whatever round.
    pub(super) fn same_series(&self, failed: &FailedRun) -> bool {
        let FailedRun { server, workload, mode, .. } = self.failed(&ComparisonError::Interrupted);
        (server, &workload, &mode) == (failed.server, &failed.workload, &failed.mode)
    }

    pub(super) fn carry_out(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
    ) -> Result<RunResult, ComparisonError> {
        wait(self.plan.settle, stop)?;
        let before = Look::now();
        let client: &dyn ClientCommand = if self.server.is_ceiling() { &CeilingClient } else { client };
        let name = self.server.name();
        self.server.prepare(self, lab)?;
        let mut serving = Child::start(name, self.server.command(self, lab))?;
        serving.wait_ready(stop)?;
        let calling = Child::start("client", client.command(self, lab))?;
        let said = calling.finish(self.plan.duration, client.report_file(self).as_deref(), stop);
        // The server is stopped even if the client failed: its own error may be the cause.
        let served = serving.stop(self.server.report_file(self).as_deref());
        let (said, served) = (said?, served?);
        let disturbance = before.until(&Look::now(), self.plan.cores);
        let outcome = client
            .read(&said)
            .ok_or_else(|| ComparisonError::Report { who: "client", text: said.to_string() })?;
        let failed = served.get("failed").and_then(Value::as_u64).unwrap_or(0);
        Ok(RunResult {
            server: name,
            ceiling: self.server.is_ceiling(),
            workload: self.pattern.name(),
            closer: self.pattern.closer.to_string(),
            mode: self.mode.to_string(),
            round: self.round,
            rate: outcome.rate,
            completed: outcome.completed,
            failures: outcome.failures + failed,
            client_report: said,
            server_report: served,
            disturbance,
            attempts: 1,
        })
    }
}

/// Lets time pass, unless told to stop.
fn wait(time: Duration, stop: &AtomicBool) -> Result<(), ComparisonError> {
    let until = Instant::now() + time;
    loop {
        if stop.load(Relaxed) {
            return Err(ComparisonError::Interrupted);
        }
        match until.checked_duration_since(Instant::now()) {
            Some(left) => std::thread::sleep(left.min(LOOK)),
            None => return Ok(()),
        }
    }
}
