//! ESTABLISHED: the next data in order, and ACKs of nothing new.

use super::follow_link;
use crate::engine::batch::{Replies, RxRecord};
use crate::engine::flows::Flows;
use crate::engine::port::Port;
use crate::engine::transition::Effects;
use crate::engine::tx::ReplyContext;
use crate::tcp::{self, State, TcbFlags};
use crate::wire::PacketKey;

impl<K: PacketKey> Flows<K> {
    /// An ACK of nothing new, whose frame is released, or the next data, which is acknowledged at the end of
    /// the batch.
    #[inline(always)]
    pub(super) fn fast_data<P: Port>(
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
        if !tcp::fast_path::takes_data(tcb, header.payload_len) {
            return Some(frame);
        }
        let mut outcome = Ok(());
        let bytes = port.bytes(&frame);
        if header.payload_len == 0 {
            tcp::fast_path::on_ack(tcb, header, core.tcp.now);
        } else {
            let Some(service) = core.services.of(tcb.listener) else { return Some(frame) };
            let mut cx = core.tcp.context(&header.key, Some(rx.prf), number);
            outcome = tcp::fast_path::on_data(tcb, header, header.payload(bytes), &mut cx, service);
        }
        if header.payload_len > 0 && (outcome.is_err() || tcb.has(TcbFlags::ABORT)) {
            self.finish_data(ctx, rx, frame, outcome, replies);
            return None;
        }
        tcb.note_arrival(self.timers.idle_ms, header.payload_len > 0);
        follow_link(core, tcb, rx, *port_index, number, || bytes);
        if header.payload_len == 0 {
            port.release(frame);
        } else {
            tcb.set(TcbFlags::QUEUED);
            replies.push(rx.conn(), frame, header.link_len);
        }
        None
    }

    /// The service refused the data, or aborts: the rest of the general path.
    #[inline(never)]
    pub(super) fn finish_data<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxRecord<K>,
        frame: P::Frame,
        outcome: Result<(), tcp::Action>,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let number = self.number(rx.candidate);
        let Some(tcb) = self.shard.value_mut(rx.candidate) else { return ctx.port.release(frame) };
        let mut cx = ctx.core.tcp.context(&rx.header.key, Some(rx.prf), number);
        let action = match outcome {
            Ok(()) => tcp::finish_input(tcb, &mut cx),
            Err(action) => tcp::finish_dropped_input(action, tcb, &mut cx),
        };
        let effects = Effects { before: State::Established, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, &rx.segment(), frame, rx.candidate, effects, replies);
    }
}
