//! handfast: a TCP stack that bypasses the kernel through AF_XDP, built for handshakes.
//!
//! Three nouns carry the whole design:
//!
//! - a **frame** is one buffer of the UMEM. It has exactly one owner at any moment.
//! - a **segment** is a parsed, checked view of a frame. Nothing unchecked passes this point.
//! - a **connection** is the state of one flow: one cache line for IPv4, two for IPv6.
//!
//! ```text
//!  wire ─► bpf/steer.bpf.c ── not ours ──► kernel
//!               │ ours: redirect to this queue's socket
//!               ▼
//!    rx ring ─► engine: parse ─► hash + prefetch ─► look up ─► tcp ─► reply in place ─► tx ring ─► one wake-up
//!                                      │                         │
//!                                    table               timers, services
//! ```
//!
//! Imports go down only:
//! `cli → {doctor → lab → trace, top → control → report, metrics} → load → engine → {service → tcp, table,
//! xdp → capture} → wire`; `observe` is a leaf that all may use, `text` one for what people read.
//! `tests/layers.rs` holds this.

pub use handfast_stack::engine::stack::{Gateway, Options, Running, Stack};
pub use handfast_stack::service::Service;
pub use handfast_stack::tcp::{Connection, ConnectionHandler, DataResult};
pub use handfast_stack::wire::EndpointRange;
