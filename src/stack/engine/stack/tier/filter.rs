//! The filter of known flows across all cores: filled, complete, given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire, Ordering::Release};
use std::time::{Duration, Instant};

use crate::engine::command_queue::CommandQueue;
use crate::engine::{Command, Worker};
use crate::xdp::{FlowFilter, Queue, Tier};

/// Connections that share a line of a new filter, and those beyond which it is replaced by a larger one.
const PER_LINE: u32 = 2;
const MOST_PER_LINE: u32 = 8;
/// With fewer connections in this number of lines it is replaced by a smaller one, which stays in the cache.
const LINES_EACH: u32 = 16;
/// A filter is kept for this time before it is replaced by a smaller one.
const KEPT: Duration = Duration::from_secs(10);

/// A request to every core, and its progress.
struct Broadcast {
    /// Cores that were not asked yet, since they took no more commands.
    unasked: Vec<usize>,
    /// Cores that have done it.
    done: Arc<AtomicUsize>,
}

enum State {
    Unused,
    Filling(Broadcast),
    Complete,
    Dropping(Broadcast),
}

/// The filter, and the cores that keep it.
pub(super) struct Filter {
    tier: Arc<Tier>,
    commands: Vec<Arc<CommandQueue>>,
    state: State,
    /// When the last filling began.
    filled: Instant,
}

impl Filter {
    pub(super) fn new(tier: Arc<Tier>, commands: Vec<Arc<CommandQueue>>) -> Filter {
        Filter { tier, commands, state: State::Unused, filled: Instant::now() }
    }

    /// Whether it is too small for this number of connections, or far too large.
    pub(super) fn is_misfit(&self, connections: u32) -> bool {
        let lines = self.tier.filter().lines();
        let is_large = connections.saturating_mul(LINES_EACH) < lines && lines > FlowFilter::lines_for(0);
        connections / MOST_PER_LINE > lines && lines < self.tier.filter_capacity()
            || is_large && self.filled.elapsed() >= KEPT
    }

    /// Every connection is in it.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete)
    }

    /// Cores are at it.
    pub(super) fn is_changing(&self) -> bool {
        matches!(self.state, State::Filling(_) | State::Dropping(_))
    }

    /// Has all cores fill it, or give it up, and takes note of those that have. A change under way is
    /// completed first.
    pub(super) fn keep(&mut self, wanted: bool, connections: u32) {
        match &mut self.state {
            State::Unused if wanted => {
                self.tier.resize_filter(connections / PER_LINE);
                self.filled = Instant::now();
                self.state = State::Filling(self.broadcast());
            }
            State::Complete if !wanted => self.state = State::Dropping(self.broadcast()),
            State::Unused | State::Complete | State::Filling(_) | State::Dropping(_) => {}
        }
        let filling = matches!(self.state, State::Filling(_));
        let (State::Filling(broadcast) | State::Dropping(broadcast)) = &mut self.state else { return };
        let (filter, done) = (self.tier.filter(), &broadcast.done);
        broadcast.unasked.retain(|core| {
            let command: Command = if filling { fill(filter, done) } else { give_up(done) };
            !self.commands.get(*core).is_some_and(|commands| commands.submit(command))
        });
        if done.load(Acquire) == self.commands.len() {
            if !filling {
                // No core writes to it any more, and the program does not read it.
                self.tier.filter().clear();
            }
            self.state = if filling { State::Complete } else { State::Unused };
        }
    }

    fn broadcast(&self) -> Broadcast {
        Broadcast { unasked: (0..self.commands.len()).collect(), done: Arc::default() }
    }
}

fn fill(filter: &Arc<FlowFilter>, done: &Arc<AtomicUsize>) -> Command {
    let (filter, done) = (filter.clone(), done.clone());
    Box::new(move |worker: &mut Worker<Queue>| worker.keep_filter(filter, done))
}

fn give_up(done: &Arc<AtomicUsize>) -> Command {
    let done = done.clone();
    Box::new(move |worker: &mut Worker<Queue>| {
        worker.drop_filter();
        done.fetch_add(1, Release);
    })
}
