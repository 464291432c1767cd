//! The control socket: what a running program tells those who ask.
//!
//! A Unix socket, one JSON request per line, JSON lines back. Root and the user who started the
//! program are answered, nobody else. A client that is slow, silent or wrong costs its own thread
//! some time and a core nothing: counts are read as the reporter reads them, and what belongs to a
//! core it tells itself, between two turns ([`handfast_stack::engine::ConnQuery`]).
//!
//! - `request`: what can be asked, and the lines that answer.
//! - `status`: everything that is counted, and by whom; `subject`: where it comes from.
//! - `connection`: a connection as it is listed; `filter` which ones; `listing` how they are read,
//!   over `ask`: a core fills a form in.
//! - `socket`: the socket's file: made, found, removed. `server` answers, over a `talk` with each
//!   client; `client` asks, whom `trust` lets it believe.
//!
//! May use `report`, `load`, `engine` and what is below.

mod ask;
mod client;
mod connection;
mod filter;
mod listing;
mod request;
mod server;
mod socket;
mod status;
mod subject;
mod talk;
mod trust;

pub use client::{AskError, Client, Found, find};
pub use connection::{Connection, TimerLeft};
pub use filter::{Filter, Place, StateName};
pub use request::{End, Reply, Request};
pub use server::Serving;
pub use socket::{Socket, SocketError};
pub use status::{BenchStatus, ControlStatus, LatencyStatus, Status};
pub use subject::Subject;
