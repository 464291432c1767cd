//! AF_XDP: the steering program, frames, queues and the interface they belong to.
//!
//! The only layer that talks to the kernel's XDP. It knows nothing of TCP, of tables or of the
//! engine above it. May use `wire` (which packets are owned), `capture` (a queue's tap) and `observe`.
//!
//! | file | what lives there |
//! |---|---|
//! | `queue.rs` | [`Queue`]: one socket on one receive queue; `queue/flush.rs` ends a batch |
//! | `open.rs` | setting a queue up, and every way in which that fails |
//! | `sizing.rs` | how large frames are; `refusal.rs` why there is no zero-copy |
//! | `config.rs` | what can be chosen for a queue, and what then is really active |
//! | `frame.rs` | [`Frame`]: a buffer of the UMEM as a value that moves |
//! | `ledger.rs` | who owns each frame |
//! | `mapping.rs`, `umem.rs` | memory shared with the kernel, and the frames in it (`unsafe`) |
//! | `ring.rs`, `rings.rs` | one ring; the four of a socket, and their set-up (`unsafe`) |
//! | `socket.rs` | the calls on an AF_XDP socket (`unsafe`) |
//! | `device.rs`, `ethtool.rs` | the interface: queues, addresses, driver, mode (`unsafe` in the latter) |
//! | `network.rs`, `rtnetlink.rs` | all interfaces and addresses of the namespace, and how the kernel lists them |
//! | `next_hop.rs` | the kernel's route to a target, and the MAC address of the next hop |
//! | `kernel_tcp.rs` | TCP sockets of the kernel, and whose they are |
//! | `program.rs` | [`Program`]: the steering program, loaded; `abi.rs` has the numbers it shares with user space |
//! | `attach.rs`, `link.rs` | attaching it by a link (`unsafe` in the latter), and every way in which that fails |
//! | `link_holder.rs` | the process that keeps a program attached |
//! | `lpm.rs`, `rule_maps.rs` | the rules as entries of a longest-prefix match, and the maps of them |
//! | `claims.rs` | who else says that an exclusive address is theirs |
//! | `verdict.rs` | the program's verdicts and their counts |
//! | `vlan.rs` | VLANs of an interface, and whether XDP sees their tags |
//! | `inspect.rs` | what the kernel tells about XDP without anything being attached |
//! | `bpf_refusal.rs` | why bpf(2) is refused to a process with all capabilities |
//! | `error.rs`, `program_error.rs` | what failed, where, and the command that fixes it |

mod abi;
mod attach;
mod bpf_refusal;
mod claims;
mod config;
mod device;
mod error;
mod ethtool;
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
mod umem;
mod verdict;
pub mod vlan;

pub use attach::attach;
pub use bpf_refusal::{BpfRefusal, bpf_refusal};
pub use claims::Claim;
pub use config::{CopyMode, EffectiveConfig, QueueConfig, RING};
pub use device::{Device, Preference};
pub use error::{DeviceError, XdpError};
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
pub use verdict::{VERDICTS, Verdict, VerdictCounts};
