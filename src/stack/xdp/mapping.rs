//! Memory that is shared with the kernel, or with the kernel's end of a queue in memory.
#![allow(unsafe_code, reason = "mmap and munmap")]

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::{ffi::c_void, io, num::NonZeroUsize, os::fd::BorrowedFd, ptr::NonNull};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// A mapping for reading and writing. Users keep an `Arc` of it with the pointers that they take from it,
/// so that it is unmapped with the last of them.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<c_void>,
    len: usize,
}

// SAFETY: `Mapping` itself only unmaps; its bytes are reached through pointers, by `unsafe` code of the
// users.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

const PROTECTION: ProtFlags = ProtFlags::PROT_READ.union(ProtFlags::PROT_WRITE);

impl Mapping {
    /// `len` bytes of a file or socket from `offset` on, all pages present.
    pub(super) fn of(file: BorrowedFd<'_>, offset: libc::off_t, len: usize) -> io::Result<Mapping> {
        Mapping::with_flags(file, offset, len, MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE)
    }

    /// `len` bytes of an array in the kernel (`BPF_F_MMAPABLE`), whose pages need not be present yet.
    pub(super) fn of_array(map: BorrowedFd<'_>, len: usize) -> io::Result<Mapping> {
        Mapping::with_flags(map, 0, len, MapFlags::MAP_SHARED)
    }

    fn with_flags(
        file: BorrowedFd<'_>,
        offset: libc::off_t,
        len: usize,
        flags: MapFlags,
    ) -> io::Result<Mapping> {
        let size = NonZeroUsize::new(len).ok_or_else(invalid)?;
        // SAFETY: a new mapping at an address that the kernel chooses touches no other.
        let base = unsafe { mmap(None, size, PROTECTION, flags, file, offset) }?;
        Ok(Mapping { base, len })
    }

    /// `len` bytes of zeroed memory, all pages present: 2 MiB pages with `hugepages`.
    pub(super) fn anonymous(len: usize, hugepages: bool) -> io::Result<Mapping> {
        let mut flags = MapFlags::MAP_SHARED | MapFlags::MAP_POPULATE;
        flags.set(MapFlags::MAP_HUGETLB, hugepages);
        let size = NonZeroUsize::new(len).ok_or_else(invalid)?;
        // SAFETY: as above.
        let base = unsafe { mmap_anonymous(None, size, PROTECTION, flags) }?;
        Ok(Mapping { base, len })
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The address of `count` values of `T` at `offset`.
    ///
    /// # Errors
    /// EINVAL: they do not lie inside of the mapping, or are not aligned.
    pub(super) fn at<T>(&self, offset: u64, count: usize) -> io::Result<NonNull<T>> {
        let offset = usize::try_from(offset).map_err(|_| invalid())?;
        let end = count.checked_mul(size_of::<T>()).and_then(|len| offset.checked_add(len));
        if end.is_none_or(|end| end > self.len) || !offset.is_multiple_of(align_of::<T>()) {
            return Err(invalid());
        }
        // SAFETY: inside of the mapping, which begins at a page.
        Ok(unsafe { self.base.byte_add(offset) }.cast())
    }

    /// The 32-bit word at `offset`, which the kernel reads at any time. Of a mapping that is used by words
    /// alone.
    ///
    /// # Errors
    /// As [`Mapping::at`].
    pub(super) fn word32(&self, offset: usize) -> io::Result<&AtomicU32> {
        let word = self.at::<AtomicU32>(offset as u64, 1)?;
        // SAFETY: any bytes are a number; inside of the mapping, which lives as long as `self`.
        Ok(unsafe { word.as_ref() })
    }

    /// As [`Mapping::word32`], with 64 bits.
    ///
    /// # Errors
    /// As [`Mapping::at`].
    pub(super) fn word64(&self, offset: usize) -> io::Result<&AtomicU64> {
        let word = self.at::<AtomicU64>(offset as u64, 1)?;
        // SAFETY: as above.
        Ok(unsafe { word.as_ref() })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole mapping, and no pointer into it is left (see the type). The kernel has pinned
        // the pages that it still uses. A failure would leave the pages mapped, which does no harm.
        let _ = unsafe { munmap(self.base, self.len) };
    }
}

/// EINVAL.
pub(super) fn invalid() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn a_part_lies_inside_and_is_aligned() {
        let mapping = Mapping::anonymous(64, false).expect("a page");
        for (offset, count, fits) in [
            (0, 16, true),
            (0, 17, false),
            (60, 1, true),
            (62, 1, false),
            (2, 1, false), // not aligned
            (64, 0, true),
            (u64::MAX, 1, false),
            (4, usize::MAX / 4, false),
        ] {
            assert_eq!(mapping.at::<u32>(offset, count).is_ok(), fits, "{count} at {offset}");
        }
        assert!(Mapping::anonymous(0, false).is_err());
    }

    #[test]
    fn words_lie_inside_and_are_aligned() {
        let mapping = Mapping::anonymous(64, false).expect("a page");
        mapping.word64(56).expect("inside").store(u64::MAX, Relaxed);
        assert_eq!(mapping.word32(60).expect("inside").load(Relaxed), u32::MAX);
        assert!(mapping.word32(62).is_err() && mapping.word32(64).is_err() && mapping.word64(60).is_err());
    }
}
