use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release};

use crossbeam_queue::ArrayQueue;

use super::{Waker, Worker};
use crate::xdp::Queue;

/// Commands that wait for one core: few, since each is submitted by hand or by a second's tick.
const WAITING: usize = 16;

/// What another thread has a core do between two polls.
pub type Command = Box<dyn FnOnce(&mut Worker<Queue>) + Send>;

/// Entry for everything but packets: questions about connections, new rules. A value
/// that belongs to a core is read and changed by that core alone, so it needs no lock.
///
/// A core without commands pays one load per poll. One with commands does one per poll; each has to be
/// short, and leaves what it replaced to the submitter, so that nothing large is freed here.
pub(super) struct CommandQueue {
    queue: ArrayQueue<Command>,
    /// May be true without a command, never false with one for longer than a wake-up takes. The queue's
    /// own word would not do: it counts a command whose submitter was stopped while putting it in, and a
    /// core that took it would spin until the submitter goes on.
    pending: AtomicBool,
    wake: Waker,
}

/// Too many commands wait for the core: it has ended, or does not get to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("core {0} takes no more commands: it has ended, or does not get to run")]
pub struct CommandQueueFull(pub usize);

impl CommandQueue {
    pub(super) fn new(wake: Waker) -> Arc<CommandQueue> {
        Arc::new(CommandQueue { queue: ArrayQueue::new(WAITING), pending: AtomicBool::new(false), wake })
    }

    /// From any thread. False: too many wait.
    pub(super) fn submit(&self, command: Command) -> bool {
        let taken = self.queue.push(command).is_ok();
        // Release, read by the swap below: a core that sees the mark sees the command.
        self.pending.store(true, Release);
        (self.wake)();
        taken
    }

    /// By the core, between two polls.
    #[inline]
    pub(super) fn next(&self) -> Option<Command> {
        if !self.pending.load(Relaxed) {
            return None;
        }
        // Before looking: a command that comes behind the look sets it again.
        self.pending.swap(false, AcqRel);
        let command = self.queue.pop();
        if !self.queue.is_empty() {
            self.pending.store(true, Relaxed);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands() -> Arc<CommandQueue> {
        CommandQueue::new(Arc::new(|| {}))
    }

    #[test]
    fn each_order_is_handed_out_once() {
        let commands = commands();
        assert!(commands.next().is_none());
        for _ in 0..3 {
            assert!(commands.submit(Box::new(|_| {})));
        }
        assert_eq!(std::iter::from_fn(|| commands.next()).count(), 3);
        assert!(commands.next().is_none());
    }

    #[test]
    fn a_core_that_takes_none_refuses_more() {
        let commands = commands();
        let taken = (0..2 * WAITING).filter(|_| commands.submit(Box::new(|_| {}))).count();
        assert_eq!(taken, WAITING);
    }

    #[test]
    fn none_is_overlooked_while_another_thread_gives() {
        let commands = commands();
        let submitter = {
            let commands = Arc::clone(&commands);
            std::thread::spawn(move || {
                for _ in 0..10_000 {
                    while !commands.submit(Box::new(|_| {})) {
                        std::thread::yield_now();
                    }
                }
            })
        };
        let mut seen = 0;
        while seen < 10_000 {
            seen += usize::from(commands.next().is_some());
        }
        submitter.join().unwrap();
        assert!(commands.next().is_none());
    }
}
