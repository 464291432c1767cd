//! A queue under random use, against a kernel that repeats and invents descriptors.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Few frames, so that descriptors meet, and rings that fill up.
const FRAMES: u32 = 48;
const RING: u32 = 16;

#[derive(Clone, Debug)]
enum Step {
    /// The kernel receives that many frames.
    Deliver(usize),
    /// A batch is received, and stays held.
    Receive(usize),
    Allocate,
    /// Held frames, the oldest first.
    Release(usize),
    Transmit(usize, usize),
    Flush,
    /// The kernel sends and completes at most that many frames.
    Complete(usize),
    /// A descriptor that the kernel makes up: frame, offset in it, length, options.
    BogusReceived(u64, u64, u32, u32),
    BogusCompleted(u64, u64),
}

fn step() -> impl Strategy<Value = Step> {
    // Also frames that do not exist.
    let frame = prop_oneof![12 => 0..u64::from(FRAMES) + 2, 1 => any::<u64>().prop_map(|frame| frame >> 11)];
    let offset = prop_oneof![3 => Just(256), 1 => 0..2048u64];
    let len = prop_oneof![3 => 14..80u32, 1 => any::<u32>()];
    let options = prop_oneof![6 => Just(0), 2 => Just(1), 1 => any::<u32>()];
    let transmitted = prop_oneof![8 => 14..=1792usize, 1 => any::<usize>()];
    prop_oneof![
        4 => (1..20usize).prop_map(Step::Deliver),
        4 => (0..20usize).prop_map(Step::Receive),
        1 => Just(Step::Allocate),
        2 => (1..12usize).prop_map(Step::Release),
        4 => (1..12usize, transmitted).prop_map(|(count, len)| Step::Transmit(count, len)),
        4 => Just(Step::Flush),
        3 => (1..20usize).prop_map(Step::Complete),
        2 => (frame.clone(), offset.clone(), len, options)
            .prop_map(|(frame, offset, len, options)| Step::BogusReceived(frame, offset, len, options)),
        2 => (frame, offset).prop_map(|(frame, offset)| Step::BogusCompleted(frame, offset)),
    ]
}

/// A queue, its kernel, and the numbers that both must agree on.
struct Run {
    queue: Queue,
    kernel: KernelEnd,
    held: Vec<Frame>,
    /// Descriptors put into the receive and completion rings.
    received: u64,
    completed: u64,
}

impl Run {
    fn new() -> Run {
        let mut config = QueueConfig::new("memory", 1, 0);
        config.set_rings(RING);
        config.frames = FRAMES;
        let (queue, kernel) = Queue::in_memory(&config).expect("some KiB");
        Run { queue, kernel, held: Vec::new(), received: 0, completed: 0 }
    }

    fn take(&mut self, step: &Step) {
        let Run { queue, kernel, held, received, completed } = self;
        match *step {
            Step::Deliver(count) => {
                *received += (0..count).filter(|_| kernel.deliver(&[7; 60])).count() as u64
            }
            Step::Receive(limit) => {
                let mut batch = Vec::with_capacity(MAX_BATCH);
                let got = queue.receive(&mut batch, limit);
                assert!(got == batch.len() && got <= limit);
                assert!(batch.iter().all(|frame| queue.bytes(frame).len() == frame.len()));
                held.extend(batch);
            }
            Step::Allocate => held.extend(queue.allocate()),
            Step::Release(count) => {
                held.drain(..count.min(held.len())).for_each(|frame| queue.release(frame))
            }
            Step::Transmit(count, len) => {
                for mut frame in held.drain(..count.min(held.len())) {
                    queue.bytes_mut(&mut frame).fill(1);
                    queue.transmit(frame, len);
                }
            }
            Step::Flush => queue.flush().expect("nothing fails in memory"),
            Step::Complete(count) => {
                for _ in 0..count {
                    if kernel.completion.free(1) == 0 {
                        break;
                    }
                    let Some(desc) = kernel.tx.next() else { break };
                    assert!(!queue.memory.bytes_of(&desc).is_empty(), "{desc:?}");
                    *completed += kernel.completion.produce(&[desc.addr]) as u64;
                }
            }
            Step::BogusReceived(frame, offset, len, options) => {
                let desc = Descriptor::new(frame.wrapping_mul(2048).wrapping_add(offset), len, options);
                *received += kernel.rx.produce(&[desc]) as u64;
            }
            Step::BogusCompleted(frame, offset) => {
                let addr = frame.wrapping_mul(2048).wrapping_add(offset);
                *completed += kernel.completion.produce(&[addr]) as u64;
            }
        }
    }

    /// No frame is in two places, and each count is that of the marks.
    fn check(&self) {
        let Run { queue, held, .. } = self;
        let number = |addr: u64| addr / 2048;
        let free = queue.free.iter().map(|addr| number(*addr));
        let pending = queue.pending.iter().map(|(addr, _)| number(*addr));
        let here: Vec<u64> =
            held.iter().map(|frame| number(frame.addr())).chain(free).chain(pending).collect();
        let distinct: BTreeSet<u64> = here.iter().copied().collect();
        assert_eq!(distinct.len(), here.len(), "a frame twice: {here:?}");
        let ledger = queue.ledger();
        assert!(ledger.balanced(), "{ledger:?}");
        assert_eq!((ledger.held, queue.lost()), (held.len() as u32, held.len() as u32));
        let count = |owner| queue.owners.count(owner);
        assert_eq!(count(Owner::Queue), here.len() as u32, "{ledger:?}");
        assert_eq!(count(Owner::Receive), ledger.receiving);
        assert_eq!(count(Owner::Transmit), ledger.transmitting - queue.pending.len() as u32);
    }

    /// Every descriptor has become a frame or is counted.
    fn end(mut self) {
        for _ in 0..4 {
            while let Some(desc) = self.kernel.tx.next() {
                self.completed += self.kernel.completion.produce(&[desc.addr]) as u64;
                self.queue.flush().expect("nothing fails in memory");
            }
            self.take(&Step::Receive(MAX_BATCH));
            self.take(&Step::Release(usize::MAX));
            self.take(&Step::Flush);
            self.check();
        }
        let (counters, lost) = (self.queue.counters(), self.queue.lost());
        let refused = counters.bad_descriptors + counters.split;
        let freed = counters.transmitted - u64::from(self.queue.ledger().transmitting);
        assert_eq!((refused + counters.received + freed, lost), (self.received + self.completed, 0));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_kernel_says_each_frame_has_one_owner(steps in vec(step(), 1..120)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
            run.check();
        }
        run.end();
    }
}
