//! The control socket and `handfast connections`, of the program as it is shipped: what they tell
//! about the kernel's connections, whom they tell nothing, and what they cost. Each test makes a lab of
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

#[path = "../support/copied.rs"]
mod copied;

// As in tests/veth, where everything of them is used.
#[allow(dead_code)]
#[path = "../veth/responder.rs"]
mod responder;
#[allow(dead_code)]
#[path = "../veth/stage.rs"]
mod stage;
#[allow(dead_code)]
#[path = "../veth/summary.rs"]
mod summary;
