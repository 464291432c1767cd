use zerocopy::FromBytes;

/// Set in every descriptor of a packet but its last (`XDP_PKT_CONTD`).
const CONTINUED: u32 = 1;

/// One entry of the receive and transmit rings: `struct xdp_desc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes)]
#[repr(C)]
pub(super) struct Descriptor {
    /// Bytes from the start of the UMEM to the data.
    pub addr: u64,
    /// Bytes of data.
    pub len: u32,
    pub options: u32,
}

const _: () = assert!(size_of::<Descriptor>() == size_of::<libc::xdp_desc>());

impl Descriptor {
    /// Without data, at `addr`.
    #[inline]
    pub(super) fn new(addr: u64) -> Descriptor {
        Descriptor { addr, len: 0, options: 0 }
    }

    /// Whether the packet continues in the next descriptor.
    #[inline]
    pub(super) fn is_continued(&self) -> bool {
        self.options & CONTINUED != 0
    }
}

/// One buffer of a queue's UMEM. The holder of this value owns the buffer.
///
/// Only its [`Queue`](super::Queue) makes a frame, by `receive` or `allocate`, and only that queue takes it
/// back, by `release` or `transmit`. It is neither `Clone` nor `Copy`, so a second release does not
/// compile:
///
/// ```compile_fail,E0382
/// fn twice(queue: &mut handfast::xdp::Queue, frame: handfast::xdp::Frame) {
///     queue.release(frame);
///     queue.release(frame);
/// }
/// ```
///
/// A frame that is dropped instead is lost to its queue; [`Queue::lost`](super::Queue::lost)
/// counts it.
#[must_use = "a frame that is dropped is lost to its queue: release or transmit it"]
#[derive(Debug)]
pub struct Frame {
    /// The data's place in the UMEM and its length, checked against the UMEM's bounds.
    pub(super) desc: Descriptor,
    /// The UMEM: an address is only valid in its own.
    pub(super) pool: u32,
}

impl Frame {
    /// Bytes received, Ethernet header first; 0 for a frame that was allocated.
    #[inline]
    pub fn len(&self) -> usize {
        self.desc.len as usize
    }

    /// Whether the frame has no received bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The start of the data: bytes from the start of the UMEM.
    #[inline]
    pub fn address(&self) -> usize {
        self.desc.addr as usize
    }
}
