//! What happened, by name: drop reasons and counters. A leaf that every layer may use; it
//! imports nothing of this crate.

mod core_counters;
mod counter;
mod drops;
mod stages;

pub use core_counters::{CLOSED, Closed, CoreCounters};
pub use counter::Counter;
pub use drops::{DROP_REASONS, DropReason};
pub use stages::{STAGES, Stage, StageTimes};
