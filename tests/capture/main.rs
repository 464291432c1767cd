//! `--pcap`: what the stack captures of itself, read by programs that are not ours. Each test that
//! needs a network makes a lab of its own (`hf-p…`) and removes it even when it fails. Needs root;
//! what cannot run says `SKIPPED` and why, and in CI is a failure.

mod figures;
mod full;
mod less;
#[path = "../bench/process.rs"]
#[allow(dead_code, reason = "another test's, which uses all of it")]
mod process;
mod reader;
mod stage;
mod whole;
