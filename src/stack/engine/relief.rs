//! Who gives way when something runs out: of send buffers the connection longest without progress
//! (docs/decisions/0025), of slots the one idle for longest (docs/decisions/0026). Never one at work.

use super::Worker;
use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, context};
use super::link_cache::LinkEntry;
use super::notify::notify_closed;
use super::port::Port;
use super::reply::alloc_tx_at;
use crate::observe::{Closed, DropReason};
use crate::table::Slot;
use crate::tcp::{self, ClosedConnection, Time};
use crate::wire::{PacketKey, TxSegment};

/// Connections that give their send buffers up in one poll, at most.
const RELIEVED: usize = 128;
/// A shortage has ended when there was none for so long, milliseconds.
const SHORTAGE_MS: u64 = 1000;
/// RSTs that wait for the end of the poll, at most.
pub(super) const RESETS: usize = 1024;
/// A connection that was at work in this time does not give way, milliseconds.
const LEAST_IDLE_MS: u32 = 1000;
/// Lines that are looked at for the longest idle: all of a small table, a sample of a large one.
const SAMPLE: u32 = 1024;
/// Of these, the longest idle that are kept: the next ones give way without a look.
const KEPT: usize = 16;

/// The RST to a peer whose connection gave way, and its way: the connection's number of it may be
/// another neighbour's by the time it is sent.
pub(super) struct Farewell<K> {
    key: K,
    link: Option<LinkEntry>,
    emit: TxSegment,
}

/// Connections that were found idle, the longest last. Looked at again before they give way.
#[derive(Debug, Default)]
pub(super) struct Oldest {
    /// Since when, by the idle clock, and the slot.
    found: [(u32, u32); KEPT],
    count: usize,
    /// Where the next sample begins: places from the first slot on.
    hand: u32,
    /// When the last sample was taken, so that a flood does not make one for each segment.
    sampled_ms: u32,
}

impl Oldest {
    /// Takes note of a connection, if it is among the longest idle.
    fn note(&mut self, idle_ms: u32, since: u32, slot: u32) {
        let age = |(since, _): &(u32, u32)| idle_ms.wrapping_sub(*since);
        let at = self.found[..self.count].partition_point(|other| age(other) < age(&(since, slot)));
        if self.count < KEPT {
            self.found.copy_within(at..self.count, at + 1);
            self.found[at] = (since, slot);
            self.count += 1;
        } else if at > 0 {
            // The shortest idle of them makes room.
            self.found.copy_within(1..at, 0);
            self.found[at - 1] = (since, slot);
        }
    }

    fn take(&mut self) -> Option<(u32, u32)> {
        self.count = self.count.checked_sub(1)?;
        Some(self.found[self.count])
    }
}

impl<P: Port> Worker<P> {
    /// Frees send buffers, and counts how long they are short; how many connections gave way.
    #[cold]
    pub(super) fn relieve(&mut self) -> usize {
        let Worker { core, v4, v6, .. } = self;
        let (begun, last) = core.short.get_or_insert_with(|| {
            core.counters.send_buffer_shortages.bump();
            (core.now, core.now)
        });
        *last = core.now;
        core.counters.send_buffers_short_ms.set((millis_between(*begun, core.now)).max(1));
        let mut given = 0;
        while let Some(number) = core.buffers.gives_way(core.now.millis()).filter(|_| given < RELIEVED) {
            let held = core.buffers.in_use();
            match (number as usize) < v4.shard.capacity() {
                true => v4.give_up(core, v4.slot(number), Closed::StallEvicted),
                false => v6.give_up(core, v6.slot(number), Closed::StallEvicted),
            }
            if core.buffers.in_use() == held {
                break;
            }
            given += 1;
        }
        core.buffers.relieved();
        given
    }

    /// A shortage is over when there was none for a while: under attack it comes and goes with each poll.
    #[cold]
    pub(super) fn after_shortage(&mut self) {
        let core = &mut self.core;
        let Some((begun, last)) = core.short else { return };
        if millis_between(last, core.now) >= SHORTAGE_MS {
            core.short = None;
            core.counters.send_buffer_shortage_ms.add(millis_between(begun, last));
            core.counters.send_buffers_short_ms.set(0);
        }
    }
}

fn millis_between(earlier: Time, later: Time) -> u64 {
    later.micros.saturating_sub(earlier.micros) / 1000
}

impl<K: PacketKey> Flows<K> {
    /// The slot of the connection with this number.
    pub(super) fn slot(&self, number: u32) -> Slot {
        Slot(number.wrapping_sub(self.id_offset))
    }

    /// FourTuple a connection, whatever it has under way; its peer is reset at the end of the poll.
    pub(super) fn give_up(&mut self, core: &mut Core, slot: Slot, how: Closed) {
        let Some(key) = self.shard.key(slot) else { return };
        let hash = key.hash(&core.shared.secrets.hash);
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        let (before, link, listener) = (tcb.state, core.link_cache.get(tcb.next_hop, number), tcb.listener);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let emit = tcp::abort(tcb, how, &mut cx);
        let (timer, ended, states) = (cx.timer, cx.ended, (before, tcb.state));
        if let Some(how) = ended {
            notify_closed(
                core,
                listener,
                &ClosedConnection { id: number, now: core.now, endpoints: &key },
                how,
            );
        }
        self.apply_state(core, slot, hash, states, timer);
        if self.resets.len() < RESETS {
            self.resets.push(Farewell { key, link, emit });
        } else {
            core.counters.dropped(DropReason::NoFrame);
        }
    }

    /// Sends the RSTs that wait.
    #[inline]
    pub(super) fn send_resets<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) {
        for Farewell { key, link, emit } in self.resets.drain(..) {
            match link.ok_or(DropReason::NoHop).and_then(|link| alloc_tx_at(link, ports)) {
                Ok(frame) => frame.send(&core.counters, &key, &emit, &[]),
                Err(reason) => core.counters.dropped(reason),
            }
        }
    }

    /// Gives up the connection that is idle for longest. False: all are at work.
    #[cold]
    pub(super) fn evict_idle(&mut self, core: &mut Core) -> bool {
        let half_closed = self.half_closed(core);
        let slot = half_closed.or_else(|| self.longest_idle()).or_else(|| {
            self.sample();
            self.longest_idle()
        });
        if let Some(slot) = slot {
            self.give_up(core, slot, Closed::IdleEvicted);
        }
        slot.is_some()
    }

    /// Whether a connection would give way to a peer that proves its address.
    #[cold]
    pub(super) fn may_evict(&mut self, core: &Core) -> bool {
        if self.half_closed(core).is_some() {
            return true;
        }
        let found = self.longest_idle().or_else(|| {
            self.sample();
            self.longest_idle()
        });
        let since = found.and_then(|slot| self.shard.value(slot)).and_then(tcp::idle_since);
        if let Some((slot, since)) = found.zip(since) {
            self.oldest.note(self.timers.idle_ms, since, slot.0);
        }
        found.is_some()
    }

    /// The longest in FIN-WAIT-2: our side has said all, as in TIME-WAIT.
    fn half_closed(&self, core: &Core) -> Option<Slot> {
        let slot = self.timers.oldest_fin_wait_2()?;
        let tcb = self.shard.value(slot).filter(|tcb| !tcb.is_active())?;
        let left = tcb.deadline_ms.wrapping_sub(core.now.millis());
        (left <= core.shared.config.fin_wait_2_ms.saturating_sub(LEAST_IDLE_MS)).then_some(slot)
    }

    /// The longest idle of those found that is still idle.
    fn longest_idle(&mut self) -> Option<Slot> {
        while let Some((since, slot)) = self.oldest.take() {
            let slot = Slot(slot);
            if self.shard.value(slot).and_then(tcp::idle_since) == Some(since) {
                return Some(slot);
            }
        }
        None
    }

    /// Looks for idle connections, once a millisecond at most.
    fn sample(&mut self) {
        let (idle_ms, used) = (self.timers.idle_ms, self.shard.used());
        if std::mem::replace(&mut self.oldest.sampled_ms, idle_ms) == idle_ms {
            return;
        }
        for _ in 0..used.min(SAMPLE) {
            self.oldest.hand = if self.oldest.hand + 1 < used { self.oldest.hand + 1 } else { 0 };
            let slot = Slot(self.shard.first().0 + self.oldest.hand);
            if let Some(since) = self.shard.value(slot).and_then(tcp::idle_since)
                && idle_ms.wrapping_sub(since) >= LEAST_IDLE_MS
            {
                self.oldest.note(idle_ms, since, slot.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_idle_are_kept_and_come_in_order() {
        let mut oldest = Oldest::default();
        let mut ages: Vec<u32> = (0..100).map(|at| (at * 37) % 101).collect();
        for (slot, age) in ages.iter().enumerate() {
            oldest.note(50, 50u32.wrapping_sub(*age), slot as u32);
        }
        let taken: Vec<u32> =
            std::iter::from_fn(|| oldest.take()).map(|(_, slot)| ages[slot as usize]).collect();
        ages.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(taken, ages[..KEPT]);
    }
}
