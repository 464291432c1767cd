use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use serde::Serialize;
use serde_json::Value;

use super::child::Child;
use super::disturbance::{Disturbance, Look};
use super::{CeilingClient, ClientCommand, Contest, ContestError, Contestant, LOOK, PORT};
use crate::bench::workload::Pattern;
use crate::{KERNEL_V4, KERNEL_V6, Lab, SOURCES_V4, SOURCES_V6};
use handfast_stack::xdp::Mode;

/// One run of one contestant.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    pub contest: &'a Contest,
    pub contestant: Contestant,
    pub pattern: Pattern,
    pub mode: Mode,
    /// From 0.
    pub round: u32,
    /// Of all runs of the contest, from 0.
    pub number: u32,
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
    pub disturbance: Disturbance,
    /// How often it was run: a run that was disturbed is made again, and the least disturbed one kept.
    pub attempts: u32,
}

/// A run that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    pub contestant: &'static str,
    pub workload: String,
    pub mode: String,
    pub round: u32,
    pub reason: String,
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

    pub(super) fn lost(&self, error: &ContestError) -> Lost {
        Lost {
            contestant: self.contestant.name(),
            workload: self.pattern.name(),
            mode: self.mode.to_string(),
            round: self.round,
            reason: error.to_string(),
        }
    }

    /// The same contestant's part of the same game, in whatever round.
    pub(super) fn is(&self, lost: &Lost) -> bool {
        let Lost { contestant, workload, mode, .. } = self.lost(&ContestError::Interrupted);
        (contestant, &workload, &mode) == (lost.contestant, &lost.workload, &lost.mode)
    }

    pub(super) fn carry_out(
        &self,
        lab: &Lab,
        client: &dyn ClientCommand,
        stop: &AtomicBool,
    ) -> Result<Row, ContestError> {
        wait(self.contest.settle, stop)?;
        let before = Look::now();
        let client: &dyn ClientCommand = if self.contestant.is_ceiling() { &CeilingClient } else { client };
        let name = self.contestant.name();
        self.contestant.prepare(self, lab)?;
        let mut server = Child::start(name, self.contestant.command(self, lab))?;
        server.wait_ready(stop)?;
        let calling = Child::start("client", client.command(self, lab))?;
        let said = calling.finish(self.contest.duration, client.report_file(self).as_deref(), stop);
        // The server's own words may explain what the client could not do.
        let server = server.stop(self.contestant.report_file(self).as_deref());
        let (said, server) = (said?, server?);
        let disturbance = before.until(&Look::now(), self.contest.cores);
        let outcome = client
            .read(&said)
            .ok_or_else(|| ContestError::Report { who: "client", text: said.to_string() })?;
        let failed = server.get("failed").and_then(Value::as_u64).unwrap_or(0);
        Ok(Row {
            contestant: name,
            ceiling: self.contestant.is_ceiling(),
            workload: self.pattern.name(),
            closer: self.pattern.closer.to_string(),
            mode: self.mode.to_string(),
            round: self.round,
            rate: outcome.rate,
            completed: outcome.completed,
            failures: outcome.failures + failed,
            client: said,
            server,
            disturbance,
            attempts: 1,
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
