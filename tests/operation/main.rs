//! What an operator counts on: output that goes wrong, files that stay whole, signals, foreign text, limits,
//! and quiet where nobody looks. Tests that need a network make labs of their own (`hf-o…`) and remove them
//! even when they fail. Those need root; what cannot run says `SKIPPED` and why, and in CI is a failure.

mod files;
mod foreign;
mod labs;
mod limits;
mod output;
#[path = "../bench/process.rs"]
#[allow(dead_code, reason = "another test's, which uses all of it")]
mod process;
mod quiet;
mod signals;
mod stage;
