use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use handfast_report::ActiveReport;
use handfast_stack::engine::{CoreSnapshot, Snapshot};

/// Of this layout: fields are added under the same name, never changed or removed.
pub const SCHEMA: &str = "handfast-status/1";

/// A running program at one moment. What a later version adds, an earlier one's client leaves out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: String,
    /// `respond` or `bench`.
    pub program: String,
    /// The program's version.
    pub handfast: String,
    pub pid: u32,
    /// Who started it: the name, or the number of one that has no name.
    pub user: String,
    /// RFC 3339.
    pub started_at: String,
    pub uptime_s: f64,
    pub active: ActiveReport,
    /// By number: what is answered, as it was asked for.
    pub listeners: Vec<String>,
    /// All cores together.
    pub total: CoreSnapshot,
    #[serde(flatten)]
    pub detail: Snapshot,
    /// Connections by state (RFC 9293's names), if they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<BTreeMap<String, u64>>,
    /// Of `bench`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<BenchStatus>,
    pub control: ControlStatus,
}

/// The control socket's own counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// Clients that were let in.
    pub clients: u64,
    /// Clients that are neither root nor the user who started the program.
    pub strangers: u64,
    /// Clients that found too many others.
    pub too_many: u64,
    /// Requests that could not be read, or were too long.
    pub bad_requests: u64,
}

/// What a benchmark is at. Counts are of the step at work, measured or not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchStatus {
    pub workload: String,
    /// Address and port.
    pub target: String,
    /// `idle`, `warm_up`, `measured`, `drain` or `finished`.
    pub stage: String,
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    pub failed: u64,
    pub in_flight: u64,
    /// Microseconds from the intended start to ESTABLISHED, of what was measured so far.
    pub connect_us: Option<LatencyStatus>,
    /// To the end.
    pub completion_us: Option<LatencyStatus>,
}

/// Quantiles so far, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyStatus {
    pub count: u64,
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}
