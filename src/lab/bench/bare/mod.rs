//! Bare AF_XDP programs: the ceilings. The same steering program, frames, rings and transmit budget
//! as the engine's, and no TCP.
//!
//! - `port`: an interface with a socket on every queue behind the steering program.
//! - `template`: a segment of which only the numbers change; `heard` reads one that came.
//! - `play`: who answers what with what, for each workload.
//! - `server`: answers; `client` asks, and keeps a `tally`; `reflector` sends everything back.

mod client;
mod client_report;
mod heard;
mod pace;
mod play;
mod port;
mod reflector;
mod server;
mod sources;
mod tally;
mod template;

pub use client::{Client, ClientOptions};
pub use client_report::ClientReport;
pub use pace::Pace;
pub(super) use port::pin;
pub use port::{BareError, Port, PortOptions, PortReport};
pub use reflector::{Reflector, ReflectorOptions, ReflectorReport};
pub use server::{Server, ServerOptions, ServerReport};
