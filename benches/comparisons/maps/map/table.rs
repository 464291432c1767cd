//! The table as it is, and the alternative: one index per core.

use handfast_stack::table::{Shard, Slot, table};
use handfast_stack::wire::FlowKey4;
use hashbrown::HashTable;

use super::key::{hash, value, wide};
use super::{BATCH, MapHandle, Size, State};

/// One index for all threads, each with its part of the connections.
pub fn shared(size: &Size) -> Vec<HandfastTable> {
    table(size.threads, size.per_thread())
        .expect("address space for a table")
        .into_iter()
        .map(HandfastTable)
        .collect()
}

/// One table per thread.
pub fn per_core(size: &Size) -> Vec<HandfastTable> {
    let alone = Size { capacity: size.per_thread(), threads: 1, ..*size };
    (0..size.threads).flat_map(|_| shared(&alone)).collect()
}

/// As [`per_core`], with hashbrown's hash table as the index.
pub fn hashed(size: &Size) -> Vec<HashTablePerCore> {
    (0..size.threads).map(|_| HashTablePerCore::new(size.per_thread() as usize)).collect()
}

pub struct HandfastTable(Shard<FlowKey4, State>);

impl HandfastTable {
    /// Hashes up to [`BATCH`] keys and prefetches their buckets.
    #[inline]
    fn hashes(&self, keys: &[FlowKey4]) -> [u32; BATCH] {
        let mut hashes = [0; BATCH];
        for (hashed, key) in hashes.iter_mut().zip(keys) {
            *hashed = hash(key);
            self.0.prefetch(*hashed);
        }
        hashes
    }

    /// Also prefetches the lines of probable matches.
    #[inline]
    fn prefetched(&self, keys: &[FlowKey4]) -> [u32; BATCH] {
        let hashes = self.hashes(keys);
        for hash in &hashes[..keys.len()] {
            if let Some(slot) = self.0.candidate(*hash) {
                self.0.prefetch_slot(slot);
            }
        }
        hashes
    }

    #[inline]
    fn find_hashed(&self, key: &FlowKey4, hash: u32) -> Option<State> {
        let found = self.0.find(key, hash)?;
        self.0.value(found.slot).copied()
    }

    #[inline]
    fn remove_hashed(&mut self, key: &FlowKey4, hash: u32) -> bool {
        let slot: Option<Slot> = self.0.find(key, hash).map(|found| found.slot);
        slot.is_some_and(|slot| self.0.remove(slot, hash).is_some())
    }
}

impl MapHandle for HandfastTable {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        self.find_hashed(key, hash(key))
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        self.0.insert(key, hash(&key), value).is_ok()
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        self.remove_hashed(key, hash(key))
    }

    #[inline]
    fn find_batch(&mut self, keys: &[FlowKey4], mut each: impl FnMut(Option<State>)) {
        for keys in keys.chunks(BATCH) {
            let hashes = self.prefetched(keys);
            keys.iter().zip(hashes).for_each(|(key, hash)| each(self.find_hashed(key, hash)));
        }
    }

    #[inline]
    fn insert_batch(&mut self, keys: &[FlowKey4]) -> usize {
        let mut inserted = 0;
        for keys in keys.chunks(BATCH) {
            for (key, hash) in keys.iter().zip(self.hashes(keys)) {
                inserted += usize::from(self.0.insert(*key, hash, value(key)).is_ok());
            }
        }
        inserted
    }

    #[inline]
    fn remove_batch(&mut self, keys: &[FlowKey4]) -> usize {
        let mut removed = 0;
        for keys in keys.chunks(BATCH) {
            for (key, hash) in keys.iter().zip(self.prefetched(keys)) {
                removed += usize::from(self.remove_hashed(key, hash));
            }
        }
        removed
    }
}

/// Connections keep their slot, as in the table: timers and services refer to it.
pub struct HashTablePerCore {
    index: HashTable<u32>,
    lines: Vec<Line>,
    free: Vec<u32>,
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line {
    key: FlowKey4,
    value: State,
}

impl HashTablePerCore {
    fn new(capacity: usize) -> HashTablePerCore {
        HashTablePerCore {
            index: HashTable::with_capacity(capacity),
            lines: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
        }
    }
}

impl MapHandle for HashTablePerCore {
    #[inline]
    fn find(&mut self, key: &FlowKey4) -> Option<State> {
        let slot = self.index.find(wide(hash(key)), |slot| self.lines[*slot as usize].key == *key)?;
        Some(self.lines[*slot as usize].value)
    }

    #[inline]
    fn insert(&mut self, key: FlowKey4, value: State) -> bool {
        let HashTablePerCore { index, lines, free } = self;
        let hashed = wide(hash(&key));
        if index.find(hashed, |slot| lines[*slot as usize].key == key).is_some() {
            return false;
        }
        let line = Line { key, value };
        let slot = match free.pop() {
            Some(slot) => {
                lines[slot as usize] = line;
                slot
            }
            None => {
                lines.push(line);
                (lines.len() - 1) as u32
            }
        };
        index.insert_unique(hashed, slot, |slot| wide(hash(&lines[*slot as usize].key)));
        true
    }

    #[inline]
    fn remove(&mut self, key: &FlowKey4) -> bool {
        let HashTablePerCore { index, lines, free } = self;
        match index.find_entry(wide(hash(key)), |slot| lines[*slot as usize].key == *key) {
            Ok(entry) => {
                free.push(entry.remove().0);
                true
            }
            Err(_) => false,
        }
    }
}
