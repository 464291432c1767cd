//! `--pcap`: what the stack captures of itself, read by programs that are not ours. Each test that needs a
//! network makes a lab (`hf-t…`), removed also when it fails. Needs root; a test that cannot run prints
//! `SKIPPED` and why, and fails in CI.

mod capturing;
mod figures;
mod full;
mod less;
mod reader;
mod whole;
