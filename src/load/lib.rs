//! The load generator: opens connections on a schedule and measures them.
//!
//! - `source`, `space`, `tuples`: the 4-tuples and their allocation.
//! - `timeline`, `schedule`, `pace`: the stages of a run, and when the next connection is due.
//! - `workload`: what a connection does; `http`: the parser for responses; `failure`: why a connection
//!   failed.
//! - `plan`: the settings of a run, and their check.
//! - `generator`: one core's part, driven by the engine.
//! - `tally`: the counts of a run; `live`: counters during it; `control`: the side of other threads;
//!   `core_slot`: the hand-over between the two.
//! - `search`: the search for the highest rate that holds.

#![deny(unreachable_pub)]

mod control;
mod core_slot;
mod failure;
mod generator;
mod http;
mod live;
mod pace;
mod plan;
mod random;
mod schedule;
mod search;
mod source;
mod space;
mod tally;
mod timeline;
mod tuples;
mod workload;

pub use control::{BeginError, Control};
pub use failure::Failure;
pub use generator::Generator;
pub use live::{LatencyKind, LatencyQuery, StepProgress, Totals};
pub use pace::Load;
pub use plan::{Plan, PlanError, Probes};
pub use schedule::Arrivals;
pub use search::{FindMax, Limit, SearchConfig, SearchVerdict, StepOutcome};
pub use source::{Source, SourceArg, SourceError};
pub use space::{Target, TupleSpace};
pub use tally::{OpenRefusals, OpenWaits, SecondCounts, Statuses, Tally};
pub use timeline::RunStage;
pub use workload::{Closer, ResponseKind, Workload, WorkloadKind};
