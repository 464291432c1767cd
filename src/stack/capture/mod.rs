//! What the sockets see and send, written to a pcapng file beside the packet path.
//!
//! A capture on the interface is blind to what AF_XDP takes, or sees half of it. So the queues look
//! themselves: a [`Tap`] copies frames into a ring that one thread of low priority writes from. The
//! tap never waits: a frame that finds no room, and every frame once copying has had its share of
//! the core's time, is counted instead.
//!
//! - `settings`: what can be chosen; `choose` which frames that means.
//! - `tap`: the packet path's end; `share` how long it may copy.
//! - `pcapng`: the blocks of the file.
//! - `start`: [`Capture`], [`Begun`] and [`Writing`], a capture from its file to its report.
//! - `merge`: one order out of the rings, as far as `progress` allows; `sink` where it goes, and what if that is full.
//! - `report`: what it came to.
//!
//! May use `wire` and `observe`.

mod choose;
mod merge;
mod pcapng;
mod progress;
mod report;
mod settings;
mod share;
mod sink;
mod start;
mod tap;

pub use report::{Dropped, Report};
pub use settings::Settings;
pub use start::{Begun, Capture, Writing};
pub use tap::{Direction, Tap};
