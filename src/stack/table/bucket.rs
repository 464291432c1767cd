//! A bucket: places, and the counts of entries that had to go elsewhere.

use super::shape::{Bucket, OFFSETS, Ordering, WAYS};
use super::word::Word;

/// Buckets from a home to the last one its entries may be in.
pub(super) const SPAN: usize = OFFSETS[OFFSETS.len() - 1] + 1;

/// Cores that may insert at the same moment: an 8-bit count holds the 7 places of a bucket and one
/// announcement under way per core.
pub(super) const MAX_CORES: usize = 128;

const _: () = assert!(WAYS + MAX_CORES <= u8::MAX as usize && OFFSETS.len() <= 9);
impl Bucket {
    /// The places whose word is wanted. All are read before any is acted upon: seven loads and
    /// compares without a branch.
    #[inline(always)]
    pub fn select(&self, order: Ordering, wanted: impl Fn(Word) -> bool) -> Ways {
        let mut ways = 0;
        for (way, place) in self.places.iter().enumerate() {
            ways |= u32::from(wanted(Word::from_bits(place.load(order)))) << way;
        }
        Ways(ways)
    }

    /// The word in a place that [`Bucket::select`] named.
    #[inline]
    pub fn load(&self, way: usize, order: Ordering) -> Word {
        self.places.get(way).map_or(Word::EMPTY, |place| Word::from_bits(place.load(order)))
    }

    #[inline]
    pub fn store(&self, way: usize, word: Word, order: Ordering) {
        if let Some(place) = self.places.get(way) {
            place.store(word.bits(), order);
        }
    }

    /// Replaces `old` by `new`; false when something else is there.
    #[inline]
    pub fn swap(&self, way: usize, old: Word, new: Word, order: Ordering) -> bool {
        self.places.get(way).is_some_and(|place| {
            place.compare_exchange(old.bits(), new.bits(), order, Ordering::Relaxed).is_ok()
        })
    }

    /// The distances at which entries of this home live.
    #[inline]
    pub fn elsewhere(&self, order: Ordering) -> Distances {
        Distances(self.elsewhere.load(order))
    }

    /// One entry more lives, or is about to live, at `distance` (1 and up).
    #[inline]
    pub fn announce(&self, distance: usize, order: Ordering) {
        self.elsewhere.fetch_add(one_at(distance), order);
    }

    /// One entry less.
    #[inline]
    pub fn retract(&self, distance: usize, order: Ordering) {
        self.elsewhere.fetch_sub(one_at(distance), order);
    }
}

#[inline]
fn one_at(distance: usize) -> u64 {
    1 << (8 * (distance - 1))
}

/// A set of places of one bucket.
#[derive(Clone, Copy)]
pub(super) struct Ways(u32);

impl Ways {
    /// Whether it is this place, and no other.
    #[inline]
    pub fn is_only(self, way: usize) -> bool {
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
    pub fn is_empty(self) -> bool {
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
