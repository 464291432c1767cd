use std::env::temp_dir;
use std::path::PathBuf;
use std::process::{Command, id};

use ipnet::IpNet;
use serde_json::Value;

use super::client::{ClientCommand, ClientOutcome};
use super::plan::{RESIDENT, Run};
use crate::bench::workload::{REQUEST, Workload};
use crate::{CLIENT_DEVICE, Lab, SERVER_MAC};

/// The kernel's TIME-WAIT duration, seconds: a constant of Linux.
pub const KERNEL_TIME_WAIT_S: u32 = 60;
/// The MSL of handfast on either side, seconds.
pub const MSL_S: u32 = 1;
/// Number of consecutive runs with different source addresses.
pub const SOURCE_ROTATION: u32 = 1 << SOURCE_BITS;
const SOURCE_BITS: u8 = 6;

/// `handfast bench`: a TCP, which counts a connection as complete only if both ends opened and closed it.
///
/// Its 4-tuples never meet a connection in TIME-WAIT. Within a run none of the 65 million is reused before the
/// kernel's TIME-WAIT has expired. Each run has its own part of the sources, and [`SOURCE_ROTATION`] runs of
/// at least a second take longer than any TIME-WAIT.
#[derive(Clone, Copy, Debug, Default)]
pub struct BenchClient;

impl ClientCommand for BenchClient {
    fn command(&self, run: &Run<'_>, lab: &Lab) -> Command {
        let plan = run.plan;
        let mut command = lab.client().command(&plan.program);
        command.args(["bench", &run.target().to_string(), "--dev", CLIENT_DEVICE, "--gateway", SERVER_MAC]);
        command.args(["--source", &part(run.sources(), run.number).to_string()]);
        command.args(["--seed", &(run.number + 1).to_string(), "--msl", &MSL_S.to_string()]);
        command.args(["--reuse-after", &KERNEL_TIME_WAIT_S.to_string()]);
        command.args(["--mode", &run.mode.to_string(), "--cores", &plan.cores.client.to_string()]);
        command.args(["--workload", &run.pattern.workload.to_string()]);
        match run.pattern.workload {
            Workload::Lifecycle => command.args(["--closer", &run.pattern.closer.to_string()]),
            Workload::Request => command.args(["--payload", &payload(run.pattern.request)]),
            _ => &mut command,
        };
        command.args(RESIDENT);
        command.args(["--syn-options", if run.pattern.timestamps { "full" } else { "mss" }]);
        command.args(["--concurrency", &plan.window.to_string(), "--timeout", "3"]);
        command.args(["--duration", &plan.duration.as_secs_f64().to_string(), "--quiet"]);
        command.arg("--json").arg(file(run));
        command
    }

    fn report_file(&self, run: &Run<'_>) -> Option<PathBuf> {
        Some(file(run))
    }

    fn read(&self, report: &Value) -> Option<ClientOutcome> {
        let connections = report.get("connections")?;
        let failed = connections.get("failed")?.as_object()?;
        let failed = failed.values().map(Value::as_u64).sum::<Option<u64>>()?;
        Some(ClientOutcome {
            rate: report.get("rate")?.get("mean")?.as_f64()?,
            completed: connections.get("completed")?.as_u64()?,
            failures: failed + connections.get("in_flight")?.as_u64()?,
        })
    }
}

/// Returns this run's part of the sources.
fn part(sources: IpNet, number: u32) -> IpNet {
    let index = (number % SOURCE_ROTATION) as usize;
    let parts = sources.subnets(sources.prefix_len() + SOURCE_BITS).ok();
    parts.and_then(|mut parts| parts.nth(index)).unwrap_or(sources)
}

/// The replay client's request, so that both are of the same length.
fn payload(len: u16) -> String {
    REQUEST.chars().chain(std::iter::repeat('.')).take(len.into()).collect()
}

fn file(run: &Run<'_>) -> PathBuf {
    temp_dir().join(format!("hf-{}-{}-client.json", run.plan.name, id()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn consecutive_runs_have_disjoint_sources() {
        for text in [crate::SOURCES_V4, crate::SOURCES_V6] {
            let sources: IpNet = text.parse().unwrap();
            let parts: BTreeSet<IpNet> = (0..SOURCE_ROTATION).map(|number| part(sources, number)).collect();
            assert_eq!(parts.len(), SOURCE_ROTATION as usize, "{text}");
            assert!(parts.iter().all(|part| sources.contains(part)));
            let lengths: BTreeSet<u8> = parts.iter().map(IpNet::prefix_len).collect();
            assert_eq!(lengths, BTreeSet::from([sources.prefix_len() + SOURCE_BITS]));
            assert_eq!(part(sources, SOURCE_ROTATION + 3), part(sources, 3));
        }
    }

    #[test]
    fn every_connection_that_did_not_complete_counts_as_failed() {
        let mut report = json!({
            "connections": {"completed": 90, "in_flight": 1, "failed": {"reset": 2, "timeout": 7}},
            "rate": {"mean": 45.5, "median": 1.0},
        });
        let outcome = BenchClient.read(&report);
        assert_eq!(outcome, Some(ClientOutcome { rate: 45.5, completed: 90, failures: 10 }));
        report["connections"]["failed"]["reset"] = "two".into();
        assert_eq!(BenchClient.read(&report), None);
        assert_eq!(BenchClient.read(&json!({"rate": 1})), None);
    }

    #[test]
    fn requests_are_as_long_as_the_replay_clients() {
        assert_eq!(payload(64).len(), 64);
        assert!(payload(64).starts_with("GET / HTTP/1.1\r\n\r\n."));
        assert_eq!(payload(3), "GET");
    }
}
