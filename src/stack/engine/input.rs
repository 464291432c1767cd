//! Phase 4: the segments of a batch through TCP.

use super::batch::{Batch, Replies, RxSegment};
use super::flows::Flows;
use super::port::Port;
use super::transition::Effects;
use super::tx::ReplyContext;
use crate::table::Found;
use crate::tcp::{self, Predicted};
use crate::wire::PacketKey;

impl<K: PacketKey> Flows<K> {
    /// Processes every segment of a batch, in order.
    #[inline]
    pub(super) fn process<P: Port>(&mut self, ctx: &mut ReplyContext<'_, P>, batch: &mut Batch<K, P::Frame>) {
        let Batch { segments, frames, replies } = batch;
        for (rx, frame) in segments.iter().zip(frames.drain(..)) {
            match self.find(rx, ctx.core.id) {
                Some(found) => self.on_matched(ctx, rx, frame, found, replies),
                None => self.on_unmatched(ctx, rx, frame, None, replies),
            }
        }
        segments.clear();
    }

    /// The connection of a segment, now that earlier segments of the batch have made and ended some.
    #[inline]
    fn find(&self, rx: &RxSegment<K>, owner: usize) -> Option<Found> {
        let key = &rx.segment.key;
        match rx.candidate {
            Some(slot) if self.shard.is_at(slot, key) => Some(Found { slot, owner }),
            _ => self.shard.find(key, rx.prf.hash),
        }
    }

    /// A segment of an existing connection.
    pub(super) fn on_matched<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        found: Found,
        replies: &mut Replies<K, P::Frame>,
    ) {
        if found.owner != ctx.core.id {
            return ctx.forward(frame, found.owner);
        }
        let ReplyContext { core, port, .. } = ctx;
        let slot = found.slot;
        let number = self.number(slot);
        let RxSegment { segment, .. } = rx;
        let Some(tcb) = self.shard.value_mut(slot) else {
            return port.release(frame);
        };
        let before = tcb.state;
        match tcp::predict(tcb, &segment.info) {
            Some(Predicted::AckOfSyn) => return self.fast_handshake_ack(ctx, rx, frame, slot, replies),
            Some(Predicted::Fin) => return self.fast_fin(ctx, rx, frame, slot, replies),
            Some(Predicted::AckOfFin) => return self.fast_last_ack(ctx, rx, frame, slot),
            None => {}
        }
        let Some(service) = core.services.of(tcb.listener) else {
            return port.release(frame);
        };
        let payload = segment.payload(port.bytes(&frame));
        let mut cx = core.tcp.context(&segment.key, Some(rx.prf), number);
        let action = tcp::on_segment(tcb, &segment.info, payload, &mut cx, service);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, rx, frame, slot, effects, replies);
    }
}
