//! A bucket's memory, the atomics it is made of, and the look at all its entries. The model checks
//! (`tests/model/`) run the protocol with a shape of their own: loom's or shuttle's atomics in small
//! buckets, looked at entry by entry.

pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};

use zerocopy::FromZeros;

#[cfg(target_arch = "x86_64")]
pub(super) use super::scan::Look;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use super::select::Look;

/// Places in a bucket.
pub(super) const WAYS: usize = 7;

/// Distances of a key's buckets from its home: triangular steps, so that neighbours that overflow do
/// not share the same buckets again. With four consecutive buckets a table of 16 M
/// refused its first entry at 65 % of its capacity, with nine consecutive ones at 98.8 %, with these
/// not one. While 8 M connections are replaced, one in 10^8 or fewer finds all of its buckets full.
pub(super) const OFFSETS: &[usize] = &[0, 1, 3, 6, 10, 15, 21, 28, 36];

const _: () = assert!(size_of::<Bucket>() == 64 && align_of::<Bucket>() == 64);

/// One cache line.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub(super) struct Bucket {
    pub entries: [AtomicU64; WAYS],
    /// Eight counts of 8 bits: the entries of this home at distance 1, 2, .. 8.
    pub overflow: AtomicU64,
}

/// The point between publishing and scanning (C and D of the module's table).
///
/// The accesses are sequentially consistent themselves and need no fence. Loom takes SeqCst
/// accesses for acquire-release and knows only the fence, so the model has one here.
#[inline(always)]
pub(super) fn published() {}
