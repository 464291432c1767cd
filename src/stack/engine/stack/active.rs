use crate::engine::{Polling, Priority};
use crate::xdp::Mode;

/// What is really active, on every device, after all fall-backs.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Devices in the order of the configuration.
    pub devices: Vec<EffectiveDevice>,
    /// CPU number of each core, by the core's index.
    pub cpus: Vec<usize>,
    /// Behaviour of an idle core.
    pub polling: Polling,
    /// Scheduling of the cores' threads.
    pub priority: Priority,
    /// Connections per address family, all cores together.
    pub max_connections: u32,
    /// Bytes of address space for the tables of both families; resident follows use.
    pub table_bytes: usize,
    /// What was asked for and could not be had, and what it does to others; one sentence each.
    pub notes: Vec<String>,
}

/// One device of [`Effective`].
#[derive(Clone, Debug)]
pub struct EffectiveDevice {
    /// Name of the interface.
    pub name: String,
    /// Name of the kernel driver.
    pub driver: String,
    /// Attach mode of the steering program.
    pub mode: Mode,
    /// Whether every queue is in zero-copy mode.
    pub zero_copy: bool,
    /// Those that are.
    pub zero_copy_queues: Vec<u32>,
    /// Number of queues with a socket.
    pub queues: u32,
    /// Bytes of a frame of the UMEM.
    pub frame_size: u32,
    /// Bytes of memory that the kernel pins for each queue.
    pub umem_bytes: u64,
    /// Maximum number of frames that one wake-up sends in copy mode, the lowest of all queues.
    pub tx_budget: u32,
    /// Whether the UMEM of every queue has 2 MiB pages.
    pub hugepages: bool,
    /// Who answers SYNs by cookie.
    pub cookie_tier: ActiveTier,
}

/// Who answers SYNs by cookie on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActiveTier {
    /// Cookies are off.
    None,
    /// The cores, as asked for.
    Engine,
    /// The cores, because the eBPF program cannot: why.
    EngineBecause(String),
    /// The eBPF program; under `--cookies auto` while the load asks for it.
    Ebpf,
}
