//! A bucket: places for entries, and the overflow counts of its home.

use super::entry::Entry;
use super::shape::{Bucket, OFFSETS, Ordering, WAYS};

/// Buckets from a home to the last one its entries may be in.
pub(super) const SPAN: usize = OFFSETS[OFFSETS.len() - 1] + 1;

/// Cores that may insert at the same moment: an 8-bit count holds the 7 places of a bucket and one
/// entry under way per core.
pub(super) const MAX_CORES: usize = 128;

const _: () = assert!(WAYS + MAX_CORES <= u8::MAX as usize && OFFSETS.len() <= 9);
impl Bucket {
    /// The entry in a place that a `Look` at the bucket names.
    #[inline]
    pub(super) fn load(&self, way: usize, order: Ordering) -> Entry {
        self.entries.get(way).map_or(Entry::EMPTY, |place| Entry::from_bits(place.load(order)))
    }

    #[inline]
    pub(super) fn store(&self, way: usize, word: Entry, order: Ordering) {
        if let Some(place) = self.entries.get(way) {
            place.store(word.bits(), order);
        }
    }

    /// Replaces `old` by `new`. Returns false if the place holds another entry.
    #[inline]
    pub(super) fn swap(&self, way: usize, old: Entry, new: Entry, order: Ordering) -> bool {
        self.entries.get(way).is_some_and(|place| {
            place.compare_exchange(old.bits(), new.bits(), order, Ordering::Relaxed).is_ok()
        })
    }

    /// The distances at which entries of this home are.
    #[inline]
    pub(super) fn overflow(&self, order: Ordering) -> Distances {
        Distances(self.overflow.load(order))
    }

    /// Counts one entry more at `distance` (1 and up), before it is published.
    #[inline]
    pub(super) fn inc_overflow(&self, distance: usize, order: Ordering) {
        self.overflow.fetch_add(one_at(distance), order);
    }

    /// Counts one entry less.
    #[inline]
    pub(super) fn dec_overflow(&self, distance: usize, order: Ordering) {
        self.overflow.fetch_sub(one_at(distance), order);
    }
}

#[inline]
fn one_at(distance: usize) -> u64 {
    1 << (8 * (distance - 1))
}

/// A set of places of one bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ways(u32);

impl Ways {
    /// Place 0 is the lowest bit.
    #[inline(always)]
    pub(super) fn from_bits(bits: u32) -> Self {
        Ways(bits)
    }

    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The first of them.
    #[inline(always)]
    pub(super) fn first(mut self) -> Option<usize> {
        self.next()
    }

    /// Whether it is this place, and no other.
    #[inline]
    pub(super) fn is_only(self, way: usize) -> bool {
        self.0 == 1 << way
    }
}

impl Iterator for Ways {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let way = self.0.trailing_zeros() as usize;
        (self.0 != 0).then(|| {
            self.0 &= self.0 - 1;
            way
        })
    }
}

/// A set of distances, nearest first.
#[derive(Clone, Copy)]
pub(super) struct Distances(u64);

impl Distances {
    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl Iterator for Distances {
    type Item = usize;

    #[inline(always)]
    fn next(&mut self) -> Option<usize> {
        let byte = self.0.trailing_zeros() / 8;
        (self.0 != 0).then(|| {
            self.0 &= !(0xff << (8 * byte));
            byte as usize + 1
        })
    }
}
