//! What happened, by name: drop reasons and counters. A leaf that every layer may use; it
//! imports nothing of this crate.

mod closed;
mod counter;
mod counters;
mod drops;
mod named;
mod stages;

pub use closed::{CLOSED, Closed};
pub use counter::{Counter, Counters};
pub(crate) use counters::core_counters;
pub use counters::{CORE_COUNTERS, CoreCounters, CounterInfo, CounterKind};
pub use drops::{DROP_REASONS, DropReason};
pub(crate) use named::named_enum;
pub use stages::{STAGES, Stage};
