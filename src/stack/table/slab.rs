//! A core's free slots: freed ones last in, first out, since their lines are warm; unused ones in order,
//! so that memory that is not needed is not touched.

use super::entry::Generation;
use super::prefetch::prefetch;
use super::slots::OwnedSlots;
use crate::wire::FlowKey;

/// The end of the list of freed slots: not a slot, since slots have 28 bits.
const NONE: u32 = u32::MAX;
/// Lines of unused slots are prefetched this many insertions ahead.
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
    #[inline]
    pub(super) fn take(&mut self) -> Option<(u32, Generation)> {
        let taken = match self.slots.free_link(self.freed) {
            Some([next, generation]) => {
                let slot = std::mem::replace(&mut self.freed, next);
                (slot, Generation::from_bits(generation))
            }
            None if self.next_unused < self.slots.count() => {
                let slot = self.slots.first() + self.next_unused;
                self.next_unused += 1;
                (slot, Generation::FIRST)
            }
            None => return None,
        };
        self.live += 1;
        // The line of a later insertion: it arrives meanwhile.
        prefetch(self.slots.of_core(if self.freed == NONE {
            self.slots.first() + self.next_unused + AHEAD
        } else {
            self.freed
        }));
        Some(taken)
    }

    /// Takes back a slot whose entry, of this generation, is out of the index.
    #[inline]
    pub(super) fn give(&mut self, slot: u32, generation: Generation) {
        self.slots.store_free_link(slot, [self.freed, generation.next().bits()]);
        self.freed = slot;
        self.live -= 1;
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
