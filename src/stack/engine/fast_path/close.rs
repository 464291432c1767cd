//! The closing of a connection, by either end.

use super::{BatchCounts, follow_link};
use crate::engine::batch::{Replies, RxRecord};
use crate::engine::flows::Flows;
use crate::engine::port::Port;
use crate::engine::tx::ReplyContext;
use crate::observe::Closed;
use crate::tcp::{self, ClosedConnection, State, TcbFlags, Timer, TimerOp};
use crate::wire::PacketKey;

impl<K: PacketKey> Flows<K> {
    /// In ESTABLISHED, the peer's FIN: CLOSE-WAIT. The service's output, most often a FIN, is sent with the
    /// ACK at the end of the batch (MUST-59).
    #[inline(always)]
    pub(super) fn fast_close_wait<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, port_index } = ctx;
        let RxRecord { header, candidate: slot, .. } = rx;
        let number = self.number(*slot);
        let Some(tcb) = self.shard.value_mut(*slot) else { return Some(frame) };
        let Some(service) = core.services.of(tcb.listener) else { return Some(frame) };
        let mut cx = core.tcp.context(&header.key, Some(rx.prf), number);
        tcp::fast_path::on_fin(tcb, header, &mut cx, service);
        if tcb.has(TcbFlags::ABORT) {
            self.finish(ctx, rx, frame, State::CloseWait, replies);
            return None;
        }
        follow_link(core, tcb, rx, *port_index, number, || port.bytes(&frame));
        tcb.note_arrival(self.timers.idle_ms, false);
        tcb.set(TcbFlags::QUEUED);
        replies.push(rx.conn(), frame, header.link_len);
        None
    }

    /// In FIN-WAIT-1, the peer's FIN, which acknowledges our FIN: TIME-WAIT.
    #[inline(always)]
    pub(super) fn fast_time_wait<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, port_index } = ctx;
        let RxRecord { header, candidate: slot, .. } = rx;
        let number = self.number(*slot);
        let Some(tcb) = self.shard.value_mut(*slot) else { return Some(frame) };
        let listener = tcb.listener;
        tcp::fast_path::on_last_fin(tcb, header, core.tcp.now);
        core.counters.closed[Closed::Active as usize].bump();
        follow_link(core, tcb, rx, *port_index, number, || port.bytes(&frame));
        tcb.set(TcbFlags::QUEUED);
        let ended = ClosedConnection { id: number, now: core.tcp.now, endpoints: &header.key };
        core.services.notify_closed(listener, &ended, Closed::Active);
        let after_ms = 2 * core.shared.config.msl_ms;
        let timer = TimerOp::Start { timer: Timer::TimeWait, after_ms };
        self.apply_state(core, *slot, rx.prf.hash, (State::FinWait1, State::TimeWait), timer);
        replies.push(rx.conn(), frame, header.link_len);
        None
    }

    /// In LAST-ACK, the ACK of our FIN: the connection ends.
    #[inline(always)]
    pub(super) fn fast_last_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        counts: &mut BatchCounts,
    ) -> Option<P::Frame> {
        let ReplyContext { core, port, .. } = ctx;
        let (slot, key) = (rx.candidate, &rx.header.key);
        let number = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return Some(frame) };
        let (listener, link) = (tcb.listener, tcb.next_hop);
        tcb.state = State::Closed;
        let links = self.timers.clear(tcb);
        let ended = ClosedConnection { id: number, now: core.tcp.now, endpoints: key };
        core.services.notify_closed(listener, &ended, Closed::Passive);
        self.timers.unlink(&mut self.shard, links);
        self.remove(core, slot, rx.prf.hash);
        core.link_cache.release(link);
        counts.closed += 1;
        port.release(frame);
        None
    }
}
