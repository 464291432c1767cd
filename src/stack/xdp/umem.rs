//! The memory of a UMEM, and the bytes of a frame.
#![allow(unsafe_code, reason = "the kernel writes here too: the compiler cannot see the owner of a frame")]

use std::{io, ptr::NonNull, slice, sync::Arc};

use super::{QueueConfig, config::KERNEL_HEADROOM, frame::Descriptor, mapping::Mapping};

/// A UMEM's memory: frames of equal size.
///
/// Every method that takes a descriptor requires that [`Umem::holds`] accepts it and that the caller owns
/// the frame. `Queue` ensures both.
#[derive(Debug)]
pub(super) struct Umem {
    /// The mapping's start.
    base: NonNull<u8>,
    frames: u32,
    frame_shift: u32,
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
        let frame_shift = config.frame_size.trailing_zeros();
        Ok(Umem { base: mapping.at(0, len)?, frames: config.frames, frame_shift, mapping })
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

    fn frame_size(&self) -> usize {
        1 << self.frame_shift
    }

    fn offset(&self, desc: &Descriptor) -> usize {
        desc.addr as usize & (self.frame_size() - 1)
    }

    /// A descriptor for every frame, in order, without data.
    pub(super) fn descriptors(&self) -> impl DoubleEndedIterator<Item = Descriptor> + ExactSizeIterator {
        (0..self.frames).map(|frame| self.empty(frame as usize))
    }

    /// The descriptor of a frame without data, at the address where the kernel would put it.
    #[inline]
    pub(super) fn empty(&self, frame: usize) -> Descriptor {
        Descriptor::new(((frame << self.frame_shift) + KERNEL_HEADROOM as usize) as u64)
    }

    /// The index of the frame that contains the address. May be past the last one.
    #[inline]
    pub(super) fn index(&self, desc: &Descriptor) -> usize {
        desc.addr as usize >> self.frame_shift
    }

    /// Whether a descriptor lies within one frame of this memory. To be checked first for every
    /// descriptor that comes from a ring.
    #[inline]
    pub(super) fn holds(&self, desc: &Descriptor) -> bool {
        self.index(desc) < self.frames as usize && desc.len as usize <= self.capacity(desc)
    }

    /// Bytes from the data's start to the end of its frame.
    #[inline]
    pub(super) fn capacity(&self, desc: &Descriptor) -> usize {
        self.frame_size() - self.offset(desc)
    }

    /// The received bytes of the frame.
    #[inline]
    pub(super) fn bytes(&self, desc: &Descriptor) -> &[u8] {
        // SAFETY: the caller owns the frame, so neither the kernel nor another `Frame` writes to
        // it while the slice lives; `holds` accepted its address and length.
        unsafe { slice::from_raw_parts(self.base.as_ptr().add(desc.addr as usize), desc.len as usize) }
    }

    /// The bytes from the start of the data to the end of the frame.
    #[inline]
    pub(super) fn bytes_mut(&mut self, desc: &Descriptor) -> &mut [u8] {
        let capacity = self.capacity(desc);
        // SAFETY: the caller owns the frame and `holds` accepted its address, from which
        // `capacity` bytes are left in it; the exclusive borrow of `self` keeps other slices away.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().add(desc.addr as usize), capacity) }
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
        let at = |addr, len| Descriptor { addr, len, options: 0 };
        for (desc, holds) in [
            (at(256, 1792), true),
            (at(2047, 1), true),
            (at(0, 2048), true),
            (at(256, 1793), false),
            (at(2048 + 256, 1792), true),
            (at(4096, 0), false), // past the last one
            (at(u64::MAX, 1), false),
            (at(256, u32::MAX), false),
        ] {
            assert_eq!(memory.holds(&desc), holds, "{desc:?}");
        }
    }

    #[test]
    fn what_is_written_into_a_frame_is_read_from_it_and_from_no_other() {
        let mut memory = memory();
        let descs: Vec<Descriptor> = memory.descriptors().collect();
        assert_eq!(descs.iter().map(|desc| desc.addr).collect::<Vec<_>>(), [256, 2304]);
        assert_eq!(memory.bytes_mut(&descs[1]).len(), 1792);
        memory.bytes_mut(&descs[1]).fill(7);
        let whole = |desc: &Descriptor| Descriptor { len: 1792, ..*desc };
        assert!(memory.bytes(&whole(&descs[1])).iter().all(|&byte| byte == 7));
        assert!(memory.bytes(&whole(&descs[0])).iter().all(|&byte| byte == 0));
    }
}
