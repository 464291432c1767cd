//! A network on one host: two network namespaces joined by a veth pair, and a client with kernel sockets. Used by
//! `handfast lab`, the demo and the tests.
//!
//! ```text
//!   hf-NAME-client                                  hf-NAME-server
//!     hf-c  198.18.0.1 .. .32   ══════ veth ══════   hf-s  198.18.255.1
//!           (addresses of the kernel)                      198.18.1.0/24 is on no interface:
//!                                                          the responder may own it
//! ```
//!
//! With `Spec::bridge` there are two veth pairs, and a bridge between them in `hf-NAME-bridge`.
//!
//! `bench` compares servers on one veth pair, and contains the AF_XDP programs that are their ceilings. `trace` plays
//! scenarios of TCP between the two namespaces. `engine` measures the engine in memory. `load` is a client with kernel
//! sockets.

#![deny(unreachable_pub)]

mod addressing;
pub mod bench;
pub mod engine;
mod error;
mod link_counts;
mod link_program;
mod links;
pub mod load;
mod loss;
mod mark;
mod namespace;
pub mod process;
pub mod processor_time;
mod spec;
mod sysctl;
mod topology;
pub mod trace;

pub use error::LabError;
pub use link_counts::LinkCounts;
pub use loss::{Loss, SegmentKinds};
pub use mark::{WhyNot, is_lab_interface};
pub use namespace::Namespace;
pub use spec::{
    BRIDGE_DEVICE, BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, KERNEL_V6,
    SERVED_V4, SERVED_V6, SERVER_DEVICE, SERVER_MAC, SOURCES_V4, SOURCES_V6, Spec, client_addresses,
};
pub use sysctl::SERVER as SERVER_SETTINGS;
pub use topology::{Lab, Removed};
