//! One connection as the wire saw it: captured, its two state machines mirrored, drawn.
//!
//! - `capture`: frames off an interface; `conversation`: the segments of one connection among them.
//! - `record`: what left, arrived and was lost, in order; `mirror`: the states that follow from it.
//! - `segment`: what a diagram needs of one; `split`, `evidence`: the connections of a capture, and what
//!   all of their segments prove together.
//! - `diagram`: a row for each thing that a textbook would draw; `why`: a sentence for it.
//! - `picture`: the diagram and its heading; `text`, `svg`, `html`: drawn. `ladder`: without a word.
//! - `pcap`: the captures of others.
//!
//! May use `wire`. Deliberately not `tcp`: what judges the engine shares no code with it.

mod capture;
mod conversation;
mod diagram;
mod evidence;
pub mod html;
mod ladder;
mod mirror;
pub mod pcap;
mod picture;
mod record;
mod segment;
mod split;
mod state;
pub mod svg;
mod text;
mod why;

pub use capture::{Capture, Frame};
pub use conversation::{Conversation, Line, segment_of};
pub use diagram::{Arrow, Diagram, Knowledge, Note, Path, Row, What, Window};
pub use ladder::Ladder;
pub use mirror::{Direction, Mirror};
pub use picture::Picture;
pub use record::{Event, Moment, Record, Side, Silent};
pub use segment::{Sack, Segment};
pub use state::State;
pub use text::Text;
