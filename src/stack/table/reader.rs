//! What every thread may do with the table: find a key, list all keys.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;

use thiserror::Error;
use zerocopy::FromZeros;

use super::bucket::MAX_CORES;
use super::entry::MAX_SLOTS;
use super::index::Index;
use super::prefetch::prefetch;
use super::shape::Ordering::{Acquire, Relaxed};
use super::shape::{WAYS, fence};
use super::slots::{OwnedSlots, Slots};
use super::{Found, Slot};
use crate::wire::FlowKey;

/// Why there is no table.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, Error)]
pub enum TableError {
    /// No core, or more cores than can share a table.
    #[error("a connection table for {cores} cores: between 1 and {MAX_CORES} can share one")]
    Cores { cores: usize },
    /// No slot for a core, or more slots in all than the index can name.
    #[error(
        "a connection table of {cores} cores times {per_core} connections: at least 1 and at most \
         {MAX_SLOTS} in all"
    )]
    Capacity { cores: usize, per_core: u32 },
    /// The kernel gives no address space for the slots.
    #[error(
        "no address space for a connection table of {cores} cores times {per_core} connections: {source}"
    )]
    Memory { cores: usize, per_core: u32, source: io::Error },
}

/// The whole table, read only: for tools, and below every [`super::Shard`].
pub struct TableReader<K: FlowKey, V> {
    index: Arc<Index>,
    slots: Arc<Slots<K, V>>,
    per_core: NonZeroU32,
}

impl<K: FlowKey, V> Clone for TableReader<K, V> {
    fn clone(&self) -> Self {
        TableReader {
            index: Arc::clone(&self.index),
            slots: Arc::clone(&self.slots),
            per_core: self.per_core,
        }
    }
}

impl<K: FlowKey, V: FromZeros + Copy + Send> TableReader<K, V> {
    /// Memory for the table, and the right to each core's values.
    pub(super) fn new(cores: usize, per_core: u32) -> Result<(Self, Vec<OwnedSlots<K, V>>), TableError> {
        if !(1..=MAX_CORES).contains(&cores) {
            return Err(TableError::Cores { cores });
        }
        let slots = cores as u64 * u64::from(per_core);
        let Some(slots_per_core) = NonZeroU32::new(per_core).filter(|_| slots <= MAX_SLOTS) else {
            return Err(TableError::Capacity { cores, per_core });
        };
        let memory = |source| TableError::Memory { cores, per_core, source };
        let index = Arc::new(Index::new(slots).map_err(memory)?);
        let (slots, own) = Slots::split(cores, per_core).map_err(memory)?;
        Ok((TableReader { index, slots, per_core: slots_per_core }, own))
    }
}

impl<K: FlowKey, V> TableReader<K, V> {
    /// The member with this key, whichever core's. Wait-free.
    ///
    /// `hash` is [`TuplePrf::hash`](crate::wire::TuplePrf::hash) of the key, with the same secret in the
    /// whole process.
    #[inline]
    pub fn find(&self, key: &K, hash: u32) -> Option<Found> {
        let slots = self.slots();
        self.index
            .probe(hash)?
            .find(move |slot| slots.key_is(slot, &key.to_words()))
            .map(|word| self.found(word.slot()))
    }

    /// The slot that [`TableReader::find`] will most likely read, for [`TableReader::prefetch_slot`] and then
    /// [`super::Shard::is_at`]: the tag matches, the key was not compared.
    #[inline]
    pub fn candidate(&self, hash: u32) -> Option<Slot> {
        self.index.probe(hash)?.candidate().map(|word| Slot(word.slot()))
    }

    /// Starts to load the home bucket.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        prefetch(self.index.home_bucket(hash));
    }

    /// Starts to load the first cache line of a slot.
    #[inline]
    pub fn prefetch_slot(&self, slot: Slot) {
        prefetch(self.slots.line(slot.0));
    }

    /// Calls `each` for every member. A member inserted or removed meanwhile may or may not be listed;
    /// each key that is listed was a member.
    pub fn for_each_key(&self, mut each: impl FnMut(K, Found)) {
        for bucket in self.index.buckets() {
            for way in 0..WAYS {
                let word = bucket.load(way, Acquire); // E
                if !word.is_member() {
                    continue;
                }
                let key = self.slots.key(word.slot());
                fence(Acquire); // F
                if bucket.load(way, Relaxed) == word {
                    each(K::from_words(key), self.found(word.slot()));
                }
            }
        }
    }

    /// Populates all memory of the table now, so that no connection causes a page fault later.
    ///
    /// # Errors
    /// What madvise(2) says.
    pub fn populate(&self) -> std::io::Result<()> {
        self.index.populate()?;
        self.slots.populate()
    }

    /// As [`TableReader::populate`], for the index alone: each connection touches another page of it.
    ///
    /// # Errors
    /// What madvise(2) says.
    pub fn populate_index(&self) -> std::io::Result<()> {
        self.index.populate()
    }

    /// Bytes of address space for index and lines. Only touched pages are resident.
    pub fn memory_bytes(&self) -> usize {
        self.index.bytes() + self.slots.bytes()
    }

    #[inline]
    pub(super) fn found(&self, slot: u32) -> Found {
        Found { slot: Slot(slot), owner: (slot / self.per_core) as usize }
    }

    #[inline]
    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    #[inline]
    pub(super) fn slots(&self) -> &Slots<K, V> {
        &self.slots
    }
}
