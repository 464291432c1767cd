//! A hand goes round the connections and finds those that are idle: once round in a quarter of the
//! shortest time-out, a few lines a poll. So a connection pays one store a segment for its time-outs,
//! and no timer is set for what almost never happens.

use super::core::Core;
use super::far::Ports;
use super::flows::Flows;
use super::port::Port;
use super::tx::alloc_tx;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, IdleAction};
use crate::wire::PacketKey;

/// Lines that one poll looks at, at most.
const LINES: u32 = 256;
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
            if !self.check_idle(core, ports, slot) {
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
        self.sweep.due_ms(self.timers.idle_ms, round_ms, self.shard.used(), most)
    }

    /// False: there is no free frame, so the hand waits here.
    #[inline]
    fn check_idle<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot) -> bool {
        let Some(tcb) = self.shard.value(slot) else { return true };
        if tcp::idle_since(tcb).is_none() {
            return true;
        }
        let limits = core.idle_limits(tcb.listener);
        match tcp::idle_action(tcb, self.timers.idle_ms, limits, &core.shared.config) {
            None => true,
            Some(IdleAction::KeepAlive) => self.send_keep_alive(core, ports, slot),
            Some(IdleAction::End(how)) => {
                self.give_up(core, slot, how);
                true
            }
        }
    }

    #[cold]
    fn send_keep_alive<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot) -> bool {
        let Some(key) = self.shard.key(slot) else { return true };
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return true };
        let frame = alloc_tx(&core.link_cache, ports, tcb.next_hop, number);
        if matches!(frame, Err(DropReason::NoFrame)) {
            return false;
        }
        let mut cx = core.tcp.context(&key, None, number);
        let emit = tcp::keep_alive(tcb, self.timers.idle_ms, &mut cx);
        match frame {
            Ok(frame) => frame.send(&core.counters, &key, &emit, &[]),
            Err(reason) => core.counters.dropped(reason),
        }
        true
    }
}
