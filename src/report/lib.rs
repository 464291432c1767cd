//! What a run came to, for people and for programs: the line that says what is active, the line
//! of rates, the summary as text and as JSON; and in `bench` the results of a benchmark.
//!
//! May use `engine` and `capture`. Writes nothing itself: everything here is text for the caller to print.

mod active;
pub mod bench;
mod capture;
mod machine;
mod monitor;
mod rates;
mod summary;

pub use active::active_line;
pub use capture::{capture_notes, capture_text};
use machine::machine;
pub use monitor::{InterfaceCounters, InterfaceMonitor};
pub use rates::Rates;
pub use summary::{ActiveReport, DeviceReport, Summary, partial_checksums};
