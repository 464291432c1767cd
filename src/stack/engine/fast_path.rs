//! Input of the predicted segments (header prediction, RFC 7323 5.6): most segments are. The effects
//! equal those of the general path in the same state; branches that cannot be taken are left out.

use super::batch::{ConnRef, PendingTx, Replies, ReplyFrame, RxSegment};
use super::flows::Flows;
use super::port::Port;
use super::transition::Effects;
use super::tx::ReplyContext;
use crate::observe::Closed;
use crate::table::Slot;
use crate::tcp::{self, ClosedConnection, State, TcbFlags};
use crate::wire::PacketKey;

impl<K: PacketKey> Flows<K> {
    /// SYN-RECEIVED, and our SYN is acknowledged: ESTABLISHED.
    pub(super) fn fast_handshake_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let ReplyContext { core, port, port_index } = ctx;
        let segment = &rx.segment;
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let Some(service) = core.services.of(tcb.listener) else {
            return port.release(frame);
        };
        let mut cx = core.tcp.context(&segment.key, Some(rx.prf), number);
        tcp::establish(tcb, &segment.info, &mut cx, service);
        let quiet = tcp::has_no_output(tcb);
        tcb.next_hop =
            core.link_cache.update(port.bytes(&frame), segment.link_len, *port_index, tcb.next_hop, number);
        self.timers.stop(&mut self.shard, slot);
        self.uncount_state(State::SynReceived);
        if quiet {
            port.release(frame)
        } else {
            self.send_now(ctx, rx, frame, slot, State::Established, replies)
        }
    }

    /// The service has output at once, or aborts.
    #[inline(never)]
    fn send_now<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        before: State,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let ReplyContext { core, port, .. } = ctx;
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let key = &rx.segment.key;
        let mut cx = core.tcp.context(key, Some(rx.prf), number);
        let action = tcp::finish_input(tcb, &mut cx);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, rx, frame, slot, effects, replies);
    }

    /// ESTABLISHED, and the peer closes its direction. What the service sends, most often its own
    /// FIN, goes with the ACK at the end of the batch (MUST-59).
    pub(super) fn fast_fin<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let ReplyContext { core, port, port_index } = ctx;
        let &RxSegment { ref segment, prf, .. } = rx;
        let (key, link_len) = (segment.key, segment.link_len);
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let Some(service) = core.services.of(tcb.listener) else {
            return port.release(frame);
        };
        let mut cx = core.tcp.context(&segment.key, Some(rx.prf), number);
        tcp::on_predicted_fin(tcb, &segment.info, &mut cx, service);
        if tcb.has(TcbFlags::ABORT) {
            return self.send_now(ctx, rx, frame, slot, State::CloseWait, replies);
        }
        tcb.next_hop =
            core.link_cache.update(port.bytes(&frame), link_len, *port_index, tcb.next_hop, number);
        tcb.note_arrival(self.timers.idle_ms, true);
        tcb.set(TcbFlags::QUEUED);
        let conn = ConnRef { slot, key, prf };
        replies.push(PendingTx { conn, frame: ReplyFrame { frame, link_len } });
    }

    /// LAST-ACK, and our FIN is acknowledged: the end.
    pub(super) fn fast_last_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
    ) {
        let ReplyContext { core, port, .. } = ctx;
        let key = &rx.segment.key;
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let (listener, link) = (tcb.listener, tcb.next_hop);
        let mut cx = core.tcp.context(key, Some(rx.prf), number);
        cx.close(tcb, Closed::Passive);
        if let Some(how) = cx.ended {
            let ended = ClosedConnection { id: number, now: core.tcp.now, endpoints: key };
            core.services.notify_closed(listener, &ended, how);
        }
        self.timers.stop(&mut self.shard, slot);
        self.shard.remove(slot, rx.prf.hash);
        core.link_cache.release(link);
        port.release(frame);
    }
}
