//! Phase 4: the segments of a batch through TCP.

use super::batch::{Batch, Replies, RxSegment};
use super::fast_path::BatchCounts;
use super::flows::Flows;
use super::port::Port;
use super::transition::Effects;
use super::tx::ReplyContext;
use crate::table::Found;
use crate::tcp;
use crate::wire::{Flags, PacketKey};

pub(super) const SYN: Flags = Flags::SYN;
pub(super) const ACK: Flags = Flags::ACK;
pub(super) const PSH_ACK: Flags = Flags::ACK.with(Flags::PSH);
pub(super) const FIN_ACK: Flags = Flags::ACK.with(Flags::FIN);

impl<K: PacketKey> Flows<K> {
    /// Processes every segment of a batch, in order. The fast path takes consecutive segments of one kind, as
    /// long as each is the next one of its connection, or a usual SYN to a cached listener. The general path
    /// takes any other one.
    pub(super) fn process<P: Port>(&mut self, ctx: &mut ReplyContext<'_, P>, batch: &mut Batch<K, P::Frame>) {
        let mut counts = BatchCounts::default();
        let (mut segments, replies) = batch.take();
        if segments.flags().is_some() {
            self.listener_cache.refresh(|listener| ctx.core.services.window(listener));
        }
        while let Some(flags) = segments.flags() {
            let left = match flags {
                _ if !self.fast.enabled => segments.next_if(|_| true),
                SYN if self.syn_load.pressed => self.fast_syns::<P, true>(ctx, &mut segments, &mut counts),
                SYN => self.fast_syns::<P, false>(ctx, &mut segments, &mut counts),
                ACK | PSH_ACK => self.fast_acks(ctx, &mut segments, replies, &mut counts),
                FIN_ACK => self.fast_fins(ctx, &mut segments, replies),
                _ => segments.next_if(|_| true),
            };
            let Some((rx, frame)) = left else { continue };
            let left = match flags {
                SYN if self.fast.enabled => self.fast_syn_looked_up(ctx, rx, frame, &mut counts),
                _ => Some(frame),
            };
            if let Some(frame) = left {
                self.process_any(ctx, &rx.segment(), frame, replies);
            }
        }
        counts.add_to(&ctx.core.counters);
    }

    /// The general path: any segment.
    #[inline(never)]
    fn process_any<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let key = &rx.segment.key;
        // Earlier segments of the batch have made and ended connections.
        let found = match self.shard.is_at(rx.candidate, key) {
            true => Some(Found { slot: rx.candidate, owner: ctx.core.id }),
            false => self.shard.find(key, rx.prf.hash),
        };
        match found {
            Some(found) => self.on_matched(ctx, rx, frame, found, replies),
            None => self.on_unmatched(ctx, rx, frame, None, replies),
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
        let RxSegment { segment, prf, .. } = rx;
        let Some(tcb) = self.shard.value_mut(slot) else {
            return port.release(frame);
        };
        let before = tcb.state;
        let Some(service) = core.services.of(tcb.listener) else {
            return port.release(frame);
        };
        let payload = segment.payload(port.bytes(&frame));
        let mut cx = core.tcp.context(&segment.key, Some(*prf), number);
        let action = tcp::on_segment(tcb, &segment.info, payload, &mut cx, service);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, rx, frame, slot, effects, replies);
    }
}
