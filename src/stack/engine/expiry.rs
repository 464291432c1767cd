//! Expired timers.

use super::batch::{ConnRef, EventEffects};
use super::core::Core;
use super::far::Ports;
use super::flows::Flows;
use super::port::Port;
use super::tx::alloc_tx;
use crate::table::Slot;
use crate::tcp::{self, Action, Timer, Transmit};
use crate::wire::PacketKey;

/// Timers that one poll serves at most, so that a wave of them does not starve the queues.
const MAX_EXPIRIES: usize = 256;

impl<K: PacketKey> Flows<K> {
    /// Serves expired timers; how many.
    pub(super) fn expire<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        let mut queue = 0;
        for served in 0..MAX_EXPIRIES {
            let Some((slot, timer)) = self.timers.expired(&mut self.shard, core.tcp.now, &mut queue) else {
                return served;
            };
            self.on_timer(core, ports, slot, timer);
        }
        MAX_EXPIRIES
    }

    fn on_timer<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot, timer: Timer) {
        let Some(key) = self.shard.key(slot) else { return };
        let conn = ConnRef { slot, key, prf: core.shared.secrets.tuple.prf(&key) };
        if timer == Timer::Frame {
            return self.requeue_tx(core.tcp.now, conn);
        }
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        let (before, listener, link) = (tcb.state, tcb.listener, tcb.next_hop);
        // As `Flows::event`, without the closure, which would copy what it returns.
        let mut cx = core.tcp.context(&conn.key, Some(conn.prf), number);
        let action = match timer {
            // A flood of the listener: the host must not send more than it receives. A client whose SYN-ACK
            // was lost sends its SYN again.
            Timer::SynAck if self.syn_load.answers_by_cookie(listener) => {
                tcp::await_ack_of_syn(tcb, &mut cx);
                Action::None
            }
            _ => tcp::on_timer(timer, tcb, &mut cx),
        };
        let out = match action {
            Action::Reply(emit)
            | Action::DropReply(_, emit)
            | Action::ReplyThenOutput(emit)
            | Action::DropReplyThenOutput(_, emit) => Some(Transmit::without_data(emit)),
            Action::Output => tcp::poll_output(tcb, &mut cx),
            Action::None | Action::Drop(_) | Action::Reopen { .. } => None,
        };
        let effects = EventEffects { before, listener, state: tcb.state, timer: cx.timer, ended: cx.ended };
        self.apply_event(core, &conn, effects);
        let Some(out) = out else { return };
        let payload = core.tcp.buffers.payload(out.payload);
        match alloc_tx(&core.link_cache, ports, link, number) {
            Ok(frame) => frame.send(&core.counters, &conn.key, &out.segment, payload),
            Err(reason) => core.counters.dropped(reason),
        }
        if out.more {
            self.requeue_tx(core.tcp.now, conn);
        }
    }
}
