//! One connection as the wire saw it: captured, its two state machines mirrored, drawn line by
//! line.
//!
//! May use `wire`. Deliberately not `tcp`: what judges the engine shares no code with it.

mod capture;
mod conversation;
mod ladder;
mod mirror;
mod state;

pub use capture::{Capture, Frame};
pub use conversation::{Conversation, Line};
pub use ladder::Ladder;
pub use mirror::{Direction, Mirror};
pub use state::State;
