//! Connections that give way when something runs out: of send buffers the connection longest without progress
//! (docs/decisions/0025), of slots the one idle for longest (docs/decisions/0026). Never one at work.

use super::Worker;
use super::batch::{ConnRef, PendingReset};
use super::core::Core;
use super::flows::Flows;
use super::port::Port;
use crate::observe::Closed;
use crate::table::Slot;
use crate::tcp::{self, Time};
use crate::wire::PacketKey;

/// Connections that give their send buffers up in one poll, at most.
const RELIEVED: usize = 128;
/// A shortage has ended when there was none for so long, milliseconds.
const SHORTAGE_MS: u64 = 1000;
/// A connection that was at work in this time does not give way, milliseconds.
const LEAST_IDLE_MS: u32 = 1000;
/// Lines that are looked at for the longest idle: all of a small table, a sample of a large one.
const SAMPLE: u32 = 1024;
impl<P: Port> Worker<P> {
    /// Frees send buffers where they are short; how many connections gave way.
    #[inline]
    pub(super) fn relieve_pressure(&mut self) -> usize {
        let relieved = if self.core.tcp.buffers.pressed() { self.relieve() } else { 0 };
        if self.core.short.is_some() {
            self.after_shortage();
        }
        relieved
    }

    /// Frees send buffers, and counts how long they are short; how many connections gave way.
    #[cold]
    fn relieve(&mut self) -> usize {
        let Worker { core, v4, v6, .. } = self;
        let (begun, last) = core.short.get_or_insert_with(|| {
            core.counters.send_buffer_shortages.bump();
            (core.tcp.now, core.tcp.now)
        });
        *last = core.tcp.now;
        core.counters.send_buffers_short_ms.set((millis_between(*begun, core.tcp.now)).max(1));
        let mut given = 0;
        while let Some(number) =
            core.tcp.buffers.gives_way(core.tcp.now.millis()).filter(|_| given < RELIEVED)
        {
            let held = core.tcp.buffers.in_use();
            match (number as usize) < v4.shard.capacity() {
                true => v4.give_up(core, v4.slot(number), Closed::StallEvicted),
                false => v6.give_up(core, v6.slot(number), Closed::StallEvicted),
            }
            if core.tcp.buffers.in_use() == held {
                break;
            }
            given += 1;
        }
        core.tcp.buffers.relieved();
        given
    }

    /// A shortage is over when there was none for a while: under attack it comes and goes with each poll.
    #[cold]
    fn after_shortage(&mut self) {
        let core = &mut self.core;
        let Some((begun, last)) = core.short else { return };
        if millis_between(last, core.tcp.now) >= SHORTAGE_MS {
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
    /// Ends a connection, whatever it has under way; its peer is reset at the end of the poll.
    pub(super) fn give_up(&mut self, core: &mut Core, slot: Slot, how: Closed) {
        let Some(key) = self.shard.key(slot) else { return };
        let Some(tcb) = self.shard.value(slot) else { return };
        let link = core.link_cache.get(tcb.next_hop, self.number(slot));
        let conn = ConnRef { slot, key, prf: core.shared.secrets.tuple.prf(&key) };
        if let Some(reset) = self.event(core, &conn, |tcb, cx, _| tcp::abort(tcb, how, cx)) {
            self.queue_reset(core, PendingReset { key, link, reset });
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
        let left = tcb.deadline_ms.wrapping_sub(core.tcp.now.millis());
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
