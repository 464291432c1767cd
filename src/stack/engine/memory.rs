//! A port in memory: tests and benchmarks put frames in and take frames out.

use super::Port;

/// Bytes in a frame: what an AF_XDP frame of 2,048 holds.
const FRAME_LEN: usize = 1792;

/// A port without a wire.
pub struct MemoryPort {
    /// The frames, one after the other.
    memory: Box<[u8]>,
    /// Where they start.
    free: Vec<u32>,
    arrived: Fifo,
    sent: Fifo,
}

/// A frame of a [`MemoryPort`].
#[derive(Debug)]
#[must_use]
pub struct MemoryFrame(Data);

/// The data of a frame: where its frame starts in the memory, and bytes of data.
#[derive(Clone, Copy, Debug)]
struct Data {
    start: u32,
    len: u32,
}

/// Frames in order. Those before `taken` are gone; the room is used again once all are.
struct Fifo {
    frames: Vec<Data>,
    taken: usize,
}

impl Fifo {
    fn new(frames: u32) -> Fifo {
        Fifo { frames: Vec::with_capacity(frames as usize), taken: 0 }
    }

    #[inline]
    fn len(&self) -> usize {
        self.frames.len() - self.taken
    }

    #[inline]
    fn push(&mut self, frame: MemoryFrame) {
        self.frames.push(frame.0);
    }

    /// The first frames, at most `limit`. To be followed by `remove`.
    #[inline]
    fn first(&self, limit: usize) -> &[Data] {
        let left = &self.frames[self.taken..];
        &left[..limit.min(left.len())]
    }

    #[inline]
    fn remove(&mut self, count: usize) {
        self.taken += count;
        if self.taken == self.frames.len() {
            self.frames.clear();
            self.taken = 0;
        }
    }

    fn pop(&mut self) -> Option<MemoryFrame> {
        let frame = MemoryFrame(*self.first(1).first()?);
        self.remove(1);
        Some(frame)
    }
}

impl MemoryPort {
    /// A port with `frames` frames, at most 4 GiB.
    pub fn new(frames: u32) -> MemoryPort {
        MemoryPort {
            memory: vec![0; frames as usize * FRAME_LEN].into(),
            free: (0..frames).rev().map(|frame| frame * FRAME_LEN as u32).collect(),
            arrived: Fifo::new(frames),
            sent: Fifo::new(frames),
        }
    }

    /// Puts a frame on the wire towards us. False: no free frame, or it is too long.
    pub fn inject(&mut self, bytes: &[u8]) -> bool {
        let frame = self.copy_in(bytes);
        frame.map(|frame| self.arrived.push(frame)).is_some()
    }

    /// Takes the next frame that was sent.
    pub fn collect(&mut self) -> Option<Vec<u8>> {
        let frame = self.sent.pop()?;
        let bytes = self.bytes(&frame).to_vec();
        self.release(frame);
        Some(bytes)
    }

    /// Looks at every frame that was sent, in order, and frees it.
    pub fn collect_all(&mut self, mut each: impl FnMut(&[u8])) {
        while let Some(frame) = self.sent.pop() {
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

    #[inline]
    fn receive(&mut self, into: &mut Vec<MemoryFrame>, limit: usize) -> usize {
        let arrived = self.arrived.first(limit);
        let count = arrived.len();
        into.extend(arrived.iter().map(|frame| MemoryFrame(*frame)));
        self.arrived.remove(count);
        count
    }

    #[inline]
    fn bytes<'a>(&'a self, frame: &'a MemoryFrame) -> &'a [u8] {
        let Data { start, len } = frame.0;
        &self.memory[start as usize..start as usize + len as usize]
    }

    #[inline]
    fn bytes_mut<'a>(&'a mut self, frame: &'a mut MemoryFrame) -> &'a mut [u8] {
        let start = frame.0.start as usize;
        &mut self.memory[start..start + FRAME_LEN]
    }

    fn copy_in(&mut self, bytes: &[u8]) -> Option<MemoryFrame> {
        if bytes.len() > FRAME_LEN {
            return None;
        }
        let mut frame = self.allocate()?;
        self.bytes_mut(&mut frame)[..bytes.len()].copy_from_slice(bytes);
        frame.0.len = bytes.len() as u32;
        Some(frame)
    }

    #[inline]
    fn allocate(&mut self) -> Option<MemoryFrame> {
        self.free.pop().map(|start| MemoryFrame(Data { start, len: 0 }))
    }

    #[inline]
    fn release(&mut self, frame: MemoryFrame) {
        self.free.push(frame.0.start);
    }

    #[inline]
    fn transmit(&mut self, mut frame: MemoryFrame, len: usize) {
        frame.0.len = len.min(FRAME_LEN) as u32;
        self.sent.push(frame);
    }

    #[inline]
    fn flush(&mut self) -> bool {
        true
    }

    fn lost(&self) -> u64 {
        let frames = self.memory.len() / FRAME_LEN;
        (frames - self.free.len() - self.arrived.len() - self.sent.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_in_order_and_none_is_lost() {
        let mut port = MemoryPort::new(4);
        let mut batch = Vec::new();
        for round in 0..9u8 {
            assert!([0, 1, 2].iter().all(|at| port.inject(&[3 * round + at; 60])));
            assert_eq!((port.receive(&mut batch, 2), port.receive(&mut batch, 0)), (2, 0));
            assert!(port.inject(&[255]) && !port.inject(&[255]), "all four are used");
            assert_eq!((port.receive(&mut batch, 9), port.receive(&mut batch, 9)), (2, 0));
            let came: Vec<u8> = batch.iter().map(|frame| port.bytes(frame)[0]).collect();
            assert_eq!(came, [3 * round, 3 * round + 1, 3 * round + 2, 255]);
            assert_eq!((port.lost(), port.free_frames()), (4, 0));
            let mut batch = batch.drain(..);
            port.release(batch.next().expect("four"));
            for mut frame in batch {
                port.bytes_mut(&mut frame)[1] = 7;
                port.transmit(frame, 2);
            }
            assert_eq!(port.collect(), Some(vec![3 * round + 1, 7]));
            let mut sent = Vec::new();
            port.collect_all(|bytes| sent.push(bytes.to_vec()));
            assert_eq!(sent, [[3 * round + 2, 7], [255, 7]]);
            assert_eq!((port.lost(), port.free_frames(), port.collect()), (0, 4, None));
        }
    }

    #[test]
    fn what_is_too_long_takes_no_frame() {
        let mut port = MemoryPort::new(1);
        assert!(port.copy_in(&[0; FRAME_LEN + 1]).is_none() && !port.inject(&[0; FRAME_LEN + 1]));
        assert_eq!((port.free_frames(), port.lost()), (1, 0));
        assert!(port.copy_in(&[0; FRAME_LEN]).is_some_and(|frame| port.bytes(&frame).len() == FRAME_LEN));
    }
}
