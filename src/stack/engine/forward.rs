//! Frames forwarded between cores: a bounded queue per core, and whether that core must be woken.

use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst, fence};

/// Bytes of the longest frame that can be forwarded.
pub(super) const FRAME_LEN: usize = 3840;
/// Frames under way to one core. On a veth pair whose queues change, that is about one batch of
/// each other core at a time.
const CAPACITY: usize = 1024;

/// Frames for one core: segments of its connections that arrived on another core's queue, and
/// finished frames for a device that only this core has a queue of. The buffers are allocated once
/// and recycled.
pub struct ForwardQueue {
    filled: ArrayQueue<Box<ForwardedFrame>>,
    free: ArrayQueue<Box<ForwardedFrame>>,
    /// The owner sleeps, or is about to: a core that pushes must wake it.
    sleeping: AtomicBool,
}

pub(super) struct ForwardedFrame {
    len: usize,
    /// The device the frame came from, or leaves by.
    pub device: usize,
    pub task: Task,
    bytes: [u8; FRAME_LEN],
}

/// What the owner does with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Process it as if its own queue had received it.
    Receive,
    /// Send it, unchanged, through its own queue of the device.
    Send,
}

impl ForwardQueue {
    /// An empty queue.
    #[allow(clippy::new_without_default, reason = "allocates 4 MB: say so at the call")]
    pub fn new() -> ForwardQueue {
        let free = ArrayQueue::new(CAPACITY);
        for _ in 0..CAPACITY {
            // The queue has room for all of them.
            let _ = free.push(Box::new(ForwardedFrame {
                len: 0,
                device: 0,
                task: Task::Receive,
                bytes: [0; FRAME_LEN],
            }));
        }
        ForwardQueue { filled: ArrayQueue::new(CAPACITY), free, sleeping: AtomicBool::new(false) }
    }

    /// Copies a frame in. Returns false if no buffer is free or the frame is too long.
    pub(super) fn push(&self, bytes: &[u8], device: usize, task: Task) -> bool {
        let Some(mut frame) = self.free.pop() else {
            return false;
        };
        let fits = bytes.len() <= FRAME_LEN;
        if fits {
            frame.len = bytes.len();
            (frame.device, frame.task) = (device, task);
            frame.bytes[..bytes.len()].copy_from_slice(bytes);
            // As many buffers as places: there is room.
            let _ = self.filled.push(frame);
        } else {
            let _ = self.free.push(frame);
        }
        fits
    }

    /// The oldest frame.
    pub(super) fn pop(&self) -> Option<Box<ForwardedFrame>> {
        self.filled.pop()
    }

    pub(super) fn recycle(&self, frame: Box<ForwardedFrame>) {
        let _ = self.free.push(frame);
    }

    /// Called by the owner before it sleeps. Returns false if a frame has arrived: it must not sleep.
    pub fn prepare_sleep(&self) -> bool {
        // SeqCst, pairs with `needs_wakeup`: either the other core sees the flag or we see its frame.
        self.sleeping.store(true, SeqCst);
        fence(SeqCst);
        if self.filled.is_empty() {
            return true;
        }
        self.sleeping.store(false, SeqCst);
        false
    }

    /// Called by the owner once it is awake.
    pub fn awake(&self) {
        self.sleeping.store(false, SeqCst);
    }

    /// Called after a push. Returns whether the owner must be woken.
    pub fn needs_wakeup(&self) -> bool {
        fence(SeqCst);
        self.sleeping.load(SeqCst) && self.sleeping.swap(false, SeqCst)
    }
}

impl ForwardedFrame {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
