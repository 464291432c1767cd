//! The parts of results: counts, times and the requested load.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::format::count;
use super::latency::{Encoded, Latency};

/// The requested load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    #[serde(rename = "loop")]
    pub kind: Loop,
    /// Connections in flight, of a closed loop.
    pub concurrency: Option<u64>,
    /// Requested rate, connections per second, of an open loop.
    pub rate: Option<f64>,
    /// `steady` or `poisson`, of an open loop.
    pub arrivals: Option<String>,
    pub ramp_s: f64,
    pub warmup_s: f64,
    pub lag_us: Option<Lag>,
    /// The number of 4-tuples.
    #[serde(default)]
    pub tuples: u64,
    /// Connections per second that they allow, each resting after its connection's end.
    #[serde(default)]
    pub tuples_per_second: Option<f64>,
    #[serde(default)]
    pub waited_s: Waited,
}

/// What triggers the next connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loop {
    /// The end of an earlier one.
    #[default]
    Closed,
    /// A schedule.
    Open,
}

/// The delay of connections after their intended start, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    pub mean: f64,
    pub p50: u64,
    pub max: u64,
}

/// The part of the measured time in which a connection was due and the client lacked something to open it,
/// seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    pub tuple: f64,
    pub slot: f64,
}

/// Connections of the measured time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    pub in_flight: u64,
    pub failed: BTreeMap<String, u64>,
    /// Those that failed by `http-status`, by status: the first few.
    #[serde(default)]
    pub http_statuses: BTreeMap<String, u64>,
}

/// Connections completed per second, or what else the workload counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Count over time.
    pub mean: f64,
    /// The time, seconds.
    #[serde(default)]
    pub over_s: f64,
    /// Of the whole seconds in which connections were opened; `None` for too few seconds.
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub stddev: Option<f64>,
    pub ci95: Option<[f64; 2]>,
    pub unit: String,
    /// The number of whole seconds.
    pub seconds: usize,
}

/// Microseconds from the intended start; for held connections, `completion` is the round trip of a probe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    pub connect: Latency,
    pub completion: Latency,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    pub received: u64,
    pub sent: u64,
}

/// One second of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    pub completed: u64,
    pub established: u64,
    pub failed: u64,
    /// At its end.
    pub in_flight: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    pub connect: Encoded,
    pub completion: Encoded,
}

impl Loop {
    pub fn name(self) -> &'static str {
        match self {
            Loop::Closed => "closed",
            Loop::Open => "open",
        }
    }
}

impl Connections {
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Attempts that are missing in the counts: 0, or the counts are wrong.
    pub fn unaccounted(&self) -> u64 {
        let known = self.completed.saturating_add(self.in_flight).saturating_add(self.failures());
        self.attempted.abs_diff(known)
    }

    /// The HTTP statuses of failed connections: `404: 98, 503: 2`.
    pub(super) fn statuses(&self) -> String {
        let each = self.http_statuses.iter().map(|(status, number)| format!("{status}: {}", count(*number)));
        each.collect::<Vec<_>>().join(", ")
    }

    /// `part` as a share of the attempted connections, 0 to 1.
    pub fn share(&self, part: u64) -> f64 {
        if self.attempted == 0 { 0.0 } else { part as f64 / self.attempted as f64 }
    }
}

impl Packets {
    /// Packets per completed connection.
    pub fn per(&self, completed: u64) -> Option<f64> {
        (completed > 0).then(|| (self.received + self.sent) as f64 / completed as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attempt_is_accounted_for() {
        let failed = BTreeMap::from([("reset".to_owned(), 3)]);
        let mut connections = Connections {
            attempted: 10,
            established: 8,
            completed: 6,
            in_flight: 1,
            failed,
            ..Connections::default()
        };
        assert_eq!((connections.failures(), connections.unaccounted()), (3, 0));
        connections.completed = 5;
        assert_eq!(connections.unaccounted(), 1);
        assert_eq!(connections.share(5), 0.5);
        assert_eq!(Connections::default().share(0), 0.0);
    }
}
