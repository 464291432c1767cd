//! A core's slots: used ones last in, first out, since their lines are warm; fresh ones in order,
//! so that memory that was never needed is never touched.

use super::lines::OwnLines;
use super::prefetch::prefetch;
use super::word::Generation;
use crate::wire::FlowKey;

/// Ends the list of freed slots: no slot, since slots have 28 bits.
const NONE: u32 = u32::MAX;
/// Fresh lines are asked for so many insertions ahead.
const AHEAD: u32 = 4;

pub(super) struct Slab<K: FlowKey, V> {
    pub lines: OwnLines<K, V>,
    /// The slot freed last. A freed slot's spare words hold the next one and its generation.
    freed: u32,
    /// Slots that were ever in use.
    fresh: u32,
    live: u32,
}

impl<K: FlowKey, V> Slab<K, V> {
    pub fn new(lines: OwnLines<K, V>) -> Self {
        Slab { lines, freed: NONE, fresh: 0, live: 0 }
    }

    /// A slot and the generation it is to be published with.
    #[inline]
    pub fn take(&mut self) -> Option<(u32, Generation)> {
        let taken = match self.lines.spare(self.freed) {
            Some([next, generation]) => {
                let slot = std::mem::replace(&mut self.freed, next);
                (slot, Generation::from_bits(generation))
            }
            None if self.fresh < self.lines.count() => {
                let slot = self.lines.first() + self.fresh;
                self.fresh += 1;
                (slot, Generation::FIRST)
            }
            None => return None,
        };
        self.live += 1;
        // The line of an insertion to come: there is time for it to arrive until then.
        prefetch(self.lines.any(if self.freed == NONE {
            self.lines.first() + self.fresh + AHEAD
        } else {
            self.freed
        }));
        Some(taken)
    }

    /// Takes back a slot whose word, of this generation, is out of the index.
    #[inline]
    pub fn give(&mut self, slot: u32, generation: Generation) {
        self.lines.store_spare(slot, [self.freed, generation.next().bits()]);
        self.freed = slot;
        self.live -= 1;
    }

    /// Slots that were ever in use: the first ones.
    #[inline]
    pub fn used(&self) -> u32 {
        self.fresh
    }

    #[inline]
    pub fn live(&self) -> usize {
        self.live as usize
    }
}
