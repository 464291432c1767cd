//! Asks for a cache line ahead of its use.
#![allow(unsafe_code)] // the prefetch instruction takes a raw pointer

/// Starts to load the line of `target`, if there is one, into all cache levels.
#[inline(always)]
pub(super) fn prefetch<T>(target: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(target) = target {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch has no effect on memory, and SSE is part of x86-64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(target).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}
