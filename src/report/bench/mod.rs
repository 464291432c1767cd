//! Results of benchmarks: as JSON, text and page, merged and compared.
//!
//! - `measured`: the input; `cpu`: processor time.
//! - `results`: the JSON, its fields in `docs/bench-schema.md`; of `figures`, `latency` distributions,
//!   `path` to the target and back, `bottleneck` and `outcome`; `stats` its statistics, `json` how it is
//!   written.
//! - `diagnosis`: finds the bottleneck; `requirements`: checks the required figures; `assemble`: makes
//!   results from the input.
//! - `file`: reads results; `merge`: merges several.
//! - `text`, `html` with `page` and `plots`: the output for people.
//! - `comparison`: several servers side by side; `diff`: changes between two runs or sets of runs.

mod assemble;
mod bottleneck;
pub mod comparison;
mod counted;
pub mod cpu;
mod csv;
mod diagnosis;
pub mod diff;
#[cfg(test)]
mod documented;
mod figures;
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
mod requirements;
mod results;
#[cfg(test)]
pub(crate) mod sample;
mod separate_segments;
mod stats;
mod text;

pub use bottleneck::{Bottleneck, Verdict};
pub use figures::{Connections, Histograms, Lag, Latencies, Load, Loop, Packets, Rate, Second, Waited};
pub use file::{ReadError, schema_of};
pub use json::write_json;
pub use latency::{Encoded, HistogramError, Latency};
pub use measured::{Measured, Run, Traffic, idle};
pub use merge::{MergeError, merge};
pub use outcome::{Figure, Outcome, Requirement, Status};
pub use path::{NEIGHBOURS, NetworkPath};
pub use requirements::Requirements;
pub use results::{MergedRun, Results, SCHEMA};
pub use stats::{Stats, median};
pub use text::progress;
