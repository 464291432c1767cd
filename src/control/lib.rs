//! The control socket: queries to a running program.
//!
//! A Unix socket with one JSON request per line and JSON lines as answers. It accepts root and the
//! user who started the program only. A slow, silent or invalid client costs time of its own thread
//! and none of a core: counters are read without locks, and a core reports its connections between two
//! iterations of its loop ([`handfast_stack::engine::ConnQuery`]).
//!
//! - `request`: requests and replies.
//! - `status`: the status of a program; `status_source`: its source.
//! - `connection`: a listed connection; `filter`: the filter of a listing; `listing`: reads connections
//!   with `core_query`, which queries one core.
//! - `socket`: creates, finds and removes the socket's file. `server` serves it, with a `session` for
//!   each client; `client` connects to sockets that `trust` accepts.
//!
//! May use `report`, `load`, `text` and the stack.

#![deny(unreachable_pub)]

mod client;
mod connection;
mod core_query;
mod filter;
mod listing;
mod request;
mod server;
mod session;
mod socket;
mod status;
mod status_source;
mod trust;

pub use client::{Client, ClientError, Found, find};
pub use connection::{Connection, TimerLeft};
pub use filter::{AddressFilter, Filter, StateName};
pub use request::{End, Reply, Request};
pub use server::Serving;
pub use socket::{Socket, SocketError};
pub use status::{BenchStatus, ControlStatus, LatencyStatus, Status};
pub use status_source::StatusSource;
