//! The memory of a UMEM, and the bytes of a frame.
#![allow(unsafe_code, reason = "the kernel writes here too: the compiler cannot see the owner of a frame")]

use std::{io, ptr::NonNull, slice, sync::Arc};

use super::{QueueConfig, config::KERNEL_HEADROOM, frame::Descriptor, mapping::Mapping};

/// How a UMEM's memory is divided into frames. An address counts bytes from the memory's start.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameLayout {
    /// Bytes of a frame, a power of two, as its logarithm.
    shift: u32,
    /// The bits of an address that say which frame, and all above them.
    frame_bits: u64,
}

impl FrameLayout {
    /// The index of the frame that contains the address. May be past the last one.
    #[inline]
    pub(super) fn index(self, addr: u64) -> usize {
        (addr >> self.shift) as usize
    }

    /// The address where the kernel would put data into the frame that contains `addr`.
    #[inline]
    pub(super) fn empty(self, addr: u64) -> u64 {
        (addr & self.frame_bits) | u64::from(KERNEL_HEADROOM)
    }

    /// Bytes from an address to the end of its frame: `size - addr % size`, in three instructions.
    #[inline]
    pub(super) fn capacity(self, addr: u64) -> u64 {
        (addr | self.frame_bits).wrapping_neg()
    }
}

/// A UMEM's memory: frames of equal size.
///
/// Every method that takes an address requires that it lies in a frame of this memory, that a length is at
/// most the address' capacity, and that the caller owns the frame. `Queue` ensures all three: its `Owners`
/// have an entry for each frame and no others.
#[derive(Debug)]
pub(super) struct Umem {
    /// The mapping's start.
    base: NonNull<u8>,
    frames: u32,
    layout: FrameLayout,
    mapping: Arc<Mapping>,
}

// SAFETY: `base` points into `mapping`; a frame's bytes are used by its owner alone, on one thread at
// a time.
unsafe impl Send for Umem {}

impl Umem {
    /// Maps the memory, all of its pages present.
    pub(super) fn new(config: &QueueConfig, hugepages: bool) -> io::Result<Umem> {
        let len = config.frames as usize * config.frame_size as usize;
        let mapping = Arc::new(Mapping::anonymous(len, hugepages)?);
        let shift = config.frame_size.trailing_zeros();
        let layout = FrameLayout { shift, frame_bits: u64::MAX << shift };
        Ok(Umem { base: mapping.at(0, len)?, frames: config.frames, layout, mapping })
    }

    /// The same memory for the kernel's end of a queue in memory. A frame has one owner across both.
    pub(super) fn shared(&self) -> Umem {
        Umem { mapping: Arc::clone(&self.mapping), ..*self }
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Bytes of the whole memory.
    pub(super) fn len(&self) -> usize {
        self.mapping.len()
    }

    #[inline]
    pub(super) fn layout(&self) -> FrameLayout {
        self.layout
    }

    /// The address of every frame, in order, where the kernel would put data.
    pub(super) fn addresses(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
        (0..self.frames).map(|frame| self.layout.empty(u64::from(frame) << self.layout.shift))
    }

    /// `len` bytes of a frame.
    #[inline]
    pub(super) fn bytes(&self, addr: u64, len: usize) -> &[u8] {
        // SAFETY: by the type's contract the bytes lie within one frame of the mapping, and the caller owns
        // it, so neither the kernel nor another `Frame` writes to it while the slice lives.
        unsafe { slice::from_raw_parts(self.base.as_ptr().add(addr as usize), len) }
    }

    /// The bytes of a descriptor out of shared memory: none unless they lie within one frame.
    pub(super) fn bytes_of(&self, desc: &Descriptor) -> &[u8] {
        if self.holds(desc) { self.bytes(desc.addr, desc.len() as usize) } else { &[] }
    }

    fn holds(&self, desc: &Descriptor) -> bool {
        let inside = self.layout.index(desc.addr) < self.frames as usize;
        inside && u64::from(desc.len()) <= self.layout.capacity(desc.addr)
    }

    /// The bytes from an address to the end of the frame.
    #[inline]
    pub(super) fn bytes_mut(&mut self, addr: u64) -> &mut [u8] {
        let capacity = self.layout.capacity(addr) as usize;
        // SAFETY: as above: `capacity` bytes are left in the frame. The exclusive borrow of `self` keeps
        // other slices away.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().add(addr as usize), capacity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two frames of 2,048 bytes.
    fn memory() -> Umem {
        Umem::new(&QueueConfig { frames: 2, ..QueueConfig::new("eth0", 2, 0) }, false).expect("4 KiB")
    }

    #[test]
    fn a_descriptor_lies_within_one_frame_or_is_refused() {
        let memory = memory();
        let at = |addr, len| Descriptor::new(addr, len, 0);
        for (desc, index, holds) in [
            (at(256, 1792), 0, true),
            (at(2047, 1), 0, true),
            (at(0, 2048), 0, true),
            (at(256, 1793), 0, false),
            (at(2048 + 256, 1792), 1, true),
            (at(4096, 0), 2, false), // past the last one
            (at(u64::MAX, 1), (u64::MAX >> 11) as usize, false),
            (at(256, u32::MAX), 0, false),
        ] {
            assert_eq!((memory.layout().index(desc.addr), memory.holds(&desc)), (index, holds), "{desc:?}");
            let len = if holds { desc.len() as usize } else { 0 };
            assert_eq!(memory.bytes_of(&desc).len(), len, "{desc:?}");
        }
    }

    #[test]
    fn what_is_written_into_a_frame_is_read_from_it_and_from_no_other() {
        let mut memory = memory();
        let addresses: Vec<u64> = memory.addresses().collect();
        assert_eq!(addresses, [256, 2304]);
        assert_eq!([2048, 2304, 4095].map(|addr| memory.layout().empty(addr)), [2304; 3]);
        assert_eq!(memory.bytes_mut(2304).len(), 1792);
        memory.bytes_mut(2304).fill(7);
        assert!(memory.bytes(2304, 1792).iter().all(|&byte| byte == 7));
        assert!(memory.bytes(256, 1792).iter().all(|&byte| byte == 0));
    }
}
