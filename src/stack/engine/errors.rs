//! ICMP errors on their way to the connection whose segment they quote.

use super::batch::ConnRef;
use super::core::Core;
use super::flows::Flows;
use super::port::Port;
use super::tx::forward_frame;
use crate::observe::DropReason;
use crate::table::Slot;
use crate::tcp::{self, Action, TcbFlags};
use crate::wire::{ErrorMessage, PacketKey, TuplePrf};

/// Rare, so without the batch's prefetches.
#[cold]
pub(super) fn icmp_error<K: PacketKey, P: Port>(
    core: &mut Core,
    flows: &mut Flows<K>,
    port: &mut P,
    port_index: u8,
    frame: P::Frame,
    message: &ErrorMessage<K>,
) {
    let prf = core.shared.secrets.tuple.prf(&message.key);
    match flows.shard.find(&message.key, prf.hash) {
        Some(found) if found.owner != core.id => {
            return forward_frame(core, port, port_index, frame, found.owner);
        }
        Some(found) => flows.icmp_error(core, found.slot, prf, message),
        None => core.counters.dropped(DropReason::IcmpForeign),
    }
    port.release(frame);
}

impl<K: PacketKey> Flows<K> {
    fn icmp_error(&mut self, core: &mut Core, slot: Slot, prf: TuplePrf, message: &ErrorMessage<K>) {
        let ErrorMessage { key, error, seq } = *message;
        let conn = ConnRef { slot, key, prf };
        let action = self.event(core, &conn, |tcb, cx, services| {
            let action = tcp::icmp_error(tcb, error, seq, cx, services.of(tcb.listener)?);
            let queue = action == Action::Output && !tcb.has(TcbFlags::QUEUED);
            if queue {
                tcb.set(TcbFlags::QUEUED);
            }
            Some((action, queue))
        });
        match action.flatten() {
            Some((Action::Drop(reason), _)) => core.counters.dropped(reason),
            Some((_, true)) => self.queue_tx(core.tcp.now, conn),
            _ => {}
        }
    }
}
