//! Zeroed memory straight from the kernel, which gives a page only when it is first touched.
#![allow(unsafe_code)] // mmap: the allocator writes zeros to memory that is aligned to a cache line

use std::io;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap};
use zerocopy::FromZeros;

/// A fixed array of `T`, all zero at first and untouched.
pub(super) struct Region<T> {
    start: NonNull<T>,
    len: usize,
}

impl<T: FromZeros> Region<T> {
    const FITS: () = assert!(!std::mem::needs_drop::<T>() && align_of::<T>() <= 4096 && size_of::<T>() > 0);

    /// Maps room for `len` values.
    ///
    /// # Errors
    /// What mmap(2) says; `ENOMEM` when `len` is zero or passes the address space.
    pub(super) fn zeroed(len: usize) -> io::Result<Self> {
        const { Self::FITS };
        let bytes = len.checked_mul(size_of::<T>()).and_then(NonZeroUsize::new);
        let bytes = bytes.ok_or(io::ErrorKind::OutOfMemory)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice aliases nothing.
        let start =
            unsafe { mmap_anonymous(None, bytes, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags)? };
        // Random access to small pages costs a page walk on top of each cache miss. Where the
        // kernel has no huge pages the table works all the same, so the answer is not looked at.
        // SAFETY: the advice changes the size of pages, not what is in them.
        let _ = unsafe { madvise(start, bytes.get(), MmapAdvise::MADV_HUGEPAGE) };
        Ok(Region { start: start.cast(), len })
    }
}

impl<T> Region<T> {
    /// Has the kernel give every page now (Linux 5.14).
    ///
    /// # Errors
    /// What madvise(2) says: `ENOMEM` or `EFAULT` when memory runs out, `EINVAL` on older kernels.
    pub(super) fn populate(&self) -> io::Result<()> {
        // SAFETY: the range is the mapping, whole. Populating writes nothing: it only makes pages
        // present that a later access would have made present.
        let done = unsafe {
            nix::libc::madvise(self.start.as_ptr().cast(), self.bytes(), nix::libc::MADV_POPULATE_WRITE)
        };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Bytes of address space.
    pub(super) fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }
}

impl<T> Deref for Region<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `zeroed` mapped `len` values that lie aligned on a page, zeros are a valid `T`
        // (FromZeros), and the mapping lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> Drop for Region<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and no reference outlives `self`. `T` needs no drop.
        let _ = unsafe { munmap(self.start.cast(), self.bytes()) };
    }
}

// SAFETY: a Region owns its values as a Box<[T]> does.
unsafe impl<T: Send> Send for Region<T> {}
// SAFETY: as for Box<[T]>: shared access goes through `Deref` alone.
unsafe impl<T: Sync> Sync for Region<T> {}
