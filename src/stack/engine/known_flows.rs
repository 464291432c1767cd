//! The filter of known flows, which the cookie tier's program reads: while it is kept, every connection of
//! the table is in it. It is kept only while the tier is at work, since each connection then costs two hashes
//! and eight counters; SYNs take the general path meanwhile.
//!
//! A core fills it from its table in parts, between two polls. [`Flows::filtered`] says how far that has
//! come: connections in slots before it are in the filter, later ones are added when the search gets there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Release};

use super::core::Core;
use super::flows::Flows;
use super::port::Port;
use super::worker::Worker;
use crate::table::Slot;
use crate::tcp::{State, Tcb};
use crate::wire::PacketKey;
use crate::xdp::FlowFilter;

/// Slots that are looked at in one poll.
const SLOTS: u32 = 4096;

/// A search of the table that is not over.
pub(super) struct FilterSearch {
    /// Counts the cores that have finished.
    done: Arc<AtomicUsize>,
}

impl<P: Port> Worker<P> {
    /// Keeps the filter from now on. `done` counts this core once all of its connections are in it.
    pub fn keep_filter(&mut self, filter: Arc<FlowFilter>, done: Arc<AtomicUsize>) {
        self.drop_filter();
        self.core.filter = Some(filter);
        self.core.choose_path();
        self.search = Some(FilterSearch { done });
    }

    /// Keeps no filter any more. Connections stay in the one that was kept.
    pub fn drop_filter(&mut self) {
        (self.v4.filtered, self.v6.filtered) = (0, 0);
        (self.core.filter, self.search) = (None, None);
        self.core.choose_path();
    }

    /// Adds some of the connections that the filter does not have yet. Returns the number of slots looked at.
    #[inline]
    pub(super) fn fill_filter(&mut self) -> usize {
        if self.search.is_none() { 0 } else { self.fill_some() }
    }

    #[cold]
    fn fill_some(&mut self) -> usize {
        let Worker { core, v4, v6, .. } = self;
        let Some(filter) = &core.filter else { return 0 };
        let looked = v4.filter_some(filter) + v6.filter_some(filter);
        if looked == 0
            && let Some(FilterSearch { done }) = self.search.take()
        {
            // The counters were written before.
            done.fetch_add(1, Release);
        }
        looked as usize
    }
}

impl<K: PacketKey> Flows<K> {
    /// Adds the connections of the next slots; how many slots these are. 0: all are in it.
    fn filter_some(&mut self, filter: &FlowFilter) -> u32 {
        let first = self.shard.first().0;
        let end = first + self.shard.used();
        let from = self.filtered.max(first);
        if from >= end {
            self.filtered = u32::MAX;
            return 0;
        }
        let to = end.min(from + SLOTS);
        for slot in (from..to).map(Slot) {
            if self.shard.value(slot).is_some_and(|tcb| tcb.state != State::Closed)
                && let Some(key) = self.shard.key(slot)
            {
                filter.add(&key);
            }
        }
        self.filtered = to;
        to - from
    }

    /// A connection has taken a slot.
    #[inline]
    pub(super) fn note_known(&self, core: &Core, slot: Slot, key: &K) {
        if slot.0 < self.filtered
            && let Some(filter) = &core.filter
        {
            filter.add(key);
        }
    }

    /// Frees the slot of a connection that has ended.
    #[inline(always)]
    pub(super) fn remove(&mut self, core: &Core, slot: Slot, hash: u32) -> Option<&Tcb> {
        if slot.0 < self.filtered {
            self.forget_known(core, slot);
        }
        self.shard.remove(slot, hash)
    }

    #[cold]
    fn forget_known(&self, core: &Core, slot: Slot) {
        if let (Some(filter), Some(key)) = (&core.filter, self.shard.key(slot)) {
            filter.remove(&key);
        }
    }
}
