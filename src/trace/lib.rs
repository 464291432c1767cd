//! TCP connections read from captures, with both state machines inferred, and drawn as ladder diagrams.
//!
//! - `capture`: frames off an interface.
//! - `record`: the segments of one connection and when each was sent, received or lost; `frames`: the record of
//!   captured frames; `mirror`: the states that follow from it.
//! - `segment`: the fields of a segment that are drawn; `split`, `evidence`: the connections of a capture, and
//!   what all of their segments prove together.
//! - `diagram`: one row for each segment or local event; `annotate`: its explanation.
//! - `picture`: the diagram with its heading; `text`, `svg`, `html`: its formats.
//! - `pcap`: capture files.
//!
//! Uses `wire` of the stack, and deliberately not `tcp`: the check shares no code with the engine.

#![deny(unreachable_pub)]

mod annotate;
mod capture;
mod diagram;
mod direction;
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
pub use direction::{Direction, Side};
pub use frames::segment_of;
pub use mirror::Mirror;
pub use picture::Picture;
pub use record::{Event, LocalEvent, Moment, Record};
pub use segment::{Sack, Segment};
pub use state::State;
pub use text::Text;
