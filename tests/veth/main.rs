//! `handfast respond`, the program as it is shipped, against the Linux kernel, curl, nmap and
//! hping3 on a veth pair. Each test makes a lab of its own (`hf-v…`) and removes it even when it
//! fails. Needs root; what cannot run says `SKIPPED` and why, and in CI is a failure.

mod bad_input;
mod caller;
mod ending;
mod kernel_clients;
mod loss;
mod memory;
mod partial_checksums;
mod privileges;
mod responder;
mod robustness;
mod scanners;
mod soak;
mod stage;
mod summary;
mod two_queues;
