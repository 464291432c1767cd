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
//! Knows nothing of the engine: everything here is the kernel's. May use `wire` and `observe`,
//! and uses neither.

mod error;
mod link_program;
pub mod load;
mod namespace;
mod spec;
mod sysctl;
mod topology;

pub use error::LabError;
pub use link_program::{Lose, SegmentKinds};
pub use namespace::Namespace;
pub use spec::{
    CLIENT_DEVICE, CLIENT_MAC, KERNEL_V4, KERNEL_V6, SERVED_V4, SERVED_V6, SERVER_DEVICE, SERVER_MAC, Spec,
    client_addresses,
};
pub use topology::{Lab, Removed};
