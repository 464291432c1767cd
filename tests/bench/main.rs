//! `handfast bench`, the program as it is shipped: against the Linux kernel, nginx and `handfast
//! respond`, against targets that misbehave, and against a capture of its own packets. Each test makes
//! a lab of its own (`hf-t…`) and removes it even when it fails; only one runs at a time, since what
//! they look at are rates and latencies. Needs root; what cannot run says `SKIPPED` and why, and in
//! CI is a failure.

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
