//! `handfast doctor`, the program as it is shipped: what it finds on spoilt veth pairs, and that the
//! commands it names cure them. Each test makes a lab of its own (`hf-d…`) and removes it even when
//! it fails. Needs root; what cannot run says `SKIPPED` and why, and in CI is a failure.

#[path = "../support/copied.rs"]
mod copied;
mod documented;
mod findings;
mod fixes;
mod in_use;
mod measured;
mod permissions;
mod stage;
