use crate::xdp;

/// Frames a batch takes at most: enough to hide memory latency behind prefetches and to share a
/// wake-up, few enough to stay in the first-level cache.
pub(super) const BATCH: usize = 64;

/// Where frames come from and go to. A frame has one owner: it ends in `release` or `transmit`.
pub trait Port {
    /// An owned frame.
    type Frame;

    /// Appends up to `limit` received frames.
    fn receive(&mut self, into: &mut Vec<Self::Frame>, limit: usize) -> usize;

    /// What was received, Ethernet header first.
    fn bytes<'a>(&'a self, frame: &'a Self::Frame) -> &'a [u8];

    /// The whole room of the frame.
    fn bytes_mut<'a>(&'a mut self, frame: &'a mut Self::Frame) -> &'a mut [u8];

    /// A free frame that holds `bytes` as if it had received them.
    fn copy_in(&mut self, bytes: &[u8]) -> Option<Self::Frame>;

    /// A free frame.
    fn allocate(&mut self) -> Option<Self::Frame>;

    /// Returns a frame to the free frames without sending it.
    fn release(&mut self, frame: Self::Frame);

    /// Queues the first `len` bytes for sending.
    fn transmit(&mut self, frame: Self::Frame, len: usize);

    /// The end of a batch: everything queued goes out, with one wake-up.
    /// False: the device is gone.
    fn flush(&mut self) -> bool;

    /// Frames without an owner: must be 0 between batches.
    fn lost(&self) -> u64;
}

impl Port for xdp::Queue {
    type Frame = xdp::Frame;

    #[inline]
    fn receive(&mut self, into: &mut Vec<xdp::Frame>, limit: usize) -> usize {
        xdp::Queue::receive(self, into, limit)
    }

    #[inline]
    fn bytes<'a>(&'a self, frame: &'a xdp::Frame) -> &'a [u8] {
        xdp::Queue::bytes(self, frame)
    }

    #[inline]
    fn bytes_mut<'a>(&'a mut self, frame: &'a mut xdp::Frame) -> &'a mut [u8] {
        xdp::Queue::bytes_mut(self, frame)
    }

    fn copy_in(&mut self, bytes: &[u8]) -> Option<xdp::Frame> {
        xdp::Queue::copy_in(self, bytes)
    }

    #[inline]
    fn allocate(&mut self) -> Option<xdp::Frame> {
        xdp::Queue::allocate(self)
    }

    #[inline]
    fn release(&mut self, frame: xdp::Frame) {
        xdp::Queue::release(self, frame)
    }

    #[inline]
    fn transmit(&mut self, frame: xdp::Frame, len: usize) {
        xdp::Queue::transmit(self, frame, len)
    }

    #[inline]
    fn flush(&mut self) -> bool {
        xdp::Queue::flush(self).is_ok()
    }

    fn lost(&self) -> u64 {
        u64::from(xdp::Queue::lost(self))
    }
}
