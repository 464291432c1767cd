use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use handfast_report::ActiveReport;
use handfast_stack::engine::{CoreSnapshot, Snapshot};

/// Version of this layout: fields may be added, but are never changed or removed.
pub(crate) const SCHEMA: &str = "handfast-status/1";

/// A running program at one moment. A client ignores fields that it does not know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: String,
    /// `respond` or `bench`.
    pub program: String,
    /// The program's version.
    pub handfast: String,
    pub pid: u32,
    /// The user who started it: the name, or the ID of a user without a name.
    pub user: String,
    /// RFC 3339.
    pub started_at: String,
    pub uptime_s: f64,
    pub active: ActiveReport,
    /// The listeners as they were given, in the order of their IDs.
    pub listeners: Vec<String>,
    /// All cores together.
    pub total: CoreSnapshot,
    #[serde(flatten)]
    pub detail: Snapshot,
    /// Connections by state (names of RFC 9293), if requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub states: Option<BTreeMap<String, u64>>,
    /// Of `bench`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bench: Option<BenchStatus>,
    pub control: ControlStatus,
}

/// Counters of the control socket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// Clients that were accepted.
    pub clients: u64,
    /// Clients that were refused: neither root nor the user who started the program.
    pub unauthorized: u64,
    /// Clients that were refused because too many were connected.
    pub too_many: u64,
    /// Requests that were invalid or too long.
    pub bad_requests: u64,
}

/// The progress of a benchmark. Counts are those of the current step, measured or not.
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
    /// Microseconds from the intended start to ESTABLISHED, measured so far.
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
