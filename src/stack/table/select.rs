//! One look at a bucket, entry by entry: the portable twin of `scan`, for processors other than x86-64
//! and for the model checks.

use super::bucket::Ways;
use super::entry::{Entry, Tag, UPPER_TAG_MASK};
use super::shape::{Bucket, Ordering, WAYS};

/// The upper 16 bits of a bucket's entries.
#[derive(Clone, Copy)]
pub(super) struct Look([u16; WAYS]);

impl Look {
    /// Loads the entries, all before any is used.
    #[inline(always)]
    pub(super) fn at(bucket: &Bucket, order: Ordering) -> Look {
        let mut upper = [0; WAYS];
        for (upper, place) in upper.iter_mut().zip(&bucket.entries) {
            *upper = Entry::from_bits(place.load(order)).upper();
        }
        Look(upper)
    }

    /// The places of members with this tag.
    #[inline(always)]
    pub(super) fn members(self, tag: Tag) -> Ways {
        self.select(|upper| upper == tag.member_upper())
    }

    /// The places of entries of either state with this tag.
    #[inline(always)]
    pub(super) fn entries(self, tag: Tag) -> Ways {
        self.select(|upper| upper != 0 && upper & UPPER_TAG_MASK == tag.bits())
    }

    /// The places without an entry: the state of an entry is not 0.
    #[inline(always)]
    pub(super) fn empty(self) -> Ways {
        self.select(|upper| upper == 0)
    }

    /// Compares without a branch.
    #[inline(always)]
    fn select(self, wanted: impl Fn(u16) -> bool) -> Ways {
        let bits = |(way, upper)| u32::from(wanted(upper)) << way;
        Ways::from_bits(self.0.into_iter().enumerate().map(bits).fold(0, |all, bit| all | bit))
    }
}
