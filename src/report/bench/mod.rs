//! What a benchmark came to: results that can be believed, joined and looked at.
//!
//! - `measured`: what the command hands over; `cpu` what the cores did meanwhile.
//! - `results`: the JSON, its fields in `docs/bench-schema.md`; `latency` its distributions,
//!   `path` the way to the target and back, `stats` its statistics, `bottleneck` who was the limit,
//!   `outcome` whether it met what was required; `json` how it is written.
//! - `file`: results read back; `merge`: several made one.
//! - `text`, `html` with `page` and `plots`: for people.
//! - `comparison`: contestants side by side; `diff`: what changed between two runs or sets of runs.

mod apart;
mod bottleneck;
pub mod comparison;
mod counted;
pub mod cpu;
mod csv;
pub mod diff;
#[cfg(test)]
mod documented;
mod file;
mod format;
mod html;
mod json;
mod latency;
mod measured;
mod merge;
mod outcome;
mod page;
mod path;
mod plots;
mod results;
#[cfg(test)]
pub(crate) mod sample;
mod stats;
mod text;

pub use bottleneck::{Bottleneck, Verdict};
pub use file::{ReadError, schema_of};
pub use json::write_json;
pub use latency::{Encoded, HistogramError, Latency};
pub use measured::{Measured, Run, Traffic, spare};
pub use merge::{MergeError, merge};
pub use outcome::{Figure, Outcome, Requirement, Requirements, Status};
pub use path::{NEIGHBOURS, Path};
pub use results::{
    Connections, Histograms, Lag, Latencies, Load, Loop, Packets, Part, Rate, Results, SCHEMA, Second, Waited,
};
pub use stats::{Stats, median};
pub use text::progress;
