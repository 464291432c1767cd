//! A load generator with kernel sockets: opens many connections, runs a script on each, and counts the results.
//!
//! Works in the calling thread's network namespace: call it through
//! [`Lab::in_client`](super::Lab::in_client).

mod connection;
mod paced;
mod plan;
mod tally;
mod tcp_info;
mod worker;

pub use paced::{PacedPlan, PacedTally};
pub use plan::{ClientScript, Plan, Progress};
pub use tally::{Failure, Step, Tally};
pub use worker::run;
