//! The cookie tier of a stack at work: a thread that decides for which listeners the eBPF program answers
//! SYNs, and gives it keys. It needs no capability: it writes into mapped memory, and has the cores keep the
//! filter of known flows.
//!
//! The order of a switch: every core fills the filter with its connections; then the program verifies ACKs
//! and answers SYNs. Back: the program answers no longer, and cores verify the cookies that are under way.

mod filter;
mod switch;

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::EventFd;
use serde::{Deserialize, Serialize};

use super::devices::OpenDevice;
use super::listening::Listening;
use crate::engine::Shared;
use crate::engine::command_queue::CommandQueue;
use crate::engine::runner::{now, wake_event, waker};
use crate::observe::CoreCounters;
use crate::tcp::{CookieMode, Cookies};
use crate::xdp::{Tier, TierCounts};
use filter::Filter;
use switch::{Answered, Switch};

/// How often the thread looks: while the filter changes, while a listener answers by cookie, otherwise.
const CHANGING_TICK: Duration = Duration::from_millis(2);
const PRESSED_TICK: Duration = Duration::from_millis(50);
const CALM_TICK: Duration = Duration::from_secs(1);
/// The time that the filter is kept after the last listener needed it.
const KEPT: Duration = Duration::from_secs(30);
/// Periods whose keys the program has, besides this one. A process that is stopped finds the program still
/// answering after 13 of them, which are a quarter of an hour.
const PERIODS_BEFORE: u64 = 1;
const PERIODS_AFTER: u64 = 13;

/// The parts that the thread works with.
pub(super) struct CookieTier {
    pub(super) tier: Arc<Tier>,
    pub(super) devices: Arc<[OpenDevice]>,
    pub(super) listening: Arc<Listening>,
    pub(super) commands: Vec<Arc<CommandQueue>>,
    pub(super) shared: Arc<Shared>,
    pub(super) cookies: Cookies,
    pub(super) epoch: Instant,
    pub(super) cores: Vec<Arc<CoreCounters>>,
    pub(super) counters: Arc<TierCounters>,
}

/// The counts of the tier, for any thread.
#[derive(Debug, Default)]
pub(super) struct TierCounters {
    verifying: AtomicBool,
    listeners: AtomicU64,
    begun: AtomicU64,
    ended: AtomicU64,
}

/// The cookie tier at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TierSnapshot {
    /// Whether the program verifies the ACKs of segments without a connection.
    pub verifying: bool,
    /// Listeners whose SYNs the program answers.
    pub listeners: u64,
    /// Number of times the program began to answer for a listener.
    pub begun: u64,
    /// Number of times the cores answer for a listener again.
    pub ended: u64,
}

impl TierCounters {
    pub(super) fn snapshot(&self) -> TierSnapshot {
        TierSnapshot {
            verifying: self.verifying.load(Relaxed),
            listeners: self.listeners.load(Relaxed),
            begun: self.begun.load(Relaxed),
            ended: self.ended.load(Relaxed),
        }
    }
}

/// How long a start waits for a program that answers from the beginning, and how often it looks.
const START: Duration = Duration::from_millis(500);
const START_LOOK: Duration = Duration::from_millis(1);

/// The thread.
pub(super) struct TierThread {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    wake: Arc<EventFd>,
}

impl TierThread {
    pub(super) fn start(tier: CookieTier) -> std::io::Result<TierThread> {
        let (stop, wake) = (Arc::<AtomicBool>::default(), Arc::new(wake_event()?));
        let answers = tier.devices.iter().any(OpenDevice::is_answering);
        // Where the other end of a veth may change its mind, too.
        if answers || tier.devices.iter().any(OpenDevice::may_change) {
            tier.shared.board.set_waker(waker(wake.clone()));
        }
        let always =
            answers && tier.shared.config.cookies == CookieMode::Always && !tier.listening.answering().1;
        let (began, counters) = (Instant::now(), tier.counters.clone());
        let control = Control::new(tier);
        let (stops, wakes) = (stop.clone(), wake.clone());
        let thread =
            std::thread::Builder::new().name("hf-tier".into()).spawn(move || control.run(&stops, &wakes))?;
        // Not for ever: the cores may not get to run, and answer SYNs as well.
        while always && !counters.verifying.load(Relaxed) && began.elapsed() < START {
            std::thread::sleep(START_LOOK);
        }
        Ok(TierThread { thread: Some(thread), stop, wake })
    }

    /// Ends it: the program answers for no listener any more.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Relaxed);
        // It fails only when the count is at its limit: then it is readable anyway.
        let _ = self.wake.write(1);
        if let Some(thread) = self.thread.take() {
            // After a panic the stack goes on without it.
            let _ = thread.join();
        }
    }
}

impl Drop for TierThread {
    fn drop(&mut self) {
        self.stop();
    }
}

struct Control {
    tier: CookieTier,
    filter: Filter,
    /// By number: listeners that answer by cookie.
    listeners: BTreeMap<u16, Switch>,
    /// When a listener last needed the filter.
    needed: Option<Instant>,
    /// The last period whose key the program has.
    keys_of: Option<u64>,
    looked: Instant,
}

impl Control {
    fn new(tier: CookieTier) -> Control {
        Control {
            filter: Filter::new(tier.tier.clone(), tier.commands.clone()),
            listeners: BTreeMap::new(),
            needed: None,
            keys_of: None,
            looked: Instant::now(),
            tier,
        }
    }

    fn run(mut self, stop: &AtomicBool, wake: &EventFd) {
        while !stop.load(Relaxed) {
            let tick = self.look();
            let mut fds = [PollFd::new(wake.as_fd(), PollFlags::POLLIN)];
            // EINTR is a short wait. Cores wake it when a listener begins to answer by cookie.
            let _ = poll(&mut fds, PollTimeout::try_from(tick).unwrap_or(PollTimeout::MAX));
            let _ = wake.read();
        }
        let answering: Vec<u16> = self.listeners.keys().copied().collect();
        answering.into_iter().for_each(|listener| self.turn(listener, false));
        self.set_verifying(false);
    }

    /// Decides anew; how long that holds at most.
    fn look(&mut self) -> Duration {
        let elapsed = self.looked.elapsed();
        self.looked = Instant::now();
        self.renew_keys();
        self.follow_listeners(elapsed);
        let wanted = self.listeners.values().any(|switch| switch.wanted);
        if wanted {
            self.needed = Some(self.looked);
        }
        let is_kept = self.needed.is_some_and(|needed| needed.elapsed() < KEPT);
        let connections = self.tier.cores.iter().map(|core| core.connections.value() as u32).sum();
        // A filter of another size is filled anew; the cores answer meanwhile.
        let is_kept = is_kept && !(self.filter.is_complete() && self.filter.is_misfit(connections));
        if !is_kept {
            self.set_verifying(false);
        }
        self.filter.keep(is_kept, connections);
        for listener in self.listeners.keys().copied().collect::<Vec<_>>() {
            // While the filter is filled anew, the program leaves all SYNs to the cores.
            let switch = &self.listeners[&listener];
            self.turn(listener, switch.wanted && (switch.on || self.filter.is_complete()));
        }
        if is_kept && self.filter.is_complete() {
            self.set_verifying(true);
        }
        let auto = self.tier.shared.config.cookies == CookieMode::Auto;
        match () {
            () if self.filter.is_changing() => CHANGING_TICK,
            () if auto && (!self.listeners.is_empty() || is_kept) => PRESSED_TICK,
            () => CALM_TICK,
        }
    }

    /// Writes the keys of this period and those around it, when it is a new one.
    fn renew_keys(&mut self) {
        let period = Cookies::period(now(self.tier.epoch));
        if self.keys_of.is_some_and(|last| last >= period + PERIODS_AFTER) {
            return;
        }
        // Never one that is in use: the program would be without it for a moment.
        let first = self.keys_of.map_or(period.saturating_sub(PERIODS_BEFORE), |last| last + 1);
        let last = period + PERIODS_AFTER;
        for number in first.max(period.saturating_sub(PERIODS_BEFORE))..=last {
            self.tier.tier.set_key(number, self.tier.cookies.key_of(number));
        }
        self.keys_of = Some(last);
    }

    /// Takes note of what each listener has answered by cookie.
    fn follow_listeners(&mut self, elapsed: Duration) {
        let (known, faults) = self.tier.listening.answering();
        let answers = self.tier.devices.iter().any(OpenDevice::is_answering);
        let mode = self.tier.shared.config.cookies;
        let counts = self.tier.tier.all_counts(known.iter().max().map_or(0, |last| last.saturating_add(1)));
        for listener in &known {
            let load = self.tier.shared.board.load(*listener);
            // Before Linux 5.19 they cannot be read without privileges: the program then goes on answering.
            let program = match &counts {
                Ok(counts) => counts.get(usize::from(*listener)).copied().unwrap_or_default(),
                Err(_) if self.listeners.get(listener).is_some_and(|switch| switch.on) => continue,
                Err(_) => TierCounts::default(),
            };
            let answered =
                Answered { syns: load.sent + program.syns + program.unproven, proven: load.proven };
            if mode == CookieMode::Always || load.cores > 0 {
                self.listeners.entry(*listener).or_insert_with(|| Switch::new(answered));
            }
            let Some(switch) = self.listeners.get_mut(listener) else { continue };
            switch.note(answered, elapsed);
            // Faults are injected by the cores.
            switch.wanted = answers && !faults && (mode == CookieMode::Always || switch.wanted);
            if load.cores == 0 && !switch.wanted && !switch.on {
                self.listeners.remove(listener);
            }
        }
        let gone: Vec<u16> =
            self.listeners.keys().copied().filter(|listener| !known.contains(listener)).collect();
        for listener in gone {
            self.turn(listener, false);
            self.listeners.remove(&listener);
        }
    }

    /// Has the program answer for a listener, or no longer.
    fn turn(&mut self, listener: u16, on: bool) {
        let CookieTier { tier, shared, counters, cookies, epoch, .. } = &mut self.tier;
        let Some(switch) = self.listeners.get_mut(&listener) else { return };
        if on {
            // Before the first SYN-ACK: cores verify its cookie.
            cookies.note_issued(now(*epoch));
        }
        let before = std::mem::replace(&mut switch.on, on);
        if on || before {
            // Cores go on with cookies for the SYNs that the program leaves to them.
            shared.board.set_tier(listener, on);
            switch.on = tier.set_listener(listener, on, shared.board.load(listener).window) && on;
        }
        match (before, switch.on) {
            (false, true) => counters.begun.fetch_add(1, Relaxed),
            (true, false) => counters.ended.fetch_add(1, Relaxed),
            _ => 0,
        };
        let answering = self.listeners.values().filter(|switch| switch.on).count();
        counters.listeners.store(answering as u64, Relaxed);
    }

    fn set_verifying(&self, on: bool) {
        if self.tier.counters.verifying.swap(on, Relaxed) != on {
            self.tier.tier.set_ready(on);
        }
    }
}
