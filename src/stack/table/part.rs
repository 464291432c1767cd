//! One core's part of the table.

use std::ops::Deref;

use thiserror::Error;
use zerocopy::FromZeros;

use super::probe::Refusal;
use super::slab::Slab;
use super::view::{TableError, View};
use super::word::{Tag, Word};
use super::{Found, Slot};
use crate::wire::FlowKey;

/// Makes the table: one part per core, each with room for `per_core` connections.
///
/// Costs 16 bytes of index and one line ([`super::line_size`]) per connection in address space; memory
/// follows as connections come.
///
/// # Errors
/// [`TableError`]: no or too many cores or connections, or no memory.
pub fn table<K, V>(cores: usize, per_core: u32) -> Result<Vec<Shard<K, V>>, TableError>
where
    K: FlowKey,
    V: FromZeros + Copy + Send,
{
    let (view, own) = View::new(cores, per_core)?;
    let part = |lines| Shard { view: view.clone(), slab: Slab::new(lines), alone: cores == 1 };
    Ok(own.into_iter().map(part).collect())
}

/// Why a key was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InsertError {
    #[error("the key is a member already: {0:?}")]
    Exists(Found),
    #[error("every place of the index where this key may live is taken")]
    TableFull,
    #[error("every slot of this core is in use")]
    SlotsFull,
    /// Looking again, now or when the segment comes again, finds the other core's entry.
    #[error("another core is inserting this key")]
    Raced,
}

/// What one core holds: its slots, and a view of the whole. Send, neither Clone nor Sync.
///
/// Every `hash` is [`FlowKey::hash`] of the key, with the same secret in the whole process. A slot that is not this core's gives `None`, never a panic.
pub struct Shard<K: FlowKey, V> {
    view: View<K, V>,
    slab: Slab<K, V>,
    /// There is one core: no rival inserts.
    alone: bool,
}

/// Whatever a [`View`] can, a part can.
impl<K: FlowKey, V> Deref for Shard<K, V> {
    type Target = View<K, V>;

    #[inline]
    fn deref(&self) -> &View<K, V> {
        &self.view
    }
}

impl<K: FlowKey, V: Copy> Shard<K, V> {
    /// Makes the key a member, in a slot of this core.
    ///
    /// # Errors
    /// [`InsertError`]; the table is then as before.
    #[inline]
    pub fn insert(&mut self, key: K, hash: u32, value: V) -> Result<Slot, InsertError> {
        match self.view.find(&key, hash) {
            Some(found) => Err(InsertError::Exists(found)),
            None => self.insert_absent(key, hash, || value),
        }
    }

    /// As [`Shard::insert`], for a caller that has just looked for the key and not found it. Another
    /// core may have inserted it since, and is met; this core must not have. `value` is made in its
    /// place: copied there from a stack where it was just written in pieces, it would be waited for.
    ///
    /// # Errors
    /// [`InsertError`]; the table is then as before.
    #[inline]
    pub fn insert_absent(
        &mut self,
        key: K,
        hash: u32,
        value: impl FnOnce() -> V,
    ) -> Result<Slot, InsertError> {
        let words = key.to_words();
        let probe = self.view.index().probe(hash);
        let same = |slot| self.view.lines().key_is(slot, &words);
        let (slot, generation) = self.slab.take().ok_or(InsertError::SlotsFull)?;
        self.slab.lines.store_key(slot, &words);
        let entry = Word::tentative(Tag::of(hash), generation, slot);
        let verdict = if self.alone { probe.insert_alone(entry) } else { probe.insert(entry, same) };
        match verdict {
            Ok(()) => {
                if let Some(place) = self.slab.lines.value_mut(slot) {
                    *place = value();
                }
                Ok(Slot(slot))
            }
            Err(refusal) => {
                self.slab.give(slot, generation);
                Err(self.error(refusal))
            }
        }
    }

    /// Takes the connection in `slot` out and returns its state. None when the slot is not this
    /// core's, not in use, or not under this hash.
    #[inline(always)]
    pub fn remove(&mut self, slot: Slot, hash: u32) -> Option<V> {
        let value = *self.slab.lines.value(slot.0)?;
        let word = self.view.index().probe(hash).remove(slot.0)?;
        self.slab.give(slot.0, word.generation());
        Some(value)
    }

    /// The state of the connection in a slot of this core.
    #[inline]
    pub fn value(&self, slot: Slot) -> Option<&V> {
        self.slab.lines.value(slot.0)
    }

    /// As [`Shard::value`], to change it.
    #[inline]
    pub fn value_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.slab.lines.value_mut(slot.0)
    }

    /// The key of the connection in a slot of this core. Without meaning when the slot is not in use.
    #[inline]
    pub fn key(&self, slot: Slot) -> Option<K> {
        self.owns(slot).then(|| K::from_words(self.view.lines().key(slot.0)))
    }

    /// Whether the connection with this key lives in `slot`, one of this core's that was in use not
    /// long ago: if it has been freed since, two words of its key are the slab's. Should they equal the
    /// key's, the value is the last one's, which knows that it has ended.
    #[inline]
    pub fn holds(&self, slot: Slot, key: &K) -> bool {
        self.owns(slot) && self.view.lines().key_is(slot.0, &key.to_words())
    }

    /// The first of this core's slots, which lie side by side.
    #[inline]
    pub fn first(&self) -> Slot {
        Slot(self.slab.lines.first())
    }

    /// Whether the slot is this core's.
    #[inline]
    pub fn owns(&self, slot: Slot) -> bool {
        self.slab.lines.has(slot.0)
    }

    /// Connections of this core.
    #[inline]
    pub fn len(&self) -> usize {
        self.slab.live()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of this core's slots, how many were ever in use: they are the first ones.
    #[inline]
    pub fn used(&self) -> u32 {
        self.slab.used()
    }

    /// Slots of this core.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slab.lines.count() as usize
    }

    #[cold]
    fn error(&self, refusal: Refusal) -> InsertError {
        match refusal {
            Refusal::Exists(slot) => InsertError::Exists(self.view.found(slot)),
            Refusal::Raced => InsertError::Raced,
            Refusal::Full => InsertError::TableFull,
        }
    }
}
