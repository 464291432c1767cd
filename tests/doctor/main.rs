//! `handfast doctor`, the program as it is shipped: what it finds on disturbed veth pairs, and that the
//! commands it names cure them. Each test makes a lab (`hf-t…`), removed also when it fails. Needs root; a
//! test that cannot run prints `SKIPPED` and why, and fails in CI.

mod documented;
mod examination;
mod findings;
mod fixes;
mod in_use;
mod measured;
mod permissions;
