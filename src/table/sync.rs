//! The atomics of the bucket protocol: the standard library's, or loom's in the model check.

#[cfg(all(test, loom))]
pub(super) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(all(test, loom)))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Stands between publishing and looking around (C and D of the module's table).
///
/// The accesses are sequentially consistent themselves and need no fence. Loom takes SeqCst
/// accesses for acquire-release and knows only the fence, so the model has one.
#[inline(always)]
pub(super) fn published() {
    #[cfg(all(test, loom))]
    fence(Ordering::SeqCst);
}
