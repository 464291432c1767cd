//! Asks for a cache line ahead of its use.
#![allow(unsafe_code)] // PREFETCHW has no intrinsic: inline assembly

/// Starts to load the line of `target`, if there is one, to be written: nearly every line that is
/// looked at is written soon, and one that another core wrote last would otherwise be fetched twice,
/// for reading and again for writing.
#[inline(always)]
pub(super) fn prefetch<T>(target: Option<&T>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(target) = target {
        // SAFETY: a prefetch has no effect on memory; a processor without PREFETCHW takes it for a NOP.
        unsafe {
            std::arch::asm!("prefetchw [{0}]", in(reg) std::ptr::from_ref(target), options(nostack, preserves_flags, readonly));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = target;
}
