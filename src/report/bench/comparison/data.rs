use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::syn::{Goal, SynFigures, SynRow};
use crate::bench::file::{ReadError, fields, schema_of};
use crate::bench::stats::median;

/// The subject of the comparison.
pub(super) const SUBJECT: &str = "handfast";
/// The prefix of the kernel's names.
const KERNEL: &str = "kernel";

/// Whether a server is no TCP, but what the link can do.
pub(super) fn is_ceiling(server: &str) -> bool {
    !server.starts_with(SUBJECT) && !server.starts_with(KERNEL)
}

/// The name of this layout.
pub const SCHEMA: &str = "handfast-comparison/1";

/// One run of one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Runs of one round are compared with one another.
    pub round: u32,
    pub server: String,
    pub workload: String,
    /// `native` or `generic`.
    pub mode: String,
    /// Connections completed per second.
    pub rate: f64,
    pub failures: u64,
    /// Of SYNs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn: Option<SynFigures>,
    /// What other programs took of the comparison's two cores, 0 to 1.
    #[serde(default)]
    pub others: Option<f64>,
    /// The program that used the most.
    #[serde(default)]
    pub busiest: Option<String>,
    /// Steal of the core with the highest, 0 to 1.
    #[serde(default)]
    pub steal: Option<f64>,
    /// Whether either was too high.
    #[serde(default)]
    pub disturbed: bool,
    /// The number of attempts until it was not disturbed, or the limit was reached.
    #[serde(default = "once")]
    pub attempts: u32,
    /// Far from the median of its row.
    #[serde(default)]
    pub outlier: bool,
}

/// The default for files of older versions.
fn once() -> u32 {
    1
}

/// The setting of the measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The command line.
    pub command: String,
    /// RFC 3339.
    pub started_at: String,
    /// Processor, cores, kernel.
    pub machine: String,
    /// Notes for the reader, one sentence each.
    pub notes: Vec<String>,
}

/// The runs of all servers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub schema: String,
    /// The program's version.
    pub handfast: String,
    #[serde(flatten)]
    pub setting: Setting,
    /// Servers that the others are measured against.
    pub references: Vec<String>,
    /// The result in one sentence.
    #[serde(default)]
    pub verdict: String,
    /// Why the comparison is not reliable; empty if it is.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// Goals of the cookie tier; empty if it was not measured.
    #[serde(default)]
    pub goals: Vec<Goal>,
    /// One for each workload, mode and server, in the order of the first runs.
    pub rows: Vec<Row>,
    pub runs: Vec<Run>,
}

/// One server in one workload and mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub server: String,
    pub workload: String,
    pub mode: String,
    pub runs: usize,
    pub failures: u64,
    /// Runs far from the median.
    #[serde(default)]
    pub outliers: usize,
    /// The rates.
    pub rate: Spread,
    /// By reference: this rate divided by the reference's of the same round. Without those that
    /// have no run in a round of ours.
    pub ratios: BTreeMap<String, Spread>,
    /// Of SYNs alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syn: Option<SynRow>,
}

/// The median and the range of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// The range relative to the median.
    pub fn width(&self) -> f64 {
        if self.median > 0.0 { (self.max - self.min) / self.median } else { 0.0 }
    }

    /// `None` without values.
    pub fn of(values: &[f64]) -> Option<Spread> {
        Some(Spread {
            median: median(values)?,
            min: values.iter().copied().fold(f64::INFINITY, f64::min),
            max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }
}

impl Comparison {
    /// Reads what [`crate::bench::write_json`] wrote.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn parse(text: &str) -> Result<Comparison, ReadError> {
        match schema_of(text)? {
            schema if schema == SCHEMA => fields(text),
            other => Err(ReadError::Schema(other)),
        }
    }

    /// A server's row.
    pub fn row(&self, workload: &str, mode: &str, server: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.mode == mode && row.server == server)
    }

    /// The rows of each workload and mode, in order.
    pub fn tables(&self) -> impl Iterator<Item = &[Row]> {
        self.rows.chunk_by(|a, b| a.workload == b.workload && a.mode == b.mode)
    }
}
