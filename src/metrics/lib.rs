//! What Prometheus scrapes: every count of a stack by name, over HTTP.
//!
//! - `catalogue`: every metric: its name, type, labels and help;
//!   `documentation` makes the tables of `docs/metrics.md` of it.
//! - `page`: the text of a scrape, out of one snapshot.
//! - `server`: the address it is served at; `client` one request; `answer` what is said to it.
//!
//! A scrape reads counters that the cores write anyway: it costs the packet path nothing, and
//! what is slow, many or garbage at the HTTP side stays there.
//!
//! May use `load`, `engine`, `xdp`, `observe` and what these use.

mod answer;
mod catalogue;
mod client;
mod documentation;
mod page;
mod server;

pub use answer::Pages;
pub use catalogue::{Kind, Metric, all};
pub use documentation::documentation;
pub use page::{Source, page};
pub use server::{BindError, Bound, Serving};
