//! A port in memory: tests and benchmarks put frames in and take frames out.

use std::collections::VecDeque;

use super::Port;

/// Bytes in a frame: what an AF_XDP frame of 2,048 holds.
const FRAME_LEN: usize = 1792;

/// A port without a wire.
pub struct MemoryPort {
    buffers: Vec<[u8; FRAME_LEN]>,
    free: Vec<u32>,
    arrived: VecDeque<MemoryFrame>,
    sent: VecDeque<MemoryFrame>,
}

/// A frame of a [`MemoryPort`].
#[derive(Debug)]
#[must_use]
pub struct MemoryFrame {
    index: u32,
    len: u16,
}

impl MemoryPort {
    /// A port with `frames` frames.
    pub fn new(frames: u32) -> MemoryPort {
        MemoryPort {
            buffers: vec![[0; FRAME_LEN]; frames as usize],
            free: (0..frames).rev().collect(),
            arrived: VecDeque::with_capacity(frames as usize),
            sent: VecDeque::with_capacity(frames as usize),
        }
    }

    /// Puts a frame on the wire towards us. False: no free frame, or it is too long.
    pub fn inject(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > FRAME_LEN {
            return false;
        }
        let Some(index) = self.free.pop() else {
            return false;
        };
        self.buffers[index as usize][..bytes.len()].copy_from_slice(bytes);
        self.arrived.push_back(MemoryFrame { index, len: bytes.len() as u16 });
        true
    }

    /// Takes the next frame that was sent.
    pub fn collect(&mut self) -> Option<Vec<u8>> {
        let frame = self.sent.pop_front()?;
        let bytes = self.bytes(&frame).to_vec();
        self.release(frame);
        Some(bytes)
    }

    /// Looks at every frame that was sent, in order, and frees it.
    pub fn collect_all(&mut self, mut each: impl FnMut(&[u8])) {
        while let Some(frame) = self.sent.pop_front() {
            each(self.bytes(&frame));
            self.release(frame);
        }
    }

    /// Frames with no owner outside this port.
    pub fn free_frames(&self) -> usize {
        self.free.len()
    }
}

impl Port for MemoryPort {
    type Frame = MemoryFrame;

    fn receive(&mut self, into: &mut Vec<MemoryFrame>, limit: usize) -> usize {
        let count = limit.min(self.arrived.len());
        into.extend((0..count).map_while(|_| self.arrived.pop_front()));
        count
    }

    #[inline]
    fn bytes<'a>(&'a self, frame: &'a MemoryFrame) -> &'a [u8] {
        &self.buffers[frame.index as usize][..usize::from(frame.len)]
    }

    fn bytes_mut<'a>(&'a mut self, frame: &'a mut MemoryFrame) -> &'a mut [u8] {
        &mut self.buffers[frame.index as usize]
    }

    fn copy_in(&mut self, bytes: &[u8]) -> Option<MemoryFrame> {
        let mut frame = self.allocate()?;
        self.bytes_mut(&mut frame).get_mut(..bytes.len())?.copy_from_slice(bytes);
        frame.len = bytes.len() as u16;
        Some(frame)
    }

    fn allocate(&mut self) -> Option<MemoryFrame> {
        self.free.pop().map(|index| MemoryFrame { index, len: 0 })
    }

    fn release(&mut self, frame: MemoryFrame) {
        self.free.push(frame.index);
    }

    fn transmit(&mut self, mut frame: MemoryFrame, len: usize) {
        frame.len = len.min(FRAME_LEN) as u16;
        self.sent.push_back(frame);
    }

    fn flush(&mut self) -> bool {
        true
    }

    fn lost(&self) -> u64 {
        (self.buffers.len() - self.free.len() - self.arrived.len() - self.sent.len()) as u64
    }
}
