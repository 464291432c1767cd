//! What `handfast lab bench` puts side by side on one veth pair, and the harness around it.
//!
//! - `workload`: what a connection does, in packets.
//! - `kernel`: the kernel's own stack as a server, as tight as is fair.
//! - `baseline`: the ceilings: AF_XDP programs that move the same packets without TCP.
//! - `xdp_tx`: the ceiling of the link: an eBPF program that answers without user space.
//! - `comparison`: starts, pins, times and stops them, run by run, in an order that changes.

pub mod baseline;
pub mod comparison;
pub mod kernel;
pub mod workload;
pub mod xdp_tx;
