use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;

use super::command_queue::CommandQueue;
use super::forward::ForwardQueue;
use super::priority::Priority;
use super::{OnStop, Progress, Worker};
use crate::tcp::Time;
use crate::xdp::{DeviceError, Queue};

/// What an idle core does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Polling {
    /// Spins: no wake-up to wait for, a whole core used.
    Busy,
    /// Spins while there is work and a little longer, then sleeps until something comes.
    #[default]
    Adaptive,
}

/// How long `adaptive` spins without work before it sleeps: longer than the gap between two
/// batches of a busy peer, shorter than what counts as load.
const SPIN: Duration = Duration::from_micros(200);
/// The longest sleep, milliseconds; stopping and timers cut it short.
const MAX_SLEEP_MS: u32 = 1000;
/// How long frames wait that the kernel has not taken, milliseconds.
const UNSENT_SLEEP_MS: u32 = 1;
/// Polls of a core that is to stop, at most: a full ring several times over.
const LAST_POLLS: usize = 256;
/// How long a core that ends waits for frames, peers, or the kernel, before it looks again; and how often
/// it looks after what it has sent.
const END_SLEEP: Duration = Duration::from_millis(1);
const END_SLEEPS: usize = 100;
/// How often a core whose interface is down looks again.
const LINK_DOWN_SLEEP: Duration = Duration::from_millis(20);

/// What came of a sleep.
enum Sleep {
    Slept,
    /// There is something to do.
    Awake,
    /// A device is gone.
    Gone,
}

/// A poll without work, with its yield, that takes longer was spent behind another thread on this CPU.
const CROWDED: Duration = Duration::from_micros(100);
/// How long a core then sleeps at once when it has nothing to do.
const CROWDED_FOR: Duration = Duration::from_millis(100);

/// What a core is asked from outside.
#[derive(Default)]
pub(super) struct Asked {
    /// To end.
    pub stop: AtomicBool,
    /// To end at once: there is no time for [`Runner::on_stop`] any more.
    pub cut: AtomicBool,
}

/// One pinned thread around one worker.
pub(super) struct Runner {
    pub worker: Worker<Queue>,
    pub cpu: usize,
    pub polling: Polling,
    pub priority: Priority,
    pub epoch: Instant,
    pub asked: Arc<Asked>,
    pub on_stop: OnStop,
    /// Readable when a frame was forwarded to this core, or the core is to stop.
    pub wake: Arc<EventFd>,
    pub commands: Arc<CommandQueue>,
    /// The index of this core.
    pub core: usize,
    pub shared: Arc<super::Shared>,
}

/// A poll without work that takes longer was preempted, most often by the kernel, which moves our own
/// packets: it does not count as idle.
const SHORT: Duration = Duration::from_micros(20);

/// Monotonic time since `epoch`, plus an hour, so that no clock of ours starts at zero.
pub(super) fn now(epoch: Instant) -> Time {
    at(epoch, Instant::now())
}

fn at(epoch: Instant, moment: Instant) -> Time {
    Time { micros: moment.duration_since(epoch).as_micros() as u64 + 3_600_000_000 }
}

impl Runner {
    /// Runs until it is to stop or a device is gone; returns the worker.
    pub(super) fn run(mut self) -> (Worker<Queue>, Option<DeviceError>) {
        core_affinity::set_for_current(core_affinity::CoreId { id: self.cpu });
        // At a real-time priority a wake-up is immediate, and a spinning thread keeps ksoftirqd from the CPU.
        let spin = if self.priority.is_realtime() { Duration::ZERO } else { SPIN };
        let mut busy_until = Instant::now() + spin;
        // The scheduler lets every other thread run before one that yields has its turn again, but one
        // that is woken before those that have used their time.
        let mut crowded_until = Instant::now();
        while !self.asked.stop.load(Relaxed) {
            if let Some(command) = self.commands.next() {
                // It may have slept since its last poll, and a command may look at timers.
                self.worker.core.tcp.set_now(now(self.epoch));
                command(&mut self.worker);
            }
            let began = Instant::now();
            let polled = self.worker.poll(at(self.epoch, began));
            if polled.gone {
                break;
            }
            if polled.work > 0 {
                let now = Instant::now();
                busy_until = if now < crowded_until { now } else { now + spin };
                continue;
            }
            if self.polling == Polling::Adaptive && Instant::now() >= busy_until {
                match self.sleep() {
                    Sleep::Gone => break,
                    // What it was woken for comes first: on a CPU with other threads, a yield now would
                    // let each of them use its time before the frame that has come is looked at.
                    Sleep::Slept => continue,
                    Sleep::Awake => {}
                }
            }
            // Frames may wait for the kernel's own thread on this very core (ksoftirqd, on veth):
            // a thread that spins without yielding delays its own packets. And no PAUSE: in
            // a virtual machine a run of them makes the hypervisor take the core away.
            std::thread::yield_now();
            let unused = began.elapsed();
            if unused < SHORT {
                self.worker.add_idle(unused);
            } else if unused > CROWDED {
                busy_until = began;
                crowded_until = Instant::now() + CROWDED_FOR;
            }
        }
        self.finish();
        let fault = self.worker.ports_mut().iter_mut().find_map(|queue| queue.check().err());
        (self.worker, fault)
    }

    /// What arrived before the end is answered and counted like everything else, also by a core that was
    /// kept from it for a while. Not for ever: some peers never stop sending.
    fn finish(&mut self) {
        for _ in 0..LAST_POLLS {
            let polled = self.worker.poll(now(self.epoch));
            if polled.gone {
                return;
            }
            if polled.work == 0 {
                break;
            }
        }
        self.end_connections();
    }

    /// Then the peers of what is still open get to know of the end.
    fn end_connections(&mut self) {
        let mut ending = self.worker.begin_end(self.on_stop, now(self.epoch));
        while !self.asked.cut.load(Relaxed) {
            let progress = self.worker.end_some(&mut ending, now(self.epoch));
            if progress == Progress::Over {
                break;
            }
            let polled = self.worker.poll(now(self.epoch));
            if polled.gone {
                break;
            }
            if progress == Progress::Waits && polled.work == 0 {
                std::thread::sleep(END_SLEEP);
            }
        }
        self.worker.count_left_open(&ending);
        // In the transmit ring it is not on the wire yet, and the ring goes with the socket.
        for _ in 0..END_SLEEPS {
            let unsent = self.worker.ports_mut().iter_mut().any(Queue::unsent);
            if !unsent || self.worker.poll(now(self.epoch)).gone {
                break;
            }
            std::thread::sleep(END_SLEEP);
        }
    }

    /// Sleeps until a received or forwarded frame, a timer or the end.
    fn sleep(&mut self) -> Sleep {
        // No event says that the kernel takes frames again.
        let unsent = self.worker.ports_mut().iter_mut().any(Queue::unsent);
        let idle = self.worker.idle_ms(if unsent { UNSENT_SLEEP_MS } else { MAX_SLEEP_MS });
        if idle == 0 || !self.forward_queue().prepare_sleep() {
            return Sleep::Awake;
        }
        let asleep = Instant::now();
        let faulty = self.wait(idle);
        self.worker.add_idle(asleep.elapsed());
        self.forward_queue().awake();
        // Reading resets it; nothing to read is fine.
        let _ = self.wake.read();
        if !faulty || self.check_devices() { Sleep::Slept } else { Sleep::Gone }
    }

    /// True: some socket reports an error rather than frames.
    fn wait(&self, idle_ms: u32) -> bool {
        let wake: BorrowedFd<'_> = self.wake.as_fd();
        let queues = self.worker.ports().iter().map(AsFd::as_fd);
        let mut fds: Vec<PollFd<'_>> =
            queues.chain([wake]).map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(idle_ms).unwrap_or(PollTimeout::MAX);
        // EINTR is a short sleep.
        let _ = poll(&mut fds, timeout);
        let errors = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        fds.iter().any(|fd| fd.revents().is_some_and(|events| events.intersects(errors)))
    }

    /// A link that is down comes back; a device that is gone does not.
    fn check_devices(&mut self) -> bool {
        let alive = self.worker.ports_mut().iter_mut().all(|queue| queue.check().is_ok());
        if alive {
            std::thread::sleep(LINK_DOWN_SLEEP);
        }
        alive
    }

    fn forward_queue(&self) -> &ForwardQueue {
        &self.shared.forward_queues[self.core]
    }
}

/// Wakes the core that waits on this.
pub(super) fn waker(event: Arc<EventFd>) -> super::Waker {
    Arc::new(move || {
        // It fails only when the count is at its limit: then it is readable anyway.
        let _ = event.write(1);
    })
}

/// A descriptor to wake a core by.
pub(super) fn wake_event() -> nix::Result<EventFd> {
    use nix::sys::eventfd::EfdFlags;
    let event = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    debug_assert!(event.as_raw_fd() >= 0);
    Ok(event)
}
