//! Comparable runs: one veth pair, one client, one core for each side, one server at a time, in an order
//! that changes from round to round.
//!
//! - `plan`: what is compared, and the runs of each round; `server`: the servers.
//! - `server_command`, `client`, `bench_client`: the programs of a run; `child`: a running one.
//! - `syn_work`: packets and processor time of a run of SYNs alone.
//! - `runner`: carries out the plan; `repeat`: again, where `disturbance` says so; `results`: of all runs.

mod bench_client;
pub(super) mod child;
mod client;
mod disturbance;
mod error;
mod plan;
mod repeat;
mod results;
mod runner;
mod server;
mod server_command;
mod syn_work;

pub use bench_client::{BenchClient, KERNEL_TIME_WAIT_S, MSL_S, SOURCE_ROTATION};
pub use client::{CeilingClient, ClientCommand, ClientOutcome};
pub use disturbance::Disturbance;
pub use error::ComparisonError;
pub use plan::{ComparisonPlan, Cores, Run};
pub use results::{FailedRun, FinishedRuns, RunEvent, RunResult};
pub use server::ServerKind;
pub use syn_work::SynWork;
