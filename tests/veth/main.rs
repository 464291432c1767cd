//! `handfast respond`, the program as it is shipped, against the Linux kernel, curl, nmap and hping3 on a
//! veth pair. Each test makes a lab (`hf-t…`), removed also when it fails. Needs root; a test that cannot
//! run prints `SKIPPED` and why, and fails in CI.

mod addresses;
mod bad_input;
mod caller;
mod cookie_tier;
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
