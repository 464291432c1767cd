//! Baseline AF_XDP programs: the ceilings. They use the engine's steering program, frames, rings and
//! transmit budget, without a TCP.
//!
//! - `port`: an interface with a socket on every queue, fed by the steering program.
//! - `template`: a segment of which only the numbers change; `segment`: a parsed received segment.
//! - `script`: which segment answers which, for each workload.
//! - `server`: replies; `client`: opens connections and follows them in `tracker`; `reflector`: sends every
//!   frame back; `flooder`: sends SYNs and ACKs from random sources, and reads nothing.

mod client;
mod client_options;
mod client_report;
mod flooder;
mod flooder_options;
mod port;
mod reflector;
mod run_timer;
mod script;
mod segment;
mod server;
mod sources;
mod template;
mod tracker;

pub use client::ReplayClient;
pub use client_options::ReplayClientOptions;
pub use client_report::ReplayClientReport;
pub use flooder::{Flooder, FlooderReport};
pub use flooder_options::{FloodKind, FlooderOptions};
pub(super) use port::pin;
pub use port::{BaselineError, BaselinePort, PortOptions, PortReport};
pub use reflector::{Reflector, ReflectorOptions, ReflectorReport};
pub use run_timer::RunTimer;
pub use server::{ReplayServer, ReplayServerOptions, ReplayServerReport};
