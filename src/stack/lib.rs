//! A TCP stack in user space over AF_XDP: everything between the rings of a network interface and a
//! service. It can be embedded without the rest of handfast.
//!
//! | module | purpose |
//! |---|---|
//! | [`engine`] | one loop per core: frames in, segments through table and TCP, replies out |
//! | [`service`] | built-in services: what a connection does once it is open |
//! | [`tcp`] | the protocol (RFC 9293), without I/O |
//! | [`table`] | one lock-free connection table for all cores |
//! | [`xdp`] | AF_XDP sockets, the steering program, interfaces and routes |
//! | [`capture`] | frames to pcapng files |
//! | [`wire`] | parsing and writing Ethernet, IP, TCP, ARP and ICMP |
//! | [`observe`] | counters and the names of drops |
//!
//! A program needs the names of this page: [`Stack`] and [`StackConfig`] to start, [`ConnectionHandler`]
//! for a service, [`Opener`] for active opens. The package `handfast` re-exports them, with examples.

#![deny(missing_docs, unreachable_pub)]

pub mod capture;
pub mod engine;
pub mod observe;
pub mod service;
pub mod table;
pub mod tcp;
pub mod wire;
pub mod xdp;

pub use engine::stack::{Gateway, Running, Stack, StackConfig, StartError};
pub use engine::{FourTuple, OpenContext, OpenError, Opener, drop_privileges};
pub use observe::{Closed, DropReason};
pub use service::Service;
pub use tcp::{ClosedConnection, Connection, ConnectionHandler, DataResult, Time};
pub use wire::EndpointRange;
