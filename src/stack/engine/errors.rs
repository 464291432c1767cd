//! ICMP errors on their way to the connection whose segment they quote.

use super::core::Core;
use super::flows::{Flows, context};
use super::notify::{notify_closed, service_of};
use super::pending::PendingTx;
use super::port::Port;
use super::reply::forward_frame;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, Action, ClosedConnection, TcbFlags};
use crate::wire::{ErrorMessage, PacketKey};

/// Rare, so without the batch's prefetches. `number` is the port's.
#[cold]
pub(super) fn icmp_error<K: PacketKey, P: Port>(
    core: &mut Core,
    flows: &mut Flows<K>,
    port: &mut P,
    number: u8,
    frame: P::Frame,
    message: &ErrorMessage<K>,
) {
    let hash = message.key.hash(&core.shared.secrets.hash);
    match flows.shard.find(&message.key, hash) {
        Some(found) if found.owner != core.id => {
            return forward_frame(core, port, number, frame, found.owner);
        }
        Some(found) => flows.icmp_error(core, found.slot, hash, message),
        None => core.counters.dropped(DropReason::IcmpForeign),
    }
    port.release(frame);
}

impl<K: PacketKey> Flows<K> {
    fn icmp_error(&mut self, core: &mut Core, slot: Slot, hash: u32, message: &ErrorMessage<K>) {
        let ErrorMessage { key, error, seq } = *message;
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        let (before, listener) = (tcb.state, tcb.listener);
        let Some(user) = service_of(&mut core.users, &mut core.opener, listener) else { return };
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        cx.number = number;
        let action = tcp::icmp_error(tcb, error, seq, &mut cx, user);
        let (timer, ended, states) = (cx.timer, cx.ended, (before, tcb.state));
        let has_output = action == Action::Output && !tcb.has(TcbFlags::QUEUED);
        if has_output {
            tcb.set(TcbFlags::QUEUED);
        }
        if let Action::Drop(reason) = action {
            core.counters.dropped(reason);
        }
        if let Some(how) = ended {
            notify_closed(
                core,
                listener,
                &ClosedConnection { id: number, now: core.now, endpoints: &key },
                how,
            );
        }
        self.apply_state(core, slot, hash, states, timer);
        if has_output {
            self.queue_tx(core.now, PendingTx { slot, key, hash });
        }
    }
}
