//! The protocol (RFC 9293), without I/O: a connection, a segment and the time give what to send.
//!
//! Time, randomness and bytes are arguments. Nothing here blocks, allocates per segment, or panics on
//! received input. May use `wire` and `observe`, nothing else of this crate.
//!
//! - [`on_segment`] takes a segment for an existing connection and returns an [`Action`]. [`on_syn`] takes
//!   a SYN at a listener: it writes the connection, requests its timer and returns the SYN-ACK;
//!   [`on_segment_listen`] and [`on_segment_closed`] take the other segments without a connection.
//! - [`icmp_error`] takes an ICMP error about a segment that this host sent.
//! - [`open`] makes a connection for an active open, [`first_syn`] its SYN.
//! - [`on_timer`] takes an expired timer; [`with_connection`] lets the handler act at any time.
//! - [`poll_output`] composes the next segment that a connection has to send, after a whole batch has
//!   arrived (MUST-58, MUST-59); the engine calls it again while [`Transmit::more`].
//! - [`fast_path`] has the same steps for the segments of handshakes, data in order and closes, without the
//!   checks that such segments pass anyway.
//!
//! `state/` has one file per group of states, and the steps they share; the checks of a segment are in
//! `acceptance.rs`. No two files use one another: `ids`, `clock`, `endpoints` and `tcb` at the bottom,
//! `send`, `context`, `handler` and `negotiate` above them, then `output`, `timers`, `acceptance`, `state`,
//! and `fast_path` on top.

mod acceptance;
mod clock;
mod config;
mod congestion;
mod context;
mod cookie;
mod endpoints;
pub mod fast_path;
mod handler;
mod icmp;
mod idle;
mod ids;
mod isn;
mod limit;
mod negotiate;
mod output;
mod reset;
mod rto;
mod send;
mod shares;
mod state;
mod tcb;
mod timers;

pub use crate::wire::IcmpError;
pub use acceptance::shows_the_way;
pub use clock::Time;
pub use config::{Config, CookieMode, IdleLimits, WhenFull};
pub use congestion::CongestionAlgorithm;
pub use context::{Action, Context, TimerOp};
pub use cookie::{Cookies, SYN_TIMESTAMP_MASK, cookie_timestamp};
pub use endpoints::Endpoints;
pub use handler::{ClosedConnection, Connection, ConnectionHandler, DataResult};
pub use icmp::icmp_error;
pub use idle::{IdleAction, IdleClock, idle_action, idle_since, keep_alive};
pub use ids::{BufferId, NO_LINK, Timer, TimerLinks};
pub use isn::isn;
pub use limit::TokenBucket;
pub use negotiate::{MIN_MSS, OfferedOptions, SynOptions};
pub use output::{Transmit, abort, poll_output};
pub use send::{Payload, SendBuffers};
pub use state::{
    PassiveOpen, finish_dropped_input, finish_input, first_syn, has_no_output, has_output, on_cookie_ack,
    on_segment, on_segment_closed, on_segment_listen, on_syn, on_syn_with_cookie, open, with_connection,
};
pub use tcb::{ACTIVE_OPEN, Negotiated, State, Tcb, TcbFlags};
pub use timers::{await_ack_of_syn, on_timer};
