//! The load generator: what connections are opened, when, from where, and what came of them.
//!
//! - `source`, `space`, `tuples`: the 4-tuples, and which one comes next.
//! - `timeline`, `schedule`, `pace`: the stages of a run, and when the next connection is due.
//!
//! May use `engine`, `service`, `tcp`, `table`, `xdp`, `wire`, `observe`.

mod entry;
mod failure;
mod http;
mod pace;
mod random;
mod schedule;
mod source;
mod space;
mod tally;
mod timeline;
mod tuples;
mod workload;

pub use failure::{FAILURES, Failure};
pub use pace::Load;
pub use schedule::Arrivals;
pub use source::{Asked, DEFAULT_PORTS, Source, SourceError};
pub use space::{Space, Target};
pub use tally::{Lag, MOST_LATENCY_US, Refused, Second, Tally};
pub use timeline::{Stage, Timeline};
pub use tuples::{Exhausted, Ticket, Tuples};
pub use workload::{Answer, Closer, Workload};
