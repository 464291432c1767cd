use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::plan::Run;
use crate::{CLIENT_DEVICE, Lab, SERVER_MAC};

/// A client program. It runs for the plan's duration inside the client's namespace. Its report is the last line
/// of its output that is JSON, or its whole output.
pub trait ClientCommand {
    /// Returns the command for this run: on [`CLIENT_DEVICE`], in the run's mode, pinned to the client's core.
    fn command(&self, run: &Run<'_>, lab: &Lab) -> Command;

    /// Returns the file of its report, if it does not write that to standard output.
    fn report_file(&self, _run: &Run<'_>) -> Option<PathBuf> {
        None
    }

    /// Reads the report. `None`: not a report of this program.
    fn read(&self, report: &Value) -> Option<ClientOutcome>;
}

/// Result of a run as the client reports it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClientOutcome {
    /// Completed connections per second.
    pub rate: f64,
    pub completed: u64,
    pub failures: u64,
}

/// `handfast lab ceiling replay-client`: sends the segments of a TCP without being one.
#[derive(Clone, Copy, Debug, Default)]
pub struct CeilingClient;

impl ClientCommand for CeilingClient {
    fn command(&self, run: &Run<'_>, lab: &Lab) -> Command {
        let plan = run.plan;
        let mut command = lab.client().command(&plan.program);
        command.args(["lab", "ceiling", "replay-client", "--dev", CLIENT_DEVICE, "--peer-mac", SERVER_MAC]);
        command.args(["--peer", &run.target().to_string(), "--source", &run.sources().to_string()]);
        command.args(["--mode", &run.mode.to_string(), "--core", &plan.cores.client.to_string()]);
        match run.pattern.rate {
            None => command.args(["--window", &plan.window.to_string()]),
            Some(rate) => command.args(["--rate", &rate.to_string(), "--sleep"]),
        };
        // A lost SYN is not sent again, and a window without progress is lost.
        let timeout = if run.pattern.is_syn() { "200" } else { "3000" };
        command.args(["--timeout-ms", timeout]);
        command.args(["--seconds", &plan.duration.as_secs_f64().to_string()]);
        command.args(run.pattern.arguments());
        command
    }

    fn read(&self, report: &Value) -> Option<ClientOutcome> {
        let count = |name: &str| report.get(name).and_then(Value::as_u64);
        // A reflected SYN is the reflector's correct reply.
        let failures = count("rst")? + count("lost")? + count("no_frame")? + count("in_flight")?;
        let completed = count("completed")? + count("reflected")?;
        Some(ClientOutcome { rate: report.get("rate")?.as_f64()?, completed, failures })
    }
}
