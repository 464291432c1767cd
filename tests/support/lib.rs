//! What the tests of the program share: a lab of a test's own, processes in it, and what a test needs.
//!
//! Everything that a test starts or makes ends with it, also when it fails.

mod clients;
#[cfg(test)]
mod map;
mod process;
mod program;
mod repository;
mod requirements;
mod responder;
mod stage;
mod summary;
mod wait;

pub use clients::{attempts, clients};
pub use process::{ChildGuard, Ended, Process, run};
pub use program::{copy_into, optimized, program};
pub use repository::{files, top};
pub use requirements::{root, skipped, tool};
pub use responder::Responder;
pub use stage::{OWNED_V4, OWNED_V6, Stage, at, lab, lab_name, owned, stage};
pub use summary::{Summary, json};
pub use wait::{POLL_INTERVAL, TIMEOUT, wait_until, wait_until_within};
