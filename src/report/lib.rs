//! Reports of runs, for people and programs: the effective configuration, the line of rates, the summary as
//! text and JSON, warnings about interfaces, and in `bench` the results of benchmarks. It returns text; the
//! caller prints it.

#![deny(unreachable_pub)]

mod active;
pub mod bench;
mod capture;
mod machine;
mod monitor;
mod rates;
mod summary;

pub use active::{active_line, active_notes};
pub use capture::{capture_notes, capture_text};
use machine::machine;
pub use monitor::{InterfaceCounters, InterfaceMonitor};
pub use rates::Rates;
pub use summary::{ActiveReport, DeviceReport, Summary, partial_checksums};
