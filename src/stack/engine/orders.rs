use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release};

use crossbeam::queue::ArrayQueue;

use super::{Waker, Worker};
use crate::xdp::Queue;

/// CommandQueue that wait for one core: few, since each is given by hand or by a second's tick.
const WAITING: usize = 16;

/// What another thread has a core do between two polls.
pub type Command = Box<dyn FnOnce(&mut Worker<Queue>) + Send>;

/// The way in for everything that is no packet: questions about connections, new rules. A value
/// that belongs to a core is read and changed by that core alone, so it needs no lock.
///
/// A core without orders pays one load per poll. One with orders does one per poll; each has to be
/// short, and leaves what it replaced to whoever gave it, so that nothing large is freed here.
pub(super) struct CommandQueue {
    queue: ArrayQueue<Command>,
    /// May be true without an order, never false with one for longer than a wake-up takes. The queue's
    /// own word would not do: it counts an order whose giver was stopped while putting it in, and a
    /// core that took it would spin until the giver goes on.
    any: AtomicBool,
    wake: Waker,
}

/// Too many orders wait for the core: it has ended, or does not get to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("core {0} takes no more orders: it has ended, or does not get to run")]
pub struct CommandQueueFull(pub usize);

impl CommandQueue {
    pub(super) fn new(wake: Waker) -> Arc<CommandQueue> {
        Arc::new(CommandQueue { queue: ArrayQueue::new(WAITING), any: AtomicBool::new(false), wake })
    }

    /// From any thread. False: too many wait.
    pub(super) fn give(&self, order: Command) -> bool {
        let taken = self.queue.push(order).is_ok();
        // Release, read by the swap below: a core that sees the mark sees the order.
        self.any.store(true, Release);
        (self.wake)();
        taken
    }

    /// By the core, between two polls.
    #[inline]
    pub(super) fn next(&self) -> Option<Command> {
        if !self.any.load(Relaxed) {
            return None;
        }
        // Before looking: an order that comes behind the look sets it again.
        self.any.swap(false, AcqRel);
        let order = self.queue.pop();
        if !self.queue.is_empty() {
            self.any.store(true, Relaxed);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders() -> Arc<CommandQueue> {
        CommandQueue::new(Arc::new(|| {}))
    }

    #[test]
    fn each_order_is_handed_out_once() {
        let orders = orders();
        assert!(orders.next().is_none());
        for _ in 0..3 {
            assert!(orders.give(Box::new(|_| {})));
        }
        assert_eq!(std::iter::from_fn(|| orders.next()).count(), 3);
        assert!(orders.next().is_none());
    }

    #[test]
    fn a_core_that_takes_none_refuses_more() {
        let orders = orders();
        let taken = (0..2 * WAITING).filter(|_| orders.give(Box::new(|_| {}))).count();
        assert_eq!(taken, WAITING);
    }

    #[test]
    fn none_is_overlooked_while_another_thread_gives() {
        let orders = orders();
        let giver = {
            let orders = Arc::clone(&orders);
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    while !orders.give(Box::new(|_| {})) {
                        std::thread::yield_now();
                    }
                }
            })
        };
        let mut seen = 0;
        while seen < 10_000 {
            seen += usize::from(orders.next().is_some());
        }
        giver.join().unwrap();
        assert!(orders.next().is_none());
    }
}
