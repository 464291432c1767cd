use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::Run;
use super::server::pattern_arguments;
use crate::{CLIENT_DEVICE, Lab, SERVER_MAC};

/// What calls the servers: a program that runs for the plan's duration inside the client's
/// namespace and whose last line on standard output that is JSON, or whose whole output, is its
/// report.
pub trait ClientCommand {
    /// For this run: on [`CLIENT_DEVICE`], in the run's mode, pinned to the client's core.
    fn command(&self, run: &Run<'_>, lab: &Lab) -> Command;

    /// Where it writes its report, if not to standard output.
    fn report_file(&self, _run: &Run<'_>) -> Option<PathBuf> {
        None
    }

    /// What the report comes to; `None`: it is not one.
    fn read(&self, report: &Value) -> Option<Outcome>;
}

/// What a client says of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Completed connections per second.
    pub rate: f64,
    pub completed: u64,
    pub failures: u64,
}

/// `handfast lab ceiling replay-client`: no TCP, but segments that a TCP takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CeilingClient;

impl ClientCommand for CeilingClient {
    fn command(&self, run: &Run<'_>, lab: &Lab) -> Command {
        let plan = run.plan;
        let mut command = lab.client().command(&plan.program);
        command.args(["lab", "ceiling", "replay-client", "--dev", CLIENT_DEVICE, "--peer-mac", SERVER_MAC]);
        command.args(["--peer", &run.target().to_string(), "--source", &run.sources().to_string()]);
        command.args(["--mode", &run.mode.to_string(), "--core", &plan.cores.client.to_string()]);
        command.args(["--window", &plan.window.to_string(), "--timeout-ms", "3000"]);
        command.args(["--seconds", &plan.duration.as_secs_f64().to_string()]);
        command.args(pattern_arguments(&run.pattern));
        command
    }

    fn read(&self, report: &Value) -> Option<Outcome> {
        let count = |name: &str| report.get(name).and_then(Value::as_u64);
        // A reflected SYN is what the reflector is to send.
        let failures = count("rst")? + count("lost")? + count("no_frame")? + count("in_flight")?;
        let completed = count("completed")? + count("reflected")?;
        Some(Outcome { rate: report.get("rate")?.as_f64()?, completed, failures })
    }
}
