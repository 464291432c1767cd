//! The buckets of the whole process, and the home bucket of a hash.

use std::io;

use super::bucket::SPAN;
use super::entry::Tag;
use super::probe::Probe;
use super::region::Region;
use super::shape::Bucket;

/// Slots per home bucket: seven places filled to 57 % when every slot is in use, 16 bytes each.
const SLOTS_PER_HOME: u64 = 4;

pub(super) struct Index {
    /// The homes and, after the last of them, the buckets it may overflow into.
    buckets: Region<Bucket>,
    homes: u64,
}

impl Index {
    /// Makes every page present.
    pub(super) fn populate(&self) -> std::io::Result<()> {
        self.buckets.populate()
    }

    /// Buckets for that many slots, at most 2^28.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub(super) fn new(slots: u64) -> io::Result<Self> {
        let homes = slots.div_ceil(SLOTS_PER_HOME).max(1);
        Ok(Index { buckets: Region::zeroed(homes as usize + SPAN - 1)?, homes })
    }

    /// The position of a key's home: the highest bits of the hash, by multiply and shift, so that the number
    /// of homes need not be a power of two.
    ///
    /// 32 bits are enough up to 2^28 slots: 2^26 homes leave 6 bits that distinguish keys of one home, and
    /// comparing keys does the rest.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        ((u64::from(hash) * self.homes) >> 32) as usize
    }

    #[inline]
    pub(super) fn home_bucket(&self, hash: u32) -> Option<&Bucket> {
        self.buckets.get(self.home(hash))
    }

    /// Where the key lives: always somewhere.
    #[inline(always)]
    pub(super) fn probe(&self, hash: u32) -> Option<Probe<'_>> {
        let home = self.home(hash);
        let buckets = self.buckets.get(home..home + SPAN)?;
        Some(Probe::new(buckets.first_chunk()?, Tag::of(hash)))
    }

    pub(super) fn buckets(&self) -> &[Bucket] {
        &self.buckets
    }

    pub(super) fn bytes(&self) -> usize {
        self.buckets.bytes()
    }
}
