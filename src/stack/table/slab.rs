//! A core's free slots: freed ones last in, first out, since their lines are warm; unused ones in order,
//! so that memory that is not needed is not touched.

use super::entry::Generation;
use super::prefetch::prefetch;
use super::slots::{OwnLine, OwnedSlots};
use crate::wire::FlowKey;

/// The end of the list of freed slots: not a slot, since slots have 28 bits.
const NONE: u32 = u32::MAX;
/// Lines of unused slots are prefetched this many insertions ahead: they arrive meanwhile.
const AHEAD: u32 = 4;

pub(super) struct Slab<K: FlowKey, V> {
    pub slots: OwnedSlots<K, V>,
    /// The slot freed last. Its link holds the next one and its own generation.
    freed: u32,
    /// Slots from here on were never in use.
    next_unused: u32,
    live: u32,
}

impl<K: FlowKey, V> Slab<K, V> {
    pub(super) fn new(slots: OwnedSlots<K, V>) -> Self {
        Slab { slots, freed: NONE, next_unused: 0, live: 0 }
    }

    /// Takes a slot, and the generation to publish it with.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Option<(UsedSlot<'_, K, V>, Generation)> {
        let Slab { slots, freed, next_unused, live } = self;
        let (slot, generation) = if *freed == NONE {
            let slot = slots.first() + *next_unused;
            prefetch(slots.of_core(slot + AHEAD));
            if !slots.contains(slot) {
                return None;
            }
            *next_unused += 1;
            (slot, Generation::FIRST)
        } else {
            let slot = *freed;
            let [next, generation] = slots.free_link(slot)?;
            prefetch(slots.of_core(next));
            *freed = next;
            (slot, Generation::from_bits(generation))
        };
        let line = slots.line_mut(slot)?;
        *live += 1;
        Some((UsedSlot { slot, line, freed, live }, generation))
    }

    /// A slot that [`Slab::take`] returned before; none when the slot is not this core's.
    #[inline(always)]
    pub(super) fn used_slot(&mut self, slot: u32) -> Option<UsedSlot<'_, K, V>> {
        let Slab { slots, freed, live, .. } = self;
        Some(UsedSlot { slot, line: slots.line_mut(slot)?, freed, live })
    }

    /// The number of slots that were ever in use: the first ones.
    #[inline]
    pub(super) fn used(&self) -> u32 {
        self.next_unused
    }

    #[inline]
    pub(super) fn live(&self) -> usize {
        self.live as usize
    }
}

/// A slot in use: its line, and the list that takes it back.
pub(super) struct UsedSlot<'a, K: FlowKey, V> {
    slot: u32,
    line: OwnLine<'a, K, V>,
    freed: &'a mut u32,
    live: &'a mut u32,
}

impl<'a, K: FlowKey, V> UsedSlot<'a, K, V> {
    #[inline(always)]
    pub(super) fn slot(&self) -> u32 {
        self.slot
    }

    /// Writes the key, before the entry is published.
    #[inline(always)]
    pub(super) fn store_key(&mut self, key: &K::Words) {
        self.line.store_key(key);
    }

    /// The value, of the slot's last connection until it is written.
    #[inline(always)]
    pub(super) fn value(self) -> &'a mut V {
        self.line.value
    }

    /// Gives the slot back, whose entry, of this generation, is out of the index. Returns its value.
    #[inline(always)]
    pub(super) fn give_back(mut self, generation: Generation) -> &'a V {
        self.line.store_free_link([*self.freed, generation.next().bits()]);
        *self.freed = self.slot;
        *self.live -= 1;
        self.line.value
    }
}
