//! Real connections of this machine's kernel: opened in numbers, watched to their end, counted.
//!
//! Works in whatever network namespace the calling thread is in: call it through
//! [`Lab::in_client`](super::Lab::in_client).

mod connection;
mod plan;
mod tally;
mod worker;

pub use plan::{Dialogue, Plan, Progress};
pub use tally::{Failure, Step, Tally};
pub use worker::run;
