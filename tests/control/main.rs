//! The control socket and `handfast connections`, of the program as it is shipped: what they answer about
//! the stack's connections, which users they refuse, and what they cost. Each test makes a lab (`hf-t…`),
//! removed also when it fails. Needs root; a test that cannot run prints `SKIPPED` and why, and fails in CI.

mod asked;
mod bench;
mod connections;
mod distrust;
mod million;
mod refused;
mod socket;
mod status;
