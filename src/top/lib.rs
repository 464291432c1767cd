//! The live view of a running program: two statuses become rates, rates become histories, and both
//! become a picture that fits the terminal.
//!
//! - `model`: what was told so far, and the rates between the last two statuses; `series` the rates
//!   that have a history. Pure: time is what the program's own clock says.
//! - `view`: what the person at the keys has chosen.
//! - `draw`: the picture; one file per pane. `text` and `svg` make something else of it than cells on
//!   a terminal.
//! - `feed`: asks the program, on a thread of its own, and counts states no oftener than is cheap.
//! - `run`: terminal and keys; `once` prints one picture.
//!
//! May use `control`, `report` and what is below.

mod draw;
mod feed;
mod model;
mod once;
mod run;
mod series;
mod svg;
mod text;
mod view;

pub use draw::draw;
pub use feed::{Feed, Pace, Told};
pub use model::Model;
pub use once::{Once, once};
pub use run::{Interactive, TopError, run};
pub use series::Series;
pub use svg::svg;
pub use text::text;
pub use view::{Pane, View};
