use crate::engine::{Polling, Priority};
use crate::xdp::Mode;

/// What is really active, on every device, after all fall-backs.
#[derive(Clone, Debug)]
pub struct Effective {
    pub devices: Vec<EffectiveDevice>,
    pub cpus: Vec<usize>,
    pub polling: Polling,
    pub priority: Priority,
    pub max_connections: u32,
    /// Bytes of address space for the tables of both families; resident follows use.
    pub table_bytes: usize,
    /// What was asked for and could not be had, and what it does to others; one sentence each.
    pub notes: Vec<String>,
}

/// One device of [`Effective`].
#[derive(Clone, Debug)]
pub struct EffectiveDevice {
    pub name: String,
    pub driver: String,
    pub mode: Mode,
    /// Whether every queue is in zero-copy mode.
    pub zero_copy: bool,
    /// Those that are.
    pub zero_copy_queues: Vec<u32>,
    pub queues: u32,
    /// Bytes of a frame of the UMEM.
    pub frame_size: u32,
    /// Bytes of memory that the kernel pins for each queue.
    pub umem_bytes: u64,
    pub tx_budget: u32,
    pub hugepages: bool,
}
