//! One connection as the wire saw it: captured, its two state machines mirrored, drawn.
//!
//! - `capture`: frames off an interface.
//! - `record`: what left, arrived and was lost of one connection, in order; `frames`: one from captured
//!   frames; `mirror`: the states that follow from it.
//! - `segment`: what a diagram needs of one; `split`, `evidence`: the connections of a capture, and what
//!   all of their segments prove together.
//! - `diagram`: a row for each thing that a textbook would draw; `annotate`: a sentence for it.
//! - `picture`: the diagram and its heading; `text`, `svg`, `html`: drawn.
//! - `pcap`: the captures of others.
//!
//! May use `wire`. Deliberately not `tcp`: what judges the engine shares no code with it.

mod annotate;
mod capture;
mod diagram;
mod evidence;
mod frames;
pub mod html;
mod mirror;
pub mod pcap;
mod picture;
mod record;
mod segment;
mod split;
mod state;
pub mod svg;
mod text;

pub use capture::{Capture, Frame};
pub use diagram::{Arrow, Diagram, DiagramOptions, Note, Path, Row, RowKind, Window};
pub use frames::segment_of;
pub use mirror::{Direction, Mirror};
pub use picture::Picture;
pub use record::{Event, LocalEvent, Moment, Record, Side};
pub use segment::{Sack, Segment};
pub use state::State;
pub use text::Text;
