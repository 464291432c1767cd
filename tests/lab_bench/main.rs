//! The parts of a comparison, as they are shipped, in labs of this test's own (`hf-t…`), removed even when
//! it fails: the mark that says what may be flooded, the bridge that shows what crosses the link, the
//! kernel's server, the ceilings, and the harness around them. Needs root; a test that cannot run prints
//! `SKIPPED` and why, and fails in CI.

mod bridge;
mod ceilings;
mod comparison;
mod demo;
mod flood;
mod help;
mod kernel;
mod mark;
mod noise;
mod server;
mod syn;
