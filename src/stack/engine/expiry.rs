//! What follows from an expired timer.

use super::core::Core;
use super::far::Ports;
use super::flows::{Flows, context};
use super::notify::notify_closed;
use super::pending::PendingTx;
use super::port::Port;
use super::reply::send_new;
use crate::table::Slot;
use crate::tcp::{self, Action, ClosedConnection, Timer, Transmit};
use crate::wire::PacketKey;

/// Timers that one poll serves at most, so that a wave of them does not starve the queues.
const EXPIRIES: usize = 256;

impl<K: PacketKey> Flows<K> {
    /// Serves expired timers; how many.
    pub(super) fn expire<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>) -> usize {
        for served in 0..EXPIRIES {
            let Some((slot, timer)) = self.timers.expired(&mut self.shard, core.now) else {
                return served;
            };
            self.expired(core, ports, slot, timer);
        }
        EXPIRIES
    }

    fn expired<P: Port>(&mut self, core: &mut Core, ports: &mut Ports<P>, slot: Slot, timer: Timer) {
        let Some(key) = self.shard.key(slot) else { return };
        let hash = key.hash(&core.shared.secrets.hash);
        if timer == Timer::Frame {
            return self.requeue_tx(core.now, PendingTx { slot, key, hash });
        }
        let of = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        let (before, link, listener) = (tcb.state, tcb.next_hop, tcb.listener);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let out = match tcp::on_timer(timer, tcb, &mut cx) {
            Action::Reply(emit)
            | Action::DropReply(_, emit)
            | Action::ReplyThenOutput(emit)
            | Action::DropReplyThenOutput(_, emit) => Some(Transmit::without_data(emit)),
            Action::Output => tcp::poll_output(tcb, &mut cx),
            Action::None | Action::Drop(_) | Action::Reopen { .. } => None,
        };
        let (timer, ended, states) = (cx.timer, cx.ended, (before, tcb.state));
        if let Some(how) = ended {
            notify_closed(core, listener, &ClosedConnection { id: of, now: core.now, endpoints: &key }, how);
        }
        self.apply_state(core, slot, hash, states, timer);
        let Some(out) = out else { return };
        let payload = core.buffers.payload(out.payload);
        send_new(&core.counters, &core.link_cache, ports, (link, of), &key, (&out.segment, payload));
        if out.more {
            self.requeue_tx(core.now, PendingTx { slot, key, hash });
        }
    }
}
