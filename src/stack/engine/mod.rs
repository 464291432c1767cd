//! One core's loop: frames in, segments through table and TCP, replies out.
//!
//! The packet path, in the order of a segment (docs/architecture.md has a SYN's walk):
//!
//! - `worker`: one iteration of the loop, its phases in order.
//! - `rx`: received frames parsed, hashed and looked up; `batch`: the arrays that the phases share.
//! - `input`: segments through TCP, on one of two paths. `fast_path/`: handshakes, data in order and closes,
//!   with replies from templates. The general path, for any segment: TCP, then `transition`; without a
//!   connection `listen`: listeners, cookies, injected faults, resets.
//! - `transition`: applies the effects of an event: timer, counts, slot, report to the service.
//! - `tx`: replies in place, drops, forwarding, pending output in new frames.
//! - `expiry`: expired timers; `idle`: idle connections; `errors`: ICMP errors about segments of ours.
//! - `active_open`: connections opened from this side, for an `opener`.
//!
//! What it works on:
//!
//! - `flows`: the connections of one address family; `timers` their queues, `sweep` the search for idle
//!   ones, `oldest` those found.
//! - `core`: what a core has besides connections: services, `link_cache` (link headers of peers), `fair`
//!   (rate limits), `fault` (injected faults).
//! - `known_flows`: the filter of known flows, for the cookie tier.
//! - `syn_load`: half-open connections, and which listeners answer by cookie; `syn_board`: the cookie tier's
//!   knowledge of that.
//! - `listeners`: rules by prefix and port; `listener_cache`: the listeners of recent segments;
//!   `listener_registry`: their numbers, and how running cores get other ones.
//! - `port`: where frames come from and go to; `memory` is one in memory, `far` one of a device that the
//!   core has no queue of; `forward`: the queues of frames between cores, `forwarded` their consumer.
//!
//! Besides packets:
//!
//! - `arp_icmp`: ARP, neighbour discovery and echo for addresses that only this process has.
//! - `relief`: connections that give way when buffers or slots run out; `ending`: the end of a core.
//! - `command_queue`: what other threads have a core do between two polls; `inspect`: reports on its
//!   connections.
//! - `simulation`: a whole core on a `memory` port with a virtual clock.
//! - `stack`: devices, queues and threads around it all; `runner` one thread, `priority` its scheduling.
//!
//! May use `tcp`, `table`, `xdp`, `capture`, `wire`, `observe`.

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
mod fault;
mod flows;
mod forward;
mod forwarded;
mod idle;
mod input;
mod inspect;
mod known_flows;
mod link_cache;
mod listen;
mod listener_cache;
mod listener_registry;
pub mod listeners;
pub mod memory;
mod oldest;
mod opener;
mod port;
mod priority;
mod privileges;
mod relief;
mod runner;
mod rx;
pub mod simulation;
mod snapshot;
pub mod stack;
mod stopwatch;
mod sweep;
mod syn_board;
mod syn_load;
mod timers;
mod transition;
mod tx;
mod worker;

pub use self::core::{Core, CoreConfig, Secrets, Shared, Waker};
pub use command_queue::{Command, CommandQueueFull};
pub use ending::{Ending, OnStop, Progress, StopNotice};
pub use fault::FaultInjection;
pub use forward::ForwardQueue;
pub use inspect::{ConnInfo, ConnQuery, QUERY_BATCH, STATES, Tables, state_name};
pub use listener_registry::{CoreUpdate, ListenerInfo, RulesError};
pub use listeners::ListenerSet;
pub use opener::{FourTuple, OpenContext, OpenError, Opener, OpenerFactory};
pub use port::Port;
pub use priority::Priority;
pub use privileges::{PrivilegeError, become_user, drop_privileges};
pub use runner::Polling;
pub use snapshot::{CoreSnapshot, KernelSnapshot, Named, QueueSnapshot, Snapshot, SteeringSnapshot};
pub use syn_board::SynBoard;
pub use worker::{Polled, Worker};
