//! `handfast doctor`, the program as it is shipped: what it finds on spoilt veth pairs, and that the
//! commands it names cure them. Each test makes a lab of its own (`hf-t…`) and removes it even when
//! it fails. Needs root; what cannot run says `SKIPPED` and why, and in CI is a failure.

mod documented;
mod examination;
mod findings;
mod fixes;
mod in_use;
mod measured;
mod permissions;
