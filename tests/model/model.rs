//! The table without its memory: the protocol, and keys to go with it, two words that are written
//! and compared as the table's `slots` does.

use crate::bucket::SPAN;
use crate::entry::{Entry, Generation, Tag};
use crate::probe::{InsertRefusal, Probe};
use crate::shape::{Bucket, WAYS};
use crate::sync::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};

const TAG: u32 = 5;

/// Two words, so that a reader may see half of one key and half of another.
pub type Key = [u32; 2];

/// The key whose words are both `n`.
pub fn key(n: u32) -> Key {
    [n, n]
}

pub struct Model {
    buckets: [Bucket; SPAN],
    keys: Vec<[AtomicU32; 2]>,
}

impl Model {
    pub fn new(slots: usize) -> Self {
        Model {
            buckets: std::array::from_fn(|_| Bucket::new()),
            keys: (0..slots).map(|_| [AtomicU32::new(0), AtomicU32::new(0)]).collect(),
        }
    }

    fn probe(&self) -> Probe<'_> {
        Probe::new(&self.buckets, Tag::of(TAG))
    }

    fn key_is(&self, slot: u32, key: Key) -> bool {
        self.keys[slot as usize].iter().zip(key).all(|(word, wanted)| word.load(Relaxed) == wanted)
    }

    /// As `Shard::find_or_insert` with several cores.
    pub fn find_or_insert(&self, key: Key, slot: u32, generation: Generation) -> Result<(), InsertRefusal> {
        let same = |other| self.key_is(other, key);
        let absent = self.probe().find_or_absent(same).map_err(|word| InsertRefusal::Exists(word.slot()))?;
        self.keys[slot as usize].iter().zip(key).for_each(|(word, new)| word.store(new, Relaxed));
        self.probe().insert(absent, Entry::tentative(Tag::of(TAG), generation, slot), same)
    }

    pub fn remove(&self, slot: u32) -> Option<Entry> {
        self.probe().remove(slot)
    }

    pub fn find(&self, key: Key) -> Option<Entry> {
        self.probe().find(|slot| self.key_is(slot, key))
    }

    /// Slots of the members with this key, when nobody moves any more.
    pub fn members(&self, key: Key) -> Vec<u32> {
        let members = entries(&self.buckets).filter(|word| word.is_member()).map(Entry::slot);
        members.filter(|slot| self.key_is(*slot, key)).collect()
    }

    /// Members with any key.
    pub fn all_members(&self) -> usize {
        entries(&self.buckets).filter(|word| word.is_member()).count()
    }

    /// Members that do not live at home.
    pub fn away(&self) -> usize {
        entries(&self.buckets[1..]).filter(|word| word.is_member()).count()
    }

    /// Entries of any state, and counts of entries elsewhere.
    pub fn leftovers(&self) -> (usize, usize) {
        let entries = entries(&self.buckets).filter(|word| *word != Entry::EMPTY).count();
        (entries, self.buckets.iter().map(|bucket| bucket.overflow(SeqCst).count()).sum())
    }
}

fn entries(buckets: &[Bucket]) -> impl Iterator<Item = Entry> {
    buckets.iter().flat_map(|bucket| (0..WAYS).map(|way| bucket.load(way, SeqCst)))
}
