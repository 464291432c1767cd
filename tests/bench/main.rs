//! `handfast bench`, the program as it is shipped: against the Linux kernel, nginx and `handfast respond`,
//! against targets that misbehave, and against a capture of its own packets. Each test makes a lab
//! (`hf-t…`), removed also when it fails; only one runs at a time, since what they look at are rates and
//! latencies. Needs root; a test that cannot run prints `SKIPPED` and why, and fails in CI.

mod arguments;
mod bad_input;
mod capture;
mod faults;
mod figures;
mod flood;
mod lan;
mod mishaps;
mod open_loop;
mod programs;
mod requirements;
mod results;
mod servers;
