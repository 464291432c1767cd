//! One core's loop: frames in, segments through table and TCP, answers out.
//!
//! - `simulation`: a whole core on a `memory` port with a virtual clock.
//! - `port`: where frames come from and go to; `memory` is one in memory, for tests and benchmarks.
//! - `worker`: the loop's one iteration, its phases in order; `batch` the arrays they share.
//! - `flows`: the connections of one address family: table, timers, input of a segment; `fast_path`:
//!   input of a predicted segment; `expiry`: an expired timer; `transition`: applies the effects of
//!   each; `notify`: reports the end of a connection to its service.
//! - `listen`: segments without a connection: listeners, cookies, injected faults, resets.
//! - `reply`: the ways a received frame leaves: replied to, dropped, forwarded; and segments in new frames.
//! - `core`: what a core has beside its connections; `hops` the ways back; `timers` the queues.
//! - `fair`: rate limits that no sender uses up for the others.
//! - `answers`: ARP, neighbour discovery and echo for addresses that only we own.
//! - `listeners`: rules, looked up; `rules`: their numbers, and giving a running core other ones.
//! - `errors`: ICMP errors about segments of ours.
//! - `forward`: the queues of frames between cores: segments for the core that owns their connection,
//!   finished frames for a core that can send them; `forwarded` takes them out; `far`: devices that a
//!   core has no queue of.
//! - `opener`: what opens connections from this side; `calls` its line into the tables of a core;
//!   `pending`: output without a received frame to send it in.
//! - `ending`: what the peers of open connections are sent when the program ends.
//! - `orders`: what other threads have a core do between two polls; `describe`: what a core tells of
//!   its connections that way.
//! - `stack`: devices, queues and threads around it all; `runner` one thread, `priority` its scheduling.
//!
//! May use `service`, `tcp`, `table`, `xdp`, `capture`, `wire`, `observe`.

mod active_open;
mod arp_icmp;
mod batch;
mod command_queue;
mod core;
mod ending;
mod errors;
mod expiry;
mod fair;
mod far;
mod fast_path;
mod flows;
mod forward;
mod forwarded;
mod idle;
mod inspect;
mod link_cache;
mod listen;
mod listener_registry;
pub mod listeners;
pub mod memory;
mod notify;
mod opener;
mod pending;
mod port;
mod priority;
mod privileges;
mod relief;
mod reply;
mod runner;
pub mod simulation;
mod snapshot;
pub mod stack;
mod stopwatch;
mod timers;
mod transition;
mod worker;

pub use self::core::{Core, CoreConfig, FaultInjection, Secrets, Shared, Waker};
pub use command_queue::{Command, CommandQueueFull};
pub use ending::{Ending, OnStop, Progress, StopNotice};
pub use forward::ForwardQueue;
pub use inspect::{ConnInfo, ConnQuery, QUERY_BATCH, STATES, Tables, state_name};
pub use listener_registry::{CoreUpdate, ListenerInfo, ListenerSet, RulesError};
pub use opener::{FourTuple, OpenContext, OpenError, Opener, OpenerFactory};
pub use port::Port;
pub use priority::Priority;
pub use privileges::{PrivilegeError, become_user, drop_privileges};
pub use runner::Polling;
pub use snapshot::{CoreSnapshot, KernelSnapshot, Named, QueueSnapshot, Snapshot, SteeringSnapshot};
pub use worker::{Polled, Worker};
