//! The load generator: what connections are opened, when, from where, and what came of them.
//!
//! - `source`, `space`, `tuples`: the 4-tuples, and which one comes next.
//!
//! May use `engine`, `service`, `tcp`, `table`, `xdp`, `wire`, `observe`.

mod random;
mod source;
mod space;
mod tuples;

pub use source::{Asked, DEFAULT_PORTS, Source, SourceError};
pub use space::{Space, Target};
pub use tuples::{Exhausted, Ticket, Tuples};
