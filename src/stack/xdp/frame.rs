use std::fmt;

use zerocopy::FromBytes;

/// Set in every descriptor of a packet but its last (`XDP_PKT_CONTD`).
const CONTINUED: u64 = 1;

/// One entry of the receive and transmit rings: `struct xdp_desc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes)]
#[repr(C)]
pub(super) struct Descriptor {
    /// Bytes from the start of the UMEM to the data.
    pub addr: u64,
    /// Two numbers of 32 bits, read and written at once: bytes of data, then options.
    word: u64,
}

const _: () = assert!(size_of::<Descriptor>() == size_of::<libc::xdp_desc>());

impl Descriptor {
    #[inline]
    pub(super) fn new(addr: u64, len: u32, options: u32) -> Descriptor {
        let word = u64::from(len) | u64::from(options) << 32;
        Descriptor { addr, word: in_memory_order(word) }
    }

    /// The length in the lower half, options in the upper one: more than any length if there are options.
    #[inline]
    pub(super) fn len_and_options(&self) -> u64 {
        in_memory_order(self.word)
    }

    /// Bytes of data.
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len_and_options() as u32
    }

    /// Whether the packet continues in the next descriptor.
    #[inline]
    pub(super) fn is_continued(&self) -> bool {
        self.len_and_options() >> 32 & CONTINUED != 0
    }
}

/// Swaps the halves of a word unless the lower one is the first in memory.
const fn in_memory_order(word: u64) -> u64 {
    if cfg!(target_endian = "little") { word } else { word.rotate_left(32) }
}

/// One buffer of a queue's UMEM. The holder of this value owns the buffer.
///
/// Only its [`Queue`](super::Queue) makes a frame, by `receive` or `allocate`, and only that queue takes it
/// back, by `release` or `transmit`. It is neither `Clone` nor `Copy`, so a second release does not
/// compile:
///
/// ```compile_fail,E0382
/// fn twice(queue: &mut handfast_stack::xdp::Queue, frame: handfast_stack::xdp::Frame) {
///     queue.release(frame);
///     queue.release(frame);
/// }
/// ```
///
/// Only the second release is refused:
///
/// ```
/// fn once(queue: &mut handfast_stack::xdp::Queue, frame: handfast_stack::xdp::Frame) {
///     queue.release(frame);
/// }
/// ```
///
/// A frame that is dropped instead is lost to its queue; [`Queue::lost`](super::Queue::lost)
/// counts it.
#[must_use = "a frame that is dropped is lost to its queue: release or transmit it"]
pub struct Frame(u64);

/// Bits of a frame, from the lowest on: 16 of the UMEM, which are compared most often; 16 of the data's
/// length, at most 4,096; 32 of its address, which is less than 4 GiB (`QueueConfig::check`).
const LEN_SHIFT: u32 = 16;
const ADDR_SHIFT: u32 = 32;

impl Frame {
    /// The data has been checked: it lies within one frame of the UMEM of this number.
    #[inline]
    pub(super) fn new(pool: u16, addr: u64, len: u64) -> Frame {
        debug_assert!(len < 1 << (ADDR_SHIFT - LEN_SHIFT) && addr <= u64::from(u32::MAX));
        Frame(u64::from(pool) | len << LEN_SHIFT | addr << ADDR_SHIFT)
    }

    /// The number of its UMEM: an address is only valid in its own.
    #[inline]
    pub(super) fn pool(&self) -> u16 {
        self.0 as u16
    }

    /// Bytes from the start of the UMEM to the data.
    #[inline]
    pub(super) fn addr(&self) -> u64 {
        self.0 >> ADDR_SHIFT
    }

    /// Bytes received, Ethernet header first; 0 for a frame that was allocated.
    #[inline]
    pub fn len(&self) -> usize {
        usize::from((self.0 >> LEN_SHIFT) as u16)
    }

    /// Whether the frame has no received bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The start of the data: bytes from the start of the UMEM.
    #[inline]
    pub fn address(&self) -> usize {
        self.addr() as usize
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({} bytes at {:#x} of {})", self.len(), self.addr(), self.pool())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_parts() {
        for (number, addr, len) in [(0, 0, 0), (7, 256, 60), (u16::MAX, u64::from(u32::MAX), 4096)] {
            let frame = Frame::new(number, addr, len);
            assert_eq!((frame.pool(), frame.addr(), frame.len() as u64), (number, addr, len), "{frame:?}");
        }
    }

    #[test]
    fn a_descriptor_is_laid_out_as_the_kernel_does() {
        let kernel = libc::xdp_desc { addr: 256, len: 60, options: 1 };
        let made = Descriptor::new(kernel.addr, kernel.len, kernel.options);
        let bytes = [256u64.to_ne_bytes().as_slice(), &60u32.to_ne_bytes(), &1u32.to_ne_bytes()].concat();
        assert_eq!(Descriptor::read_from_bytes(&bytes), Ok(made));
        assert_eq!((made.len(), made.is_continued()), (60, true));
        assert!(made.len_and_options() > Descriptor::new(0, u32::MAX, 0).len_and_options());
    }
}
