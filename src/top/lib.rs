//! The live view of a running program.
//!
//! - `model`: the statuses so far, and the rates between the last two; `series`: the rates that have a
//!   history. Time is that of the program's own clock.
//! - `view`: the state of the user interface.
//! - `draw`: draws the display; one file per pane. `text` and `svg` convert the cells.
//! - `poller`: polls the program on separate threads, and limits the cost of counting states.
//! - `run`: terminal and keys; `once`: prints one display.
//!
//! May use `control`, `text` and the stack.

#![deny(unreachable_pub)]

mod draw;
mod model;
mod once;
mod poller;
mod run;
mod series;
mod svg;
mod text;
mod view;

pub use draw::draw;
pub use model::Model;
pub use once::{Once, once};
pub use poller::{Pace, Poller, Update};
pub use run::{Interactive, TopError, run};
pub use series::Series;
pub use svg::svg;
pub use text::text;
pub use view::{Pane, View};
