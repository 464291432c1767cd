//! Asks for a cache line ahead of its use.
#![allow(unsafe_code)] // the prefetch instruction takes a raw pointer

/// Starts to load the line of `target`, if there is one, into all cache levels.
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
