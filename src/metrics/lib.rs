//! Metrics of a stack for Prometheus, over HTTP.
//!
//! - `catalogue`: all metrics with name, type, labels and help; `documentation` writes the tables of
//!   `docs/metrics.md` from it.
//! - `text`: the response to a scrape, from one snapshot.
//! - `server`: the HTTP server; `client` one connection; `response` the responses.
//!
//! A scrape reads counters that the cores maintain anyway: it costs the packet path nothing, and slow,
//! numerous or invalid clients do not affect it.
//!
//! May use `load` and the stack.

#![deny(unreachable_pub)]

mod catalogue;
mod client;
mod documentation;
mod response;
mod server;
mod text;

pub use catalogue::{Metric, MetricKind, all};
pub use documentation::documentation;
pub use response::MetricsText;
pub use server::{BindError, BoundServer, MetricsServing};
pub use text::{MetricsSource, text};
