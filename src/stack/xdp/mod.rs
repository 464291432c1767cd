//! AF_XDP: the steering program, frames, queues and the interface they belong to.
//!
//! The only layer that uses the kernel's XDP. It is independent of TCP, tables and the engine. May use
//! `wire` (owned addresses and ports), `capture` (a queue's tap) and `observe`.
//!
//! | file | contents |
//! |---|---|
//! | `queue.rs` | [`Queue`]: one socket on one receive queue |
//! | `queue/flush.rs`, `queue/in_memory.rs` | the end of a batch; a queue without a kernel |
//! | `open.rs` | the set-up of a queue, and its errors |
//! | `sizing.rs` | the size of frames; `refusal.rs` why zero-copy was refused |
//! | `config.rs` | the configuration of a queue, and its active settings |
//! | `frame.rs` | [`Frame`]: a buffer of the UMEM, as a value with one owner |
//! | `ledger.rs` | the owner of each frame; `pool.rs` the numbers of UMEMs |
//! | `mapping.rs`, `umem.rs` | memory shared with the kernel, and the frames in it (`unsafe`) |
//! | `ring.rs`, `rings.rs` | one ring; the four of a socket, and their set-up (`unsafe`) |
//! | `socket.rs` | the calls on an AF_XDP socket (`unsafe`) |
//! | `device.rs`, `ethtool.rs` | the interface: queues, addresses, driver, mode (`unsafe` in the latter) |
//! | `network.rs`, `rtnetlink.rs` | all interfaces and addresses of the namespace; requests to the kernel |
//! | `next_hop.rs` | the kernel's route to a target, and the MAC address of the next hop |
//! | `kernel_tcp.rs` | the kernel's TCP sockets, and the processes that hold them |
//! | `program.rs`, `libbpf_log.rs` | [`Program`]: the loaded steering program; libbpf's messages |
//! | `flow_filter.rs` | the filter of known flows, which the program reads (`unsafe`) |
//! | `abi.rs` | the constants that the program shares with user space |
//! | `attach.rs`, `link.rs`, `mode.rs` | attaching it by a link (`unsafe` in the second), and the errors of that |
//! | `link_holder.rs` | the process that keeps a program attached |
//! | `lpm.rs`, `rule_maps.rs` | the rules as entries of a longest-prefix match, and the maps of them |
//! | `steering_rule.rs` | a rule with its listener, and the listeners of a prefix's ports |
//! | `tier.rs`, `tier_device.rs` | the cookie tier's maps: those of all programs, and that of an interface |
//! | `claims.rs` | other hosts that claim an exclusive address |
//! | `verdict.rs` | the program's verdicts and their counters |
//! | `vlan.rs` | the VLANs of an interface, and whether XDP sees their tags |
//! | `inspect.rs` | queries about XDP that need no attached program |
//! | `bpf_refusal.rs` | why bpf(2) is refused to a process with all capabilities |
//! | `error.rs`, `program_error.rs` | errors with their place and fix |

mod abi;
mod attach;
mod bpf_refusal;
mod claims;
mod config;
mod device;
mod error;
mod ethtool;
mod flow_filter;
mod frame;
pub mod inspect;
pub mod kernel_tcp;
mod ledger;
mod libbpf_log;
mod link;
mod link_holder;
mod lpm;
mod mapping;
mod mode;
mod network;
mod next_hop;
mod open;
mod pool;
mod program;
mod program_error;
mod queue;
mod refusal;
mod ring;
mod rings;
mod rtnetlink;
mod rule_maps;
pub mod sizing;
mod socket;
mod steering_rule;
mod tier;
mod tier_device;
mod umem;
mod verdict;
pub mod vlan;

pub use attach::attach;
pub use bpf_refusal::{BpfRefusal, bpf_refusal};
pub use claims::Claim;
pub use config::{CopyMode, EffectiveConfig, QueueConfig, RING};
pub use device::{Device, Preference};
pub use error::{DeviceError, XdpError};
pub use flow_filter::FlowFilter;
pub use frame::Frame;
pub use ledger::Ledger;
pub use link::Link;
pub use link_holder::holds_link;
pub use mode::Mode;
pub use network::{Address, Interface, Network};
pub use next_hop::{Route, RouteError, next_hop_mac, route, route_device};
pub use program::{Program, VerdictWatch};
pub use program_error::{AttachError, AttachedProgram, ProgramError, missing_capabilities};
pub use queue::{KernelEnd, MAX_BATCH, Queue, QueueCounters, QueueWatch, Statistics};
pub use rtnetlink::Changes;
pub use steering_rule::SteeringRule;
pub use tier::{Tier, TierConfig, TierCounts};
pub use tier_device::{TierDevice, Transmit};
pub use verdict::{VERDICTS, Verdict, VerdictCounts};
