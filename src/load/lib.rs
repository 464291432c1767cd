//! The load generator: what connections are opened, when, from where, and what came of them.
//!
//! - `source`, `space`, `tuples`: the 4-tuples, and which one comes next.
//! - `timeline`, `schedule`, `pace`: the stages of a run, and when the next connection is due.
//! - `workload`: what a connection does; `http` reads as much of a response as that takes;
//!   `failure` why it did not.
//! - `plan`: everything that is chosen, and whether it can be run.
//! - `generator`: what a core does, at the engine as its caller.
//! - `tally`: what is counted; `live` what can be watched meanwhile; `control` the side of other
//!   threads, `core_slot` where it meets a core.
//! - `search`: the highest rate that holds.
//!
//! May use `engine`, `service`, `tcp`, `table`, `xdp`, `wire`, `observe`.

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
pub use live::{Latencies, Latency, Progress, Totals};
pub use pace::Load;
pub use plan::{Plan, PlanError, Probes};
pub use schedule::Arrivals;
pub use search::{FindMax, Limit, Outcome, Search, Verdict};
pub use source::{DEFAULT_PORTS, Source, SourceArg, SourceError};
pub use space::{Target, TupleSpace};
pub use tally::{MAX_LATENCY_US, Refused, Second, Statuses, Tally, Waited};
pub use timeline::{Stage, Timeline};
pub use tuples::{Exhausted, TupleAllocator, TupleLease};
pub use workload::{Answer, Closer, Workload, WorkloadKind};
