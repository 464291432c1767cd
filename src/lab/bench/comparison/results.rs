use serde::Serialize;
use serde_json::Value;

use super::disturbance::Disturbance;
use super::plan::IPV6;
use super::syn_work::SynWork;

/// Result of one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunResult {
    pub server: &'static str,
    /// The server is a ceiling, not a TCP.
    pub ceiling: bool,
    pub workload: String,
    pub closer: String,
    pub mode: String,
    pub round: u32,
    /// Connections (or round trips, with the workload `syn`) per second.
    pub rate: f64,
    pub completed: u64,
    /// Sum of the failures that client and server count.
    pub failures: u64,
    /// Of SYNs alone.
    pub syn: Option<SynWork>,
    /// The report that the client wrote.
    pub client_report: Value,
    /// The report that the server wrote.
    pub server_report: Value,
    pub disturbance: Disturbance,
    /// Number of attempts: a disturbed run is repeated, and the least disturbed attempt is kept.
    pub attempts: u32,
}

impl RunResult {
    /// Whether it shows how many round trips the link carries: a ceiling of one frame for one, at the highest
    /// rate.
    pub fn is_round_trip(&self) -> bool {
        let syn = self.workload.strip_suffix(IPV6).unwrap_or(&self.workload) == "syn";
        syn && ["reflector", "xdp-tx"].contains(&self.server)
    }
}

/// A run without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedRun {
    pub server: &'static str,
    pub workload: String,
    pub mode: String,
    pub round: u32,
    pub reason: String,
}

/// Progress of a comparison.
#[derive(Clone, Copy, Debug)]
pub enum RunEvent<'a> {
    Done(&'a RunResult),
    /// A disturbed run, which is repeated.
    Disturbed(&'a RunResult),
    Failed(&'a FailedRun),
}

/// Results of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedRuns {
    pub results: Vec<RunResult>,
    /// Runs that failed. After two failures the same server, workload and mode are skipped.
    pub failed: Vec<FailedRun>,
    /// Stopped before the last run. The run in progress is not among the results.
    pub interrupted: bool,
}
