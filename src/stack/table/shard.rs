//! One core's share of the table.

use std::ops::Deref;

use thiserror::Error;
use zerocopy::FromZeros;

use super::entry::{Entry, Tag};
use super::probe::InsertRefusal;
use super::reader::{TableError, TableReader};
use super::slab::Slab;
use super::{Found, Slot};
use crate::wire::FlowKey;

/// Makes the table: one shard per core, each with room for `per_core` connections.
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
    let (reader, own) = TableReader::new(cores, per_core)?;
    let shard = |slots| Shard { reader: reader.clone(), slab: Slab::new(slots), single_core: cores == 1 };
    Ok(own.into_iter().map(shard).collect())
}

/// Why a key was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InsertError {
    /// A slot, of this core or another, holds the key already.
    #[error("the key is a member already: {0:?}")]
    Exists(Found),
    /// The index has no free place for this key.
    #[error("every place of the index where this key may live is taken")]
    TableFull,
    /// This core has no free slot.
    #[error("every slot of this core is in use")]
    SlotsFull,
    /// A later look-up, now or when the segment is retransmitted, finds the other core's entry.
    #[error("another core is inserting this key")]
    Raced,
}

/// One core's slots, and a reader of the whole table. Send, neither Clone nor Sync.
///
/// Every `hash` is [`TuplePrf::hash`](crate::wire::TuplePrf::hash) of the key, with the same secret in the
/// whole process. A slot that is not this core's gives `None`, never a panic.
pub struct Shard<K: FlowKey, V> {
    reader: TableReader<K, V>,
    slab: Slab<K, V>,
    /// There is one core: no concurrent inserter.
    single_core: bool,
}

/// A shard can do whatever a [`TableReader`] can.
impl<K: FlowKey, V> Deref for Shard<K, V> {
    type Target = TableReader<K, V>;

    #[inline]
    fn deref(&self) -> &TableReader<K, V> {
        &self.reader
    }
}

impl<K: FlowKey, V: Copy> Shard<K, V> {
    /// Makes the key a member, in a slot of this core.
    ///
    /// # Errors
    /// [`InsertError`]; the table is then as before.
    #[inline]
    pub fn insert(&mut self, key: K, hash: u32, value: V) -> Result<Slot, InsertError> {
        let (slot, place) = self.find_or_insert(&key, hash)?;
        *place = value;
        Ok(slot)
    }

    /// As [`Shard::insert`], for a caller that writes the value in place: the value returned is that of the
    /// slot's last connection, or zeros. A copy of a value that was just written in pieces would stall.
    ///
    /// # Errors
    /// [`InsertError`]; the table is then as before.
    #[inline(always)]
    pub fn find_or_insert(&mut self, key: &K, hash: u32) -> Result<(Slot, &mut V), InsertError> {
        let Shard { reader, slab, single_core } = self;
        let slots = reader.slots();
        let same = move |slot| slots.key_is(slot, &key.to_words());
        let probe = reader.index().probe(hash).ok_or(InsertError::TableFull)?;
        let absent =
            probe.find_or_absent(same).map_err(|member| InsertError::Exists(reader.found(member.slot())))?;
        let (mut taken, generation) = slab.take().ok_or(InsertError::SlotsFull)?;
        taken.store_key(&key.to_words());
        let entry = Entry::tentative(Tag::of(hash), generation, taken.slot());
        let inserted = match *single_core {
            true => probe.insert_exclusive(absent, entry),
            false => probe.insert(absent, entry, same),
        };
        match inserted {
            Ok(()) => Ok((Slot(taken.slot()), taken.value())),
            Err(refusal) => {
                taken.give_back(generation);
                Err(error(reader, refusal))
            }
        }
    }

    /// Takes the connection in `slot` out of the index. Returns its value, which stays until the slot is
    /// used again. `None`: the slot is not this core's, not in use, or not in the index under this hash.
    #[inline(always)]
    pub fn remove(&mut self, slot: Slot, hash: u32) -> Option<&V> {
        let Shard { reader, slab, .. } = self;
        let used = slab.used_slot(slot.0)?;
        let word = reader.index().probe(hash)?.remove(slot.0)?;
        Some(used.give_back(word.generation()))
    }

    /// The state of the connection in a slot of this core.
    #[inline]
    pub fn value(&self, slot: Slot) -> Option<&V> {
        self.slab.slots.value(slot.0)
    }

    /// As [`Shard::value`], to change it.
    #[inline]
    pub fn value_mut(&mut self, slot: Slot) -> Option<&mut V> {
        self.slab.slots.value_mut(slot.0)
    }

    /// The state of the connection with this key, if it is in `slot`, one of this core's: as
    /// [`Shard::is_at`] and [`Shard::value_mut`].
    #[inline(always)]
    pub fn value_at(&mut self, slot: Slot, key: &K) -> Option<&mut V> {
        self.slab.slots.value_at(slot.0, &key.to_words())
    }

    /// The key of the connection in a slot of this core. Without meaning when the slot is not in use.
    #[inline]
    pub fn key(&self, slot: Slot) -> Option<K> {
        self.contains(slot).then(|| K::from_words(self.reader.slots().key(slot.0)))
    }

    /// Whether the connection with this key is in `slot`, one of this core's that was in use recently. If
    /// it has been freed since, two words of its key are the slab's link. If they happen to equal the
    /// key's, the value is the last one's, which is marked as ended.
    #[inline]
    pub fn is_at(&self, slot: Slot, key: &K) -> bool {
        self.slab.slots.key_is(slot.0, &key.to_words())
    }

    /// The first of this core's slots, which are contiguous.
    #[inline]
    pub fn first(&self) -> Slot {
        Slot(self.slab.slots.first())
    }

    /// Whether the slot is this core's.
    #[inline]
    pub fn contains(&self, slot: Slot) -> bool {
        self.slab.slots.contains(slot.0)
    }

    /// Connections of this core.
    #[inline]
    pub fn len(&self) -> usize {
        self.slab.live()
    }

    /// Whether this core has no connections.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of this core's slots that were ever in use: the first ones.
    #[inline]
    pub fn used(&self) -> u32 {
        self.slab.used()
    }

    /// Slots of this core.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.slab.slots.count() as usize
    }
}

#[cold]
fn error<K: FlowKey, V>(reader: &TableReader<K, V>, refusal: InsertRefusal) -> InsertError {
    match refusal {
        InsertRefusal::Exists(slot) => InsertError::Exists(reader.found(slot)),
        InsertRefusal::Raced => InsertError::Raced,
        InsertRefusal::Full => InsertError::TableFull,
    }
}
