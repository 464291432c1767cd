//! One look at a bucket: the upper 16 bits (state and tag) of its seven entries, compared at once by
//! SSE2. `select` is the same for other processors and for the model checks.
//!
//! The loads are inline assembly: other cores write the entries by atomic operations meanwhile, and a
//! load of `std::arch` would race with them. The assembly stands for seven atomic loads of 64 bits, in
//! no order among themselves. No caller needs one: entries stay where they were published.
//!
//! - Whole tags: the manuals allow a processor to split a load of 16 bytes. None splits an aligned one
//!   into less than 8 bytes, and a look uses 2 bytes of each entry, its upper ones. The overflow word is
//!   loaded for the eighth lane, which no mask contains.
//! - Order: x86-64 keeps loads in program order, vector loads of ordinary memory too, so each of the
//!   seven is an acquire load. A sequentially consistent load is a plain one: the locked operations
//!   that publish entries (B, C of the module's table) wait until the stores before them are visible.
//! - The compiler moves no access across a look that is asked for in an order stronger than Relaxed:
//!   `compiler_fence` follows it, and the assembly is not `nomem`, so no store moves after it. It is not
//!   `pure`: each look loads again.
#![allow(unsafe_code, reason = "inline assembly: a vector load of words that other cores write")]

use std::arch::asm;
use std::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_andnot_si128, _mm_cmpeq_epi16, _mm_movemask_epi8, _mm_packs_epi16,
    _mm_packs_epi32, _mm_set1_epi16, _mm_setzero_si128, _mm_srai_epi32,
};
use std::sync::atomic::compiler_fence;

use super::bucket::Ways;
use super::entry::{Tag, UPPER_TAG_MASK};
use super::shape::{Bucket, Ordering, WAYS};

/// The upper 16 bits of a bucket's words: seven entries, and the overflow counts.
#[derive(Clone, Copy)]
pub(super) struct Look(__m128i);

impl Look {
    /// Loads the entries, as `Bucket::load` does each.
    #[inline(always)]
    pub(super) fn at(bucket: &Bucket, order: Ordering) -> Look {
        let (low, high): (__m128i, __m128i);
        // SAFETY: reads the 64 bytes of a bucket, which is aligned to them, and writes two registers.
        unsafe {
            asm!(
                "movaps {low}, [{bucket}]",
                "movaps {high}, [{bucket} + 32]",
                // The upper halves of two words each.
                "shufps {low}, [{bucket} + 16], 0xdd",
                "shufps {high}, [{bucket} + 48], 0xdd",
                bucket = in(reg) std::ptr::from_ref(bucket),
                low = out(xmm_reg) low,
                high = out(xmm_reg) high,
                options(readonly, nostack, preserves_flags)
            );
        }
        if !matches!(order, Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        }
        // SAFETY: every x86-64 has SSE2.
        Look(unsafe { _mm_packs_epi32(_mm_srai_epi32::<16>(low), _mm_srai_epi32::<16>(high)) })
    }

    /// The places of members with this tag.
    #[inline(always)]
    pub(super) fn members(self, tag: Tag) -> Ways {
        // SAFETY: every x86-64 has SSE2.
        ways(unsafe { _mm_cmpeq_epi16(self.0, _mm_set1_epi16(tag.member_upper() as i16)) })
    }

    /// The places of entries of either state with this tag.
    #[inline(always)]
    pub(super) fn entries(self, tag: Tag) -> Ways {
        // SAFETY: every x86-64 has SSE2.
        ways(unsafe {
            let tags = _mm_and_si128(self.0, _mm_set1_epi16(UPPER_TAG_MASK as i16));
            let tagged = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag.bits() as i16));
            _mm_andnot_si128(_mm_cmpeq_epi16(self.0, _mm_setzero_si128()), tagged)
        })
    }

    /// The places without an entry: the state of an entry is not 0.
    #[inline(always)]
    pub(super) fn empty(self) -> Ways {
        // SAFETY: every x86-64 has SSE2.
        ways(unsafe { _mm_cmpeq_epi16(self.0, _mm_setzero_si128()) })
    }
}

/// The lanes that are all ones.
#[inline(always)]
fn ways(lanes: __m128i) -> Ways {
    // SAFETY: every x86-64 has SSE2.
    let bits = unsafe { _mm_movemask_epi8(_mm_packs_epi16(lanes, _mm_setzero_si128())) };
    Ways::from_bits(bits as u32 & ((1 << WAYS) - 1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zerocopy::FromZeros;

    use super::super::{select, shape::Ordering::SeqCst};
    use super::*;

    /// Words as they are in a bucket, words near a tag, and any others.
    fn words(tag: u64) -> impl Strategy<Value = u64> {
        let near = prop_oneof![Just(0), Just(1), Just(1 << 13), Just(3 << 14)];
        prop_oneof![
            Just(0),
            (0..4u64, any::<u64>()).prop_map(move |(state, low)| state << 62 | tag << 48 | low >> 16),
            (0..4u64, near).prop_map(move |(state, flip)| state << 62 ^ (tag ^ flip) << 48 ^ 1),
            any::<u64>(),
        ]
    }

    fn bucket_and_tag() -> impl Strategy<Value = ([u64; WAYS], u32)> {
        let tag = prop_oneof![Just(0), Just(0x3fff), Just(0x2000), 0..1u32 << 14];
        tag.prop_flat_map(|tag| (prop::array::uniform7(words(u64::from(tag))), Just(tag)))
    }

    proptest! {
        #[test]
        fn one_look_sees_what_the_words_say((words, tag) in bucket_and_tag(), overflow: u64) {
            let (bucket, tag) = (Bucket::new_zeroed(), Tag::of(tag));
            bucket.entries.iter().zip(words).for_each(|(place, word)| place.store(word, SeqCst));
            bucket.overflow.store(overflow, SeqCst);
            for order in [Ordering::Relaxed, SeqCst] {
                let (scan, select) = (Look::at(&bucket, order), select::Look::at(&bucket, order));
                prop_assert_eq!(scan.members(tag), select.members(tag));
                prop_assert_eq!(scan.entries(tag), select.entries(tag));
                prop_assert_eq!(scan.empty(), select.empty());
            }
        }
    }
}
