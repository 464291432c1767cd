//! Capture of the frames that the sockets receive and send, to a pcapng file, outside of the packet path.
//!
//! A capture on the interface does not see what AF_XDP takes, or sees one direction only. Therefore a
//! [`Tap`] at each queue copies frames into a ring, which a thread of low priority writes to the file.
//! The tap never waits: a frame without room in the ring, or beyond the CPU budget, is counted instead.
//!
//! - `settings`: the settings; `filter`: the filter.
//! - `tap`: the part in the packet path; `cpu_budget`: its CPU budget.
//! - `pcapng`: the blocks of the file.
//! - `start`: [`Capture`], [`Begun`] and [`CaptureWriter`], a capture from its file to its report.
//! - `merge`: merges the rings in order, as far as `progress` allows; `sink`: writes the file.
//! - `report`: the counts.
//!
//! May use `wire` and `observe`.

mod cpu_budget;
mod filter;
mod merge;
mod pcapng;
mod progress;
mod report;
mod settings;
mod sink;
mod start;
mod tap;

pub use report::{Dropped, Report};
pub use settings::Settings;
pub use start::{Begun, Capture, CaptureWriter};
pub use tap::{Direction, Tap};
