//! The servers that `handfast lab bench` compares on one veth pair, the comparison itself, and `handfast lab
//! flood`.
//!
//! - `workload`: the packets of a connection.
//! - `kernel`: a server with kernel sockets, in a tight loop.
//! - `baseline`: the ceilings: AF_XDP programs that send the same packets without a TCP.
//! - `xdp_tx`: the ceiling of the link: an eBPF program that replies without user space.
//! - `flood`: kernel clients of a responder that is flooded.
//! - `comparison`: runs them in an order that changes from round to round.

pub mod baseline;
pub mod comparison;
pub mod flood;
pub mod kernel;
pub mod workload;
pub mod xdp_tx;
