//! `handfast respond`, the program as it is shipped, against the Linux kernel, curl, nmap and
//! hping3 on a veth pair. Each test makes a lab of its own (`hf-t…`) and removes it even when it
//! fails. Needs root; what cannot run says `SKIPPED` and why, and in CI is a failure.

mod addresses;
mod bad_input;
mod caller;
mod ending;
mod kernel_clients;
mod link;
mod loss;
mod memory;
mod other_protocols;
mod partial_checksums;
mod privileges;
mod robustness;
mod scanners;
mod soak;
mod take_over;
mod two_links;
mod two_queues;
