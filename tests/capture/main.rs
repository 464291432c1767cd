//! `--pcap`: what the stack captures of itself, read by programs that are not ours. Each test that
//! needs a network makes a lab of its own (`hf-t…`) and removes it even when it fails. Needs root;
//! what cannot run says `SKIPPED` and why, and in CI is a failure.

mod capturing;
mod figures;
mod full;
mod less;
mod reader;
mod whole;
