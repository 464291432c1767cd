//! A queue whose kernel is in memory, in batches of 64 frames. Per frame, the queue's calls alone: the
//! kernel's end works outside of the counted function. No driver asks to be woken, so there are no system
//! calls.

use std::hint::black_box;

use handfast_stack::xdp::{Frame, KernelEnd, MAX_BATCH, Queue, QueueConfig};

use super::{Path, only_this_is_counted};

pub const PATHS: &[Path] = &[
    ("xdp/receive-release", || Bench::new().count(BATCH, receive_release)),
    ("xdp/receive-reply", || Bench::new().count(BATCH, receive_reply)),
    ("xdp/allocate-transmit", || Bench::new().count(0, allocate_transmit)),
];

/// Frames of a batch: as many as the engine takes.
const BATCH: usize = 64;
/// Batches before anything is counted, and those that are counted: the UMEM's frames go round several
/// times.
const WARM_UP: usize = 256;
const COUNTED: usize = 256;
/// Bytes of a frame: a SYN.
const LEN: usize = 60;

/// One batch on a queue.
type Batch = fn(&mut Queue, &mut Vec<Frame>);

fn receive_release(queue: &mut Queue, frames: &mut Vec<Frame>) {
    queue.receive(frames, BATCH);
    for frame in frames.drain(..) {
        black_box(queue.bytes(&frame));
        queue.release(frame);
    }
    queue.flush().expect("nothing fails in memory");
}

fn receive_reply(queue: &mut Queue, frames: &mut Vec<Frame>) {
    queue.receive(frames, BATCH);
    for mut frame in frames.drain(..) {
        black_box(queue.bytes(&frame));
        write(queue, &mut frame);
        queue.transmit(frame, LEN);
    }
    queue.flush().expect("nothing fails in memory");
}

fn allocate_transmit(queue: &mut Queue, _: &mut Vec<Frame>) {
    for _ in 0..BATCH {
        let Some(mut frame) = queue.allocate() else { return };
        write(queue, &mut frame);
        queue.transmit(frame, LEN);
    }
    queue.flush().expect("nothing fails in memory");
}

/// The part of a reply that the port does not depend on, as short as it can be.
#[inline(always)]
fn write(queue: &mut Queue, frame: &mut Frame) {
    if let Some(byte) = queue.bytes_mut(frame).first_mut() {
        *byte = 2;
    }
}

struct Bench {
    queue: Queue,
    kernel: KernelEnd,
    frames: Vec<Frame>,
}

impl Bench {
    fn new() -> Bench {
        let (queue, kernel) = Queue::in_memory(&QueueConfig::new("memory", 1, 0)).expect("8 MiB");
        Bench { queue, kernel, frames: Vec::with_capacity(MAX_BATCH) }
    }

    /// Runs batches of `received` frames each. Returns the number of frames that were counted.
    fn count(mut self, received: usize, batch: Batch) -> u64 {
        (0..WARM_UP).for_each(|_| self.round(received, batch, false));
        let before = self.queue.counters();
        (0..COUNTED).for_each(|_| self.round(received, batch, true));
        let after = self.queue.counters();
        let frames = (COUNTED * BATCH) as u64;
        assert_eq!(after.received - before.received, (COUNTED * received) as u64);
        assert_eq!((after.bad_descriptors, after.misused, self.queue.lost()), (0, 0, 0));
        assert!(self.queue.ledger().balanced());
        frames
    }

    fn round(&mut self, received: usize, batch: Batch, counted: bool) {
        let Bench { queue, kernel, frames } = self;
        (0..received).for_each(|_| assert!(kernel.deliver(&[1; LEN]), "the fill ring has frames"));
        let mut batch = || batch(queue, frames);
        if counted {
            only_this_is_counted(&mut batch)
        } else {
            batch()
        }
        kernel.collect(|bytes| assert_eq!(bytes.len(), LEN));
    }
}
