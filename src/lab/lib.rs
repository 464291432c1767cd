//! A network on one machine: two namespaces joined by a veth pair, and a Linux kernel client that
//! opens real connections across it. The stage for `handfast lab`, the demo and the tests.
//!
//! ```text
//!   hf-NAME-client                                  hf-NAME-server
//!     hf-c  198.18.0.1 .. .32   ══════ veth ══════   hf-s  198.18.255.1
//!           (the kernel's own)                             198.18.1.0/24 belongs to nobody:
//!                                                          the responder may own it
//! ```
//!
//! With `Spec::bridge` there are two veth pairs, and a bridge between them in `hf-NAME-bridge`.
//!
//! `bench` is the comparison: what is measured side by side on one veth pair, and the bare AF_XDP
//! programs that are its ceilings. `trace` plays scenarios of TCP between the two. The rest is the
//! kernel's alone. May use `trace`, `engine` and what is below.

#![deny(unreachable_pub)]

mod addressing;
pub mod bench;
pub mod engine;
mod error;
mod link_program;
mod links;
pub mod load;
mod loss;
mod mark;
mod namespace;
pub mod process;
mod spec;
mod sysctl;
mod topology;
pub mod trace;

pub use error::LabError;
pub use loss::{Loss, SegmentKinds};
pub use mark::{WhyNot, is_lab_interface};
pub use namespace::Namespace;
pub use spec::{
    BRIDGE_DEVICE, BRIDGE_TO_CLIENT, BRIDGE_TO_SERVER, CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, KERNEL_V6,
    SERVED_V4, SERVED_V6, SERVER_DEVICE, SERVER_MAC, SOURCES_V4, SOURCES_V6, Spec, client_addresses,
};
pub use sysctl::SERVER as SERVER_SETTINGS;
pub use topology::{Lab, Removed};
