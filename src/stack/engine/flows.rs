//! The connections of one address family on one core.

use super::batch::{ConnRef, PendingReset};
use super::fast_path::FastPath;
use super::link_cache::NO_NEXT_HOP;
use super::listener_cache::ListenerCache;
use super::oldest::Oldest;
use super::sweep::Sweep;
use super::syn_load::SynLoad;
use super::timers::Timers;
use crate::table::{Shard, Slot, line_size};
use crate::tcp::{Tcb, Time};
use crate::wire::{FlowKey4, FlowKey6, PacketKey};

/// Connections with pending output and no frame, at most: many times what one poll adds. Others retry a
/// moment later.
pub(super) const MAX_PENDING: usize = 4096;
/// RSTs that wait for the end of the poll, at most.
pub(super) const MAX_RESETS: usize = 1024;

pub(super) struct Flows<K: PacketKey> {
    pub(super) shard: Shard<K, Tcb>,
    pub(super) timers: Timers,
    pub(super) syn_load: SynLoad,
    /// Connections in slots before this one are in the filter of known flows; 0: none is kept.
    pub(super) filtered: u32,
    pub(super) time_wait: u32,
    pub(super) listener_cache: ListenerCache<K>,
    pub(super) fast: FastPath<K>,
    /// Connections with output and no received frame to send it in.
    pub(super) pending: Vec<ConnRef<K>>,
    /// RSTs to peers whose connections gave way, for the end of the poll.
    pub(super) resets: Vec<PendingReset<K>>,
    pub(super) sweep: Sweep,
    pub(super) oldest: Oldest,
    /// The link cache's entry for SYNs of ours.
    pub(super) next_hop: u16,
    /// From a slot to its connection's number, modulo 2^32.
    id_offset: u32,
}

// A half-open or idle connection is one cache line over IPv4, two over IPv6.
const _: () = assert!(line_size::<FlowKey4, Tcb>() == 64 && line_size::<FlowKey6, Tcb>() == 128);

impl<K: PacketKey> Flows<K> {
    /// `first_number`: connections of this family are numbered from there on.
    pub(super) fn new(
        shard: Shard<K, Tcb>,
        (fast, syn_load): (FastPath<K>, SynLoad),
        first_number: u32,
        now: Time,
    ) -> Flows<K> {
        Flows {
            timers: Timers::new(now),
            syn_load,
            filtered: 0,
            time_wait: 0,
            listener_cache: ListenerCache::new(),
            fast,
            pending: Vec::with_capacity(MAX_PENDING),
            resets: Vec::with_capacity(MAX_RESETS),
            sweep: Sweep::default(),
            oldest: Oldest::default(),
            next_hop: NO_NEXT_HOP,
            id_offset: first_number.wrapping_sub(shard.first().0),
            shard,
        }
    }

    /// The number by which services know a connection.
    #[inline]
    pub(super) fn number(&self, slot: Slot) -> u32 {
        slot.0.wrapping_add(self.id_offset)
    }

    /// The slot of the connection with this number.
    pub(super) fn slot(&self, number: u32) -> Slot {
        Slot(number.wrapping_sub(self.id_offset))
    }
}
