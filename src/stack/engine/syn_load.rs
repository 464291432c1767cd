//! Half-open connections, and which listeners answer SYNs by cookie because of them (`--cookies auto`).
//!
//! While all half-open connections of a core are fewer than the bound, nothing is counted by listener: a SYN
//! costs one comparison. From the bound on the core is pressed. It looks at the newest half-open
//! connections, and those listeners that have most of them answer by cookie, until the others have less than
//! half of the bound together. So a flood of one listener takes nothing from the others. A listener keeps
//! state again when half-open connections and SYN-ACKs without an answer are few. Cores decide for
//! themselves; what they have seen they post to the [`SynBoard`], by which the cookie tier decides.

use super::syn_board::SynBoard;
use crate::observe::CoreCounters;
use crate::tcp::{Config, CookieMode, Time};

/// Milliseconds between two looks at a pressed core's listeners.
pub(super) const LOOK_MS: u32 = 50;
/// Half-open connections that are looked at.
pub(super) const SAMPLE: usize = 1024;
/// How long an unanswered SYN-ACK takes a place, seconds: one and its two usual retransmissions.
const HALF_OPEN_S: u64 = 8;
/// ACKs without a connection in this time are a flood: 10,000 a second.
const UNMATCHED: u32 = 1000;
const FLOOD_MICROS: u64 = 100_000;
/// Cookies end when the load has been small for this time, milliseconds.
const QUIET_MS: u32 = 1000;

/// One core's listeners of one address family.
pub(super) struct SynLoad {
    /// Connections in SYN-RECEIVED, of all listeners.
    pub half_open: u32,
    /// The number of half-open connections from which on a core that is not pressed answers by cookie.
    pub cookies_from: u32,
    /// Some listeners answer by cookie because of their load.
    pub pressed: bool,
    /// ACKs without a connection and without a valid cookie since this time.
    unmatched: u32,
    unmatched_since: Time,
    mode: CookieMode,
    listeners: Vec<ListenerLoad>,
    /// The time of the last look.
    looked: Time,
}

#[derive(Clone, Copy, Default)]
pub(super) struct ListenerLoad {
    /// SYNs are answered by cookie.
    pub cookies: bool,
    /// Cookies sent, ACKs without a connection, and cookies proven since the last look.
    sent: u32,
    unmatched: u32,
    proven: u32,
    /// Milliseconds since when the load is small.
    quiet_ms: u32,
    /// Half-open connections in the sample.
    sampled: u32,
}

impl SynLoad {
    pub(super) fn new(config: &Config, half_open_bound: u32, listeners: usize, now: Time) -> SynLoad {
        SynLoad {
            half_open: 0,
            cookies_from: match config.cookies {
                CookieMode::Never => u32::MAX,
                CookieMode::Auto => half_open_bound,
                CookieMode::Always => 0,
            },
            pressed: false,
            unmatched: 0,
            unmatched_since: now,
            mode: config.cookies,
            listeners: vec![ListenerLoad::default(); listeners],
            looked: now,
        }
    }

    /// Room for listeners with numbers below this.
    pub(super) fn make_room(&mut self, listeners: usize) {
        self.listeners.resize(listeners.max(self.listeners.len()), ListenerLoad::default());
    }

    #[inline(always)]
    pub(super) fn of(&mut self, listener: u16) -> Option<&mut ListenerLoad> {
        self.listeners.get_mut(usize::from(listener))
    }

    /// Whether a SYN to this listener is answered by cookie.
    #[inline]
    pub(super) fn wants_cookie(&self, listener: u16) -> bool {
        match self.pressed {
            true => self.listeners.get(usize::from(listener)).is_some_and(|load| load.cookies),
            false => self.half_open >= self.cookies_from,
        }
    }

    pub(super) fn cookie_sent(&mut self, listener: u16) {
        if let Some(load) = self.of(listener) {
            load.sent = load.sent.wrapping_add(1);
        }
    }

    /// An ACK has neither a connection nor a valid cookie.
    pub(super) fn ack_unmatched(&mut self, listener: u16) {
        self.unmatched = self.unmatched.wrapping_add(1);
        if let Some(load) = self.of(listener) {
            load.unmatched = load.unmatched.wrapping_add(1);
        }
    }

    /// Whether a listener answers by cookie because of its load.
    pub(super) fn answers_by_cookie(&self, listener: u16) -> bool {
        self.pressed && self.wants_cookie(listener)
    }

    pub(super) fn cookie_proven(&mut self, listener: u16) {
        if let Some(load) = self.of(listener) {
            load.proven = load.proven.wrapping_add(1);
        }
    }

    /// Whether [`SynLoad::look`] has something to do.
    pub(super) fn is_due(&self, now: Time) -> bool {
        match self.pressed {
            true => now.micros.saturating_sub(self.looked.micros) >= u64::from(LOOK_MS) * 1000,
            false => {
                self.mode == CookieMode::Auto
                    && (self.half_open >= self.cookies_from || self.unmatched >= UNMATCHED)
            }
        }
    }

    /// Begins and ends the cookies of listeners. `sample`: the listeners of the newest half-open
    /// connections.
    #[cold]
    pub(super) fn look(
        &mut self,
        sample: impl Iterator<Item = u16>,
        now: Time,
        board: &SynBoard,
        counters: &CoreCounters,
    ) {
        let elapsed_ms = (now.micros.saturating_sub(self.looked.micros) / 1000).max(1);
        self.looked = now;
        if self.pressed {
            self.end_cookies(elapsed_ms, board, counters);
        }
        if self.half_open >= self.cookies_from {
            self.begin_cookies(sample, board, counters);
        }
        if self.unmatched >= UNMATCHED {
            self.begin_verifying(now, board, counters);
        }
        self.pressed = self.listeners.iter().any(|load| load.cookies);
    }

    fn end_cookies(&mut self, elapsed_ms: u64, board: &SynBoard, counters: &CoreCounters) {
        let bound = self.cookies_from;
        let few = self.half_open <= bound / 2;
        for (listener, load) in (0..).zip(&mut self.listeners).filter(|(_, load)| load.cookies) {
            let sent = load.sent.saturating_add(load.unmatched);
            board.post(listener, sent, load.proven);
            let unanswered = u64::from(sent.saturating_sub(load.proven)) * 1000 / elapsed_ms;
            (load.sent, load.unmatched, load.proven) = (0, 0, 0);
            let is_small = few && unanswered * HALF_OPEN_S <= u64::from(bound) && !board.has_tier(listener);
            load.quiet_ms = if is_small { load.quiet_ms.saturating_add(elapsed_ms as u32) } else { 0 };
            if load.quiet_ms >= QUIET_MS {
                load.cookies = false;
                counters.cookie_modes_ended.bump();
                board.ended(listener);
            }
        }
    }

    /// The listeners with most half-open connections answer by cookie, until the others have less than half
    /// of the bound together. Without a sample all do.
    fn begin_cookies(
        &mut self,
        sample: impl Iterator<Item = u16>,
        board: &SynBoard,
        counters: &CoreCounters,
    ) {
        self.listeners.iter_mut().for_each(|load| load.sampled = 0);
        let mut sampled = 0u64;
        for listener in sample.take(SAMPLE) {
            sampled += 1;
            if let Some(load) = self.of(listener) {
                load.sampled += 1;
            }
        }
        let state = |load: &&mut ListenerLoad| !load.cookies;
        let mut left: u64 = self.listeners.iter_mut().filter(state).map(|load| u64::from(load.sampled)).sum();
        let enough =
            |left: u64| left * 2 * u64::from(self.half_open) < sampled * u64::from(self.cookies_from);
        while !enough(left) {
            let loads = (0u16..).zip(&mut self.listeners).filter(|(_, load)| !load.cookies);
            let Some((listener, load)) = loads.max_by_key(|(_, load)| load.sampled) else { break };
            *load = ListenerLoad { cookies: true, sampled: load.sampled, ..ListenerLoad::default() };
            left -= u64::from(load.sampled);
            counters.cookie_modes_begun.bump();
            board.begun(listener);
        }
    }

    /// A flood of ACKs: its listeners go to the cookie tier, where the program verifies ACKs. Without a tier
    /// nothing would be gained.
    fn begin_verifying(&mut self, now: Time, board: &SynBoard, counters: &CoreCounters) {
        let elapsed = now.micros.saturating_sub(self.unmatched_since.micros);
        let all = std::mem::replace(&mut self.unmatched, 0);
        self.unmatched_since = now;
        let is_flood = board.is_watched() && elapsed <= FLOOD_MICROS;
        for (listener, load) in (0u16..).zip(&mut self.listeners).filter(|(_, load)| !load.cookies) {
            let unmatched = std::mem::replace(&mut load.unmatched, 0);
            if is_flood && unmatched >= all / 4 {
                *load = ListenerLoad { cookies: true, ..ListenerLoad::default() };
                counters.cookie_modes_begun.bump();
                board.begun(listener);
            }
        }
    }

    /// Listeners that answer by cookie because of their load.
    pub(super) fn switched(&self) -> usize {
        self.listeners.iter().filter(|load| load.cookies).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: u32 = 100;

    struct Setting {
        load: SynLoad,
        board: SynBoard,
        counters: CoreCounters,
        now: Time,
        /// Listeners of half-open connections, the newest first.
        half_open: Vec<u16>,
    }

    impl Setting {
        fn new(cookies: CookieMode) -> Setting {
            let now = Time::from_millis(1000);
            let config = Config { cookies, ..Config::default() };
            Setting {
                load: SynLoad::new(&config, BOUND, 3, now),
                board: SynBoard::default(),
                counters: CoreCounters::default(),
                now,
                half_open: Vec::new(),
            }
        }

        /// SYNs, and the end of a poll after each.
        fn syns(&mut self, listener: u16, count: u32) {
            for _ in 0..count {
                if self.load.wants_cookie(listener) {
                    self.load.cookie_sent(listener);
                } else {
                    self.half_open.insert(0, listener);
                    self.load.half_open += 1;
                }
                self.poll_ends();
            }
        }

        fn established(&mut self, count: u32) {
            self.half_open.drain(..count as usize);
            self.load.half_open -= count;
        }

        fn poll_ends(&mut self) {
            if self.load.is_due(self.now) {
                self.load.look(self.half_open.iter().copied(), self.now, &self.board, &self.counters);
            }
        }

        fn pass(&mut self, millis: u64) {
            self.now.micros += millis * 1000;
            self.poll_ends();
        }

        fn pass_in_looks(&mut self, millis: u64) {
            (0..millis / u64::from(LOOK_MS)).for_each(|_| self.pass(u64::from(LOOK_MS)));
        }

        fn by_cookie(&self) -> [bool; 3] {
            [0, 1, 2].map(|listener| self.load.wants_cookie(listener))
        }

        fn switches(&self) -> (u64, u64) {
            (self.counters.cookie_modes_begun.value(), self.counters.cookie_modes_ended.value())
        }
    }

    #[test]
    fn a_flood_of_one_listener_leaves_the_others_alone() {
        let mut at = Setting::new(CookieMode::Auto);
        at.syns(1, 10);
        at.syns(0, 1000);
        assert_eq!((at.by_cookie(), at.load.half_open), ([true, false, false], BOUND));
        at.syns(1, 10);
        assert_eq!((at.load.half_open, at.switches()), (BOUND + 10, (1, 0)));
        assert_eq!((at.board.load(0).cores, at.board.load(1).cores), (1, 0));
    }

    #[test]
    fn a_second_flood_is_found_at_the_next_look() {
        let mut at = Setting::new(CookieMode::Auto);
        at.syns(0, 200);
        at.syns(1, 300);
        assert_eq!(at.by_cookie(), [true, false, false]);
        at.pass(100);
        assert_eq!((at.by_cookie(), at.switches()), ([true, true, false], (2, 0)));
    }

    #[test]
    fn many_small_floods_are_bounded_as_well() {
        let mut at = Setting::new(CookieMode::Auto);
        for round in 0..40 {
            at.syns(round % 3, 1);
            at.syns((round + 1) % 3, 2);
        }
        assert!(at.by_cookie().iter().filter(|by_cookie| **by_cookie).count() >= 2);
    }

    #[test]
    fn cookies_end_when_both_the_half_open_and_the_unanswered_are_few() {
        let mut at = Setting::new(CookieMode::Auto);
        at.syns(0, BOUND);
        at.pass_in_looks(3000);
        assert!(at.load.wants_cookie(0), "half-open connections are left");
        at.established(BOUND / 2);
        for _ in 0..40 {
            at.syns(0, 1); // 20 a second, of which eight seconds are more than the bound
            at.pass_in_looks(50);
        }
        assert!(at.load.wants_cookie(0), "SYN-ACKs are not answered");
        at.pass_in_looks(950);
        at.syns(0, 2);
        at.pass_in_looks(50);
        at.pass_in_looks(950);
        assert!(at.load.wants_cookie(0), "not for long enough");
        at.syns(0, 50);
        (0..50).for_each(|_| at.load.cookie_proven(0));
        at.pass(49);
        assert!(at.load.wants_cookie(0), "not looked at yet");
        at.pass(1);
        at.pass_in_looks(50);
        assert_eq!((at.by_cookie(), at.switches(), at.load.switched()), ([false; 3], (1, 1), 0));
        assert!(!at.load.pressed);
        let posted = at.board.load(0);
        assert_eq!((posted.cores, posted.sent, posted.proven), (0, 92, 50));
    }

    #[test]
    fn the_tier_keeps_a_listener_at_cookies() {
        let mut at = Setting::new(CookieMode::Auto);
        at.syns(0, BOUND);
        at.established(BOUND);
        at.board.set_tier(0, true);
        at.pass_in_looks(5000);
        assert!(at.load.wants_cookie(0));
        at.board.set_tier(0, false);
        at.pass_in_looks(1000);
        assert!(!at.load.wants_cookie(0));
    }

    #[test]
    fn a_flood_of_acks_brings_its_listener_to_the_tier() {
        let mut at = Setting::new(CookieMode::Auto);
        let acks = |at: &mut Setting, count: u32| {
            for n in 0..count {
                at.load.ack_unmatched(if n % 10 == 0 { 1 } else { 0 });
                at.now.micros += 50;
                at.poll_ends();
            }
        };
        acks(&mut at, 5000);
        assert_eq!((at.by_cookie(), at.switches()), ([false; 3], (0, 0)), "no tier watches");
        at.board.set_waker(std::sync::Arc::new(|| {}));
        at.pass(1000);
        acks(&mut at, 1000); // the first after a pause
        acks(&mut at, 1000);
        assert_eq!((at.by_cookie(), at.switches()), ([true, false, false], (1, 0)));
        acks(&mut at, 40_000);
        assert!(at.load.wants_cookie(0), "the flood goes on");
        at.pass_in_looks(1100);
        assert_eq!((at.by_cookie(), at.switches()), ([false; 3], (1, 1)));
    }

    #[test]
    fn always_and_never_do_not_switch() {
        let mut at = Setting::new(CookieMode::Always);
        at.syns(0, 1000);
        assert_eq!((at.by_cookie(), at.load.half_open), ([true; 3], 0));
        let mut at = Setting::new(CookieMode::Never);
        at.syns(0, 1000);
        assert_eq!((at.by_cookie(), at.load.half_open), ([false; 3], 1000));
        assert_eq!((at.switches(), at.load.pressed), ((0, 0), false));
    }

    #[test]
    fn without_a_sample_all_listeners_answer_by_cookie() {
        let mut at = Setting::new(CookieMode::Auto);
        at.load.half_open = BOUND;
        at.poll_ends();
        assert_eq!((at.by_cookie(), at.switches()), ([true; 3], (3, 0)));
        at.load.make_room(9);
        assert!(!at.load.wants_cookie(8), "a new listener begins without load");
    }
}
