//! The control socket and `handfast connections`, of the program as it is shipped: what they answer
//! about the stack's connections, which users they refuse, and what they cost. Each test makes a lab of
//! its own and removes it even when it fails. Needs root; what cannot run says `SKIPPED` and why, and
//! in CI is a failure.

mod asked;
mod bench;
mod connections;
mod distrust;
mod million;
mod refused;
mod socket;
mod status;
