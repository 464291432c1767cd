//! Input of the predicted segments (header prediction, RFC 7323 5.6): most segments are. The effects
//! equal those of the general path in the same state; branches that cannot be taken are left out.

use super::batch::{PendingReply, RxSegment};
use super::flows::{Flows, context};
use super::notify::{notify_closed, service_of};
use super::port::Port;
use super::reply::ReplyContext;
use super::transition::Effects;
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
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let ReplyContext { core, port, number } = ctx;
        let segment = &rx.segment;
        let of = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let Some(user) = service_of(&mut core.users, &mut core.opener, tcb.listener) else {
            return port.release(frame);
        };
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &segment.key, None, core.now);
        cx.number = of;
        tcp::establish(tcb, &segment.info, &mut cx, user);
        let quiet = tcp::has_no_output(tcb);
        tcb.next_hop =
            core.link_cache.update(port.bytes(&frame), segment.link_len, *number, tcb.next_hop, of);
        self.timers.stop(&mut self.shard, slot);
        self.uncount_state(State::SynReceived);
        if quiet {
            port.release(frame)
        } else {
            self.send_now(ctx, rx, frame, slot, State::Established, replies)
        }
    }

    /// The user has something to say at once, or wants no more of it.
    #[inline(never)]
    fn send_now<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        before: State,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let ReplyContext { core, port, .. } = ctx;
        let of = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let key = &rx.segment.key;
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, key, None, core.now);
        cx.number = of;
        let action = tcp::finish_input(tcb, &mut cx);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, rx, frame, slot, effects, replies);
    }

    /// ESTABLISHED, and the peer closes its direction. What the user answers, most often with its own
    /// FIN, goes with the ACK at the end of the batch (MUST-59).
    pub(super) fn fast_fin<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let ReplyContext { core, port, number } = ctx;
        let &RxSegment { ref segment, hash, .. } = rx;
        let (key, link_len) = (segment.key, segment.link_len);
        let of = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let Some(user) = service_of(&mut core.users, &mut core.opener, tcb.listener) else {
            return port.release(frame);
        };
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &segment.key, None, core.now);
        cx.number = of;
        tcp::on_predicted_fin(tcb, &segment.info, &mut cx, user);
        if tcb.has(TcbFlags::ABORT) {
            return self.send_now(ctx, rx, frame, slot, State::CloseWait, replies);
        }
        tcb.next_hop = core.link_cache.update(port.bytes(&frame), link_len, *number, tcb.next_hop, of);
        tcb.heard(self.timers.idle_ms, true);
        tcb.set(TcbFlags::QUEUED);
        replies.push(PendingReply { slot, key, hash, frame, link_len });
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
        let of = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let (listener, link) = (tcb.listener, tcb.next_hop);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, key, None, core.now);
        cx.close(tcb, Closed::Passive);
        if let Some(how) = cx.ended {
            notify_closed(core, listener, &ClosedConnection { id: of, now: core.now, endpoints: key }, how);
        }
        self.timers.stop(&mut self.shard, slot);
        self.shard.remove(slot, rx.hash);
        core.link_cache.release(link);
        port.release(frame);
    }
}
