use xsk_rs::FrameDesc;

/// One buffer of a queue's UMEM, owned by whoever holds this value.
///
/// A frame is made only by its [`Queue`](super::Queue), through `receive` or `allocate`, and ends
/// only there, through `release` or `transmit`. It is neither `Clone` nor `Copy`, so a second
/// release does not compile:
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
    /// Where the data starts in the UMEM and how long it is. Checked against the UMEM's bounds
    /// when the frame was made. xsk-rs lets nobody build one from an address, so it travels.
    pub(super) desc: FrameDesc,
    /// Which UMEM: an address means nothing in another one.
    pub(super) pool: u32,
}

impl Frame {
    /// Octets received, Ethernet header first; 0 for a frame that was allocated.
    #[inline]
    pub fn len(&self) -> usize {
        self.desc.lengths().data()
    }

    /// Whether nothing was received into this frame.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the data starts, octets from the start of the UMEM.
    #[inline]
    pub fn address(&self) -> usize {
        self.desc.addr()
    }
}
