//! The connections of one address family on one core.

use super::batch::{Batch, PendingReply, RxSegment};
use super::core::{Core, Shared};
use super::idle::Sweep;
use super::link_cache::NO_NEXT_HOP;
use super::listeners::ListenerId;
use super::notify::{notify_closed, service_of};
use super::pending::{MAX_PENDING, PendingTx};
use super::port::Port;
use super::relief::{Farewell, Oldest, RESETS};
use super::reply::{ReplyContext, reply_in_place};
use super::timers::Timers;
use super::transition::Effects;
use crate::observe::{Closed, CoreCounters};
use crate::table::{Found, Shard, Slot, line_size};
use crate::tcp::{
    self, ClosedConnection, Context, Endpoints, Predicted, SendBuffers, State, Tcb, TcbFlags, Time, TimerOp,
    TuplePrf,
};
use crate::wire::{FlowKey4, FlowKey6, PacketKey};

pub(super) struct Flows<K: PacketKey> {
    pub(super) shard: Shard<K, Tcb>,
    pub(super) timers: Timers,
    pub(super) half_open: u32,
    pub(super) time_wait: u32,
    /// Who was asked for last, and who answers for it.
    pub(super) listener_cache: Option<(K, ListenerId)>,
    /// Connections with output and no received frame to send it in.
    pub(super) pending: Vec<PendingTx<K>>,
    /// RSTs to peers whose connections gave way, for the end of the poll.
    pub(super) resets: Vec<Farewell<K>>,
    pub(super) sweep: Sweep,
    pub(super) oldest: Oldest,
    /// The way of our SYNs.
    pub(super) gateway: u16,
    /// From a slot to its connection's number, modulo 2^32.
    pub(super) id_offset: u32,
}

// A half-open or idle connection is one cache line over IPv4, two over IPv6.
const _: () = assert!(line_size::<FlowKey4, Tcb>() == 64 && line_size::<FlowKey6, Tcb>() == 128);

/// The context of one event of a connection; the fields it borrows are disjoint.
pub(super) fn context<'a>(
    shared: &'a Shared,
    counters: &'a CoreCounters,
    buffers: &'a mut SendBuffers,
    endpoints: &'a dyn Endpoints,
    prf: Option<TuplePrf>,
    now: Time,
) -> Context<'a> {
    Context {
        now,
        config: &shared.config,
        buffers,
        counters,
        prf,
        secret: &shared.secrets.isn,
        endpoints,
        number: 0,
        timer: TimerOp::Keep,
        ended: None,
    }
}

impl<K: PacketKey> Flows<K> {
    /// `numbers_from`: connections of this family are numbered from there on.
    pub(super) fn new(shard: Shard<K, Tcb>, numbers_from: u32, now: Time) -> Flows<K> {
        Flows {
            timers: Timers::new(now),
            half_open: 0,
            time_wait: 0,
            listener_cache: None,
            pending: Vec::with_capacity(MAX_PENDING),
            resets: Vec::with_capacity(RESETS),
            sweep: Sweep::default(),
            oldest: Oldest::default(),
            gateway: NO_NEXT_HOP,
            id_offset: numbers_from.wrapping_sub(shard.first().0),
            shard,
        }
    }

    /// The number by which users know a connection.
    #[inline]
    pub(super) fn number(&self, slot: Slot) -> u32 {
        slot.0.wrapping_add(self.id_offset)
    }

    /// Phase 3: look into the buckets that phase 2 prefetched, and prefetch the connections that they
    /// name. Keys are compared when their lines have come.
    #[inline]
    pub(super) fn look_up<F>(&self, batch: &mut Batch<K, F>) {
        // Most SYNs match no connection, and an earlier one of this batch may be the same: they are
        // looked up when it is their turn.
        for rx in batch.segments.iter_mut().filter(|rx| !rx.is_syn()) {
            rx.candidate = self.shard.candidate(rx.hash);
            if let Some(slot) = rx.candidate {
                self.shard.prefetch_slot(slot);
            }
        }
    }

    /// Phase 4: every segment through TCP.
    #[inline]
    pub(super) fn segments<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        batch: &mut Batch<K, P::Frame>,
    ) {
        let Batch { segments, frames, replies } = batch;
        for (rx, frame) in segments.iter().zip(frames.drain(..)) {
            match self.connection(rx, ctx.core.id) {
                Some(found) => self.on_matched(ctx, rx, frame, found, replies),
                None => self.on_unmatched(ctx, rx, frame, None, replies),
            }
        }
        segments.clear();
    }

    /// Whose segment it is, now that earlier segments of the batch have made and ended connections.
    #[inline]
    fn connection(&self, rx: &RxSegment<K>, owner: usize) -> Option<Found> {
        let key = &rx.segment.key;
        match rx.candidate {
            Some(slot) if self.shard.is_at(slot, key) => Some(Found { slot, owner }),
            _ => self.shard.find(key, rx.hash),
        }
    }

    pub(super) fn on_matched<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        found: Found,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        if found.owner != ctx.core.id {
            return ctx.forward(frame, found.owner);
        }
        let ReplyContext { core, port, .. } = ctx;
        let slot = found.slot;
        let of = self.number(slot);
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
        let Some(user) = service_of(&mut core.users, &mut core.opener, tcb.listener) else {
            return port.release(frame);
        };
        let bytes = port.bytes(&frame);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &segment.key, None, core.now);
        cx.number = of;
        let action = tcp::on_segment(tcb, &segment.info, segment.payload(bytes), &mut cx, user);
        let effects = Effects { before, action, timer: cx.timer, ended: cx.ended };
        self.apply(ctx, rx, frame, slot, effects, replies);
    }

    /// Phase 5: sends the pending segment of one connection.
    #[inline]
    pub(super) fn flush_reply<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        pending: PendingReply<K, P::Frame>,
    ) {
        let ReplyContext { core, port, .. } = ctx;
        let PendingReply { slot, key, hash, frame, link_len } = pending;
        // Ended since it was listed, and perhaps its slot used again.
        let same = self.shard.key(slot) == Some(key);
        let id = self.number(slot);
        let Some(tcb) = self.shard.value_mut(slot).filter(|tcb| same && tcb.state != State::Closed) else {
            return port.release(frame);
        };
        if !tcb.take(TcbFlags::QUEUED) {
            return port.release(frame);
        }
        let (before, listener) = (tcb.state, tcb.listener);
        let mut cx = context(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let out = tcp::poll_output(tcb, &mut cx);
        let (timer, ended, states) = (cx.timer, cx.ended, (before, tcb.state));
        if let Some(how) = ended {
            core.counters.resets_sent.bump();
            notify_closed(core, listener, &ClosedConnection { id, now: core.now, endpoints: &key }, how);
        }
        self.apply_state(core, slot, hash, states, timer);
        let Some(out) = out else {
            return port.release(frame);
        };
        let payload = core.buffers.payload(out.payload);
        reply_in_place(&core.counters, *port, frame, link_len, &key, (&out.segment, payload));
        if out.more {
            self.requeue_tx(core.now, PendingTx { slot, key, hash });
        }
    }

    /// FourTuple a connection in TIME-WAIT from outside of TCP: its user was told before.
    pub(super) fn end(&mut self, core: &mut Core, slot: Slot, hash: u32, how: Closed) {
        self.timers.stop(&mut self.shard, slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        core.buffers.release(&mut tcb.buffer);
        let before = std::mem::replace(&mut tcb.state, State::Closed);
        core.counters.closed[how as usize].bump();
        core.link_cache.release(tcb.next_hop);
        self.uncount_state(before);
        self.shard.remove(slot, hash);
    }

    /// Gives up the oldest TIME-WAIT. False: there is none.
    pub(super) fn evict_time_wait(&mut self, core: &mut Core) -> bool {
        let Some(slot) = self.timers.oldest_time_wait() else {
            return false;
        };
        let Some(key) = self.shard.key(slot) else {
            return false;
        };
        self.end(core, slot, key.hash(&core.shared.secrets.hash), Closed::TimeWaitEvicted);
        true
    }
}
