//! A hand goes round the connections and finds those that are idle: once round in a quarter of the
//! shortest time-out, a few lines a poll. So a connection pays one store a segment for its time-outs,
//! and no timer is set for what almost never happens.

use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, context};
use super::port::Port;
use super::reply::alloc_tx;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, Config, ConnectionHandler, IdleLimits, Silence};
use crate::wire::PacketKey;

/// Lines that one poll looks at, at most.
const LINES: u32 = 256;
/// A round is divided by this: a core that sleeps wakes so often for it.
const PARTS: u32 = 8;
/// The longest sleep, milliseconds: the idle clock takes longer ones for a machine's own.
const LONGEST_SLEEP_MS: u32 = 1000;
/// The shortest round, milliseconds.
const SHORTEST_MS: u32 = 40;

/// Where the hand is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    /// Places from the first slot on: the next one, and the end of this round.
    hand: u32,
    end: u32,
    /// When the round began, by the idle clock.
    begun_ms: u32,
}

/// How long a round may take for the limits of all these users; 0: none has any.
pub(super) fn sweep_ms(users: &[Box<dyn ConnectionHandler>], config: &Config) -> u32 {
    let shortest = |limits: IdleLimits| {
        let interval = if limits.keepalive_ms > 0 { config.keepalive_interval_ms } else { 0 };
        let each = [limits.keepalive_ms, limits.timeout_ms, interval];
        each.into_iter().filter(|ms| *ms > 0).min()
    };
    let limits = users.iter().map(|user| user.idle_limits().unwrap_or(config.idle));
    limits.filter_map(shortest).min().map_or(0, |ms| (ms / 4).max(SHORTEST_MS))
}

impl Sweep {
    /// How far the hand is to be now; a new round begins when the last one's time is over.
    fn target(&mut self, idle_ms: u32, round_ms: u32, used: u32) -> u32 {
        if self.hand >= self.end {
            if idle_ms.wrapping_sub(self.begun_ms) < round_ms {
                return self.hand;
            }
            *self = Sweep { hand: 0, end: used, begun_ms: idle_ms };
        }
        let part = 1 + idle_ms.wrapping_sub(self.begun_ms) / (round_ms / PARTS);
        (u64::from(self.end) * u64::from(part.min(PARTS)) / u64::from(PARTS)) as u32
    }
}

impl<K: PacketKey> Flows<K> {
    /// Moves the hand on; how many lines it passed.
    #[inline]
    pub(super) fn sweep<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        if core.sweep_ms == 0 || self.shard.is_empty() {
            return 0;
        }
        let (idle_ms, used) = (self.timers.idle_ms, self.shard.used());
        let target = self.sweep.target(idle_ms, core.sweep_ms, used);
        let begin = self.sweep.hand;
        let end = target.min(begin.saturating_add(LINES));
        while self.sweep.hand < end {
            let slot = Slot(self.shard.first().0 + self.sweep.hand);
            if !self.look_at(core, ports, slot) {
                break;
            }
            self.sweep.hand += 1;
        }
        (self.sweep.hand - begin) as usize
    }

    /// Milliseconds until the hand moves on, at most `most`.
    pub(super) fn sweep_due_ms(&self, round_ms: u32, most: u32) -> u32 {
        if round_ms == 0 || self.shard.is_empty() {
            return most;
        }
        let mut sweep = self.sweep;
        if sweep.target(self.timers.idle_ms, round_ms, self.shard.used()) > sweep.hand {
            return 0;
        }
        let passed = self.timers.idle_ms.wrapping_sub(sweep.begun_ms);
        let part = round_ms / PARTS;
        let left =
            if sweep.hand < sweep.end { part - passed % part } else { round_ms.saturating_sub(passed) };
        left.min(most).min(LONGEST_SLEEP_MS)
    }

    /// False: there is no frame to say it with, so that the hand waits here.
    #[inline]
    fn look_at<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot) -> bool {
        let Some(tcb) = self.shard.value(slot) else { return true };
        if tcp::idle_since(tcb).is_none() {
            return true;
        }
        let limits = core.idle_limits(tcb.listener);
        match tcp::silence(tcb, self.timers.idle_ms, limits, &core.shared.config) {
            None => true,
            Some(Silence::Ask) => self.ask(core, ports, slot),
            Some(Silence::End(how)) => {
                self.give_up(core, slot, how);
                true
            }
        }
    }

    #[cold]
    fn ask<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot) -> bool {
        let Some(key) = self.shard.key(slot) else { return true };
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return true };
        let frame = alloc_tx(&core.link_cache, ports, tcb.next_hop, number);
        if matches!(frame, Err(DropReason::NoFrame)) {
            return false;
        }
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let emit = tcp::keep_alive(tcb, self.timers.idle_ms, &mut cx);
        match frame {
            Ok(frame) => frame.send(&core.counters, &key, &emit, &[]),
            Err(reason) => core.counters.dropped(reason),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place once a round, in equal parts.
    #[test]
    fn the_hand_goes_round_in_time() {
        let mut sweep = Sweep { begun_ms: u32::MAX - 500, ..Sweep::default() };
        let mut passed = Vec::new();
        for ms in 0..4000u32 {
            let target = sweep.target(ms.wrapping_sub(501), 1000, 80);
            passed.push(target);
            sweep.hand = target;
        }
        assert_eq!((passed[0], passed[999]), (0, 0), "the first round begins when its time has come");
        assert_eq!((passed[1000], passed[1125], passed[1874], passed[1875]), (10, 20, 70, 80));
        assert_eq!((passed[1999], passed[2000]), (80, 10));
        assert_eq!((passed[2999], passed[3000]), (80, 10));
    }
}
