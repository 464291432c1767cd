//! Segments without a connection: LISTEN and CLOSED, cookies, injected faults.

use super::batch::{Replies, RxSegment};
use super::core::Core;
use super::flows::Flows;
use super::link_cache::LinkCache;
use super::listener_cache::CachedListener;
use super::port::Port;
use super::tx::ReplyContext;
use crate::observe::{Closed, DropReason};
use crate::table::{Found, InsertError, Slot};
use crate::tcp::{self, CookieMode, PassiveOpen, SynOptions, Timer, TimerOp, WhenFull};
use crate::wire::{Flags, PacketKey, Segment, Seq, TuplePrf, TxSegment};

/// The result of an insertion.
enum Inserted {
    /// In this slot, with this entry of the link cache. The connection is still to be written.
    New(Slot, u16),
    /// Another segment or core inserted it first.
    Exists(Found),
    Refused(DropReason),
}

impl<K: PacketKey> Flows<K> {
    /// `above`: the SYN ended a TIME-WAIT whose sequence numbers reached this far.
    pub(super) fn on_unmatched<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        above: Option<Seq>,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let Segment { key, info, .. } = &rx.segment;
        let Some(listener) = self.cached_listener(ctx.core, key) else {
            if ctx.core.services.opener.as_ref().is_some_and(|opener| opener.is_flood()) {
                return ctx.drop_frame(frame, DropReason::FloodAnswer);
            }
            return reply_closed(ctx, rx, frame);
        };
        if rx.is_syn() {
            return self.on_syn(ctx, rx, frame, listener.id, above, replies);
        }
        match tcp::on_segment_listen(info) {
            Ok(reset) => self.on_listener_ack(ctx, rx, frame, listener.id, reset, replies),
            Err(reason) => ctx.drop_frame(frame, reason),
        }
    }

    /// The start of a connection.
    #[inline]
    fn on_syn<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        listener: u16,
        above: Option<Seq>,
        replies: &mut Replies<K, P::Frame>,
    ) {
        ctx.core.counters.syns.bump();
        if ctx.core.general_syns {
            match pick_fault(ctx.core) {
                FaultAction::None => {}
                FaultAction::Drop => return ctx.drop_frame(frame, DropReason::FaultDrop),
                FaultAction::Reset => return inject_reset(ctx, rx, frame),
                FaultAction::Stopping => return reply_closed(ctx, rx, frame),
            }
        }
        if above.is_none() && self.syn_load.wants_cookie(listener) {
            let drops = ctx.core.shared.config.when_full == WhenFull::Drop;
            if drops && self.is_full() && !self.may_evict(ctx.core) {
                return ctx.drop_frame(frame, DropReason::SlotsFull);
            }
            self.syn_load.cookie_sent(listener);
            return send_cookie(ctx, rx, frame, listener);
        }
        match self.insert(ctx, rx, &frame) {
            Inserted::New(slot, link) => {
                let open = PassiveOpen { listener, window: ctx.core.services.window(listener), link, above };
                self.send_syn_ack(ctx, rx, frame, slot, open);
            }
            Inserted::Exists(found) => self.on_matched(ctx, rx, frame, found, replies),
            Inserted::Refused(reason) => {
                // Only there does it decide: a flood of SYNs must not look for idle connections.
                let drops = ctx.core.shared.config.when_full == WhenFull::Drop;
                let gives_way = drops && reason == DropReason::SlotsFull && self.may_evict(ctx.core);
                refuse_syn(ctx, rx, frame, listener, (reason, gives_way));
            }
        }
    }

    /// Writes the new connection and sends its SYN-ACK, now or after the delay asked for.
    #[inline(always)]
    fn send_syn_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        open: PassiveOpen,
    ) {
        let RxSegment { segment, .. } = rx;
        let ReplyContext { core, port, .. } = ctx;
        let Some(tcb) = self.shard.value_mut(slot) else { return port.release(frame) };
        let mut cx = core.tcp.context(&segment.key, Some(rx.prf), 0);
        let syn_ack = tcp::on_syn(tcb, &segment.info, open, &mut cx);
        let timer = cx.timer;
        if core.general_syns && core.rules.fault.delay_ms > 0 {
            let after_ms = core.rules.fault.delay_ms;
            self.timers.start(&mut self.shard, slot, Timer::SynAckDelay, after_ms, core.tcp.now);
            return port.release(frame);
        }
        if let TimerOp::Start { timer, after_ms } = timer {
            self.timers.start_idle(&mut self.shard, slot, timer, after_ms, core.tcp.now);
        }
        core.counters.syn_acks.bump();
        ctx.reply_syn_ack(frame, segment.link_len, &segment.key, &syn_ack);
    }

    /// An ACK to a listener: the answer to a cookie, or a RST (RFC 9293 3.10.7.2, second).
    fn on_listener_ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        listener: u16,
        reset: TxSegment,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let segment = &rx.segment;
        let offer = if ctx.core.stopping { None } else { cookie_offer(ctx.core, rx) };
        let Some(offer) = offer else {
            self.syn_load.ack_unmatched(listener);
            return ctx.reply(frame, segment.link_len, &segment.key, &reset);
        };
        match self.insert(ctx, rx, &frame) {
            Inserted::New(slot, link) => {
                self.syn_load.cookie_proven(listener);
                let core = &mut *ctx.core;
                let open =
                    PassiveOpen { listener, window: core.services.window(listener), link, above: None };
                if let Some(tcb) = self.shard.value_mut(slot) {
                    let cx = core.tcp.context(&segment.key, Some(rx.prf), 0);
                    tcp::on_cookie_ack(tcb, &offer, &segment.info, open, &cx);
                }
                core.counters.established_by_cookie.bump();
                let found = Found { slot, owner: core.id };
                self.on_matched(ctx, rx, frame, found, replies);
            }
            Inserted::Exists(found) => self.on_matched(ctx, rx, frame, found, replies),
            Inserted::Refused(reason) => refuse_connected(ctx, rx, frame, reason, &reset),
        }
    }

    /// Takes a slot of the table for a half-open connection.
    #[inline(always)]
    fn insert<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: &P::Frame,
    ) -> Inserted {
        let &RxSegment { ref segment, prf: TuplePrf { hash, .. }, .. } = rx;
        let core = &mut *ctx.core;
        let link = core.link_cache.intern(ctx.port.bytes(frame), segment.link_len, ctx.port_index);
        let inserted = match self.shard.find_or_insert(&segment.key, hash).map(|(slot, _)| slot) {
            Err(InsertError::SlotsFull) => self.insert_evicting(core, segment, hash),
            other => other,
        };
        match inserted {
            Ok(slot) => {
                self.syn_load.half_open += 1;
                self.note_known(core, slot, &segment.key);
                let own_line = LinkCache::is_own_line(link);
                Inserted::New(
                    slot,
                    if own_line { self.store_own_link(ctx, segment, frame, slot) } else { link },
                )
            }
            Err(error) => {
                core.link_cache.release(link);
                match error {
                    InsertError::Exists(found) => Inserted::Exists(found),
                    InsertError::TableFull => Inserted::Refused(DropReason::TableFull),
                    InsertError::SlotsFull => Inserted::Refused(DropReason::SlotsFull),
                    InsertError::Raced => Inserted::Refused(DropReason::InsertRaced),
                }
            }
        }
    }

    /// No slot is free: the oldest TIME-WAIT makes room, as it is worth least. Then, for a peer that has
    /// proved its address, or where nothing else answers it, the connection that is idle for longest.
    #[cold]
    fn insert_evicting(
        &mut self,
        core: &mut Core,
        segment: &Segment<K>,
        hash: u32,
    ) -> Result<Slot, InsertError> {
        let mut inserted = Err(InsertError::SlotsFull);
        if self.evict_time_wait(core) {
            inserted = self.shard.find_or_insert(&segment.key, hash).map(|(slot, _)| slot);
        }
        let proved = segment.info.flags.has(Flags::ACK);
        let or_never = proved || core.shared.config.cookies == CookieMode::Never;
        if matches!(inserted, Err(InsertError::SlotsFull)) && or_never && self.evict_idle(core) {
            inserted = self.shard.find_or_insert(&segment.key, hash).map(|(slot, _)| slot);
        }
        inserted
    }

    /// The link cache has no room for the link header of a new connection.
    #[cold]
    fn store_own_link<P: Port>(
        &self,
        ctx: &mut ReplyContext<'_, P>,
        segment: &Segment<K>,
        frame: &P::Frame,
        slot: Slot,
    ) -> u16 {
        let conn = self.number(slot);
        ctx.core.link_cache.store_own(ctx.port.bytes(frame), segment.link_len, ctx.port_index, conn)
    }

    /// The listener for the local end, from the cache if it is there.
    #[inline(always)]
    pub(super) fn cached_listener(&mut self, core: &Core, key: &K) -> Option<CachedListener> {
        self.listener_cache.get(key).or_else(|| self.look_up_listener(core, key))
    }

    #[inline(never)]
    fn look_up_listener(&mut self, core: &Core, key: &K) -> Option<CachedListener> {
        let id = core.rules.lookup(key.local())?.0;
        let listener = CachedListener { id, window: core.services.window(id) };
        self.listener_cache.insert(key, listener);
        Some(listener)
    }

    /// Every slot is taken, by connections that are worth more than a new one.
    pub(super) fn is_full(&self) -> bool {
        self.shard.len() == self.shard.capacity() && self.time_wait == 0
    }

    /// Begins and ends the cookies of listeners, if that is due.
    pub(super) fn look_at_syn_load(&mut self, core: &Core) {
        let now = core.tcp.now;
        if self.syn_load.is_due(now) {
            let sample = self.timers.newest_syn_acks(&self.shard).map(|tcb| tcb.listener);
            self.syn_load.look(sample, now, &core.shared.board, &core.counters);
        }
    }
}

/// What the cookie in an ACK stands for, if it is one of ours.
fn cookie_offer<K: PacketKey>(core: &mut Core, rx: &RxSegment<K>) -> Option<SynOptions> {
    let segment = &rx.segment;
    if core.shared.config.cookies == CookieMode::Never || segment.info.flags.has(Flags::SYN) {
        return None;
    }
    let offset = core.tcp.timestamp_offset;
    let offer = core.cookies.verify(&segment.key, &segment.info, offset, core.tcp.now);
    if offer.is_none() && core.cookies.recently_issued(core.tcp.now) {
        core.counters.dropped(DropReason::CookieInvalid);
    }
    offer
}

/// A SYN-ACK without a slot.
fn send_cookie<K: PacketKey, P: Port>(
    ctx: &mut ReplyContext<'_, P>,
    rx: &RxSegment<K>,
    frame: P::Frame,
    listener: u16,
) {
    let Segment { key, info, link_len, .. } = &rx.segment;
    let core = &mut *ctx.core;
    let window = core.services.window(listener);
    core.counters.syn_acks_cookie.bump();
    let cx = core.tcp.context(key, Some(rx.prf), 0);
    let syn_ack = tcp::on_syn_with_cookie(key, info, window, &mut core.cookies, &cx);
    ctx.reply_syn_ack(frame, *link_len, key, &syn_ack);
}

/// A SYN that there is no slot for. By cookie it may still find one: the ACK decides. `gives_way`: a
/// connection would give way to it then.
#[cold]
fn refuse_syn<K: PacketKey, P: Port>(
    ctx: &mut ReplyContext<'_, P>,
    rx: &RxSegment<K>,
    frame: P::Frame,
    listener: u16,
    (reason, gives_way): (DropReason, bool),
) {
    let config = &ctx.core.shared.config;
    // Not when raced: the other core answers, and a cookie would be a second ISN.
    match (reason, config.when_full, config.cookies) {
        (DropReason::InsertRaced, ..) => ctx.drop_frame(frame, reason),
        (_, WhenFull::Drop, CookieMode::Never) => ctx.drop_frame(frame, reason),
        (_, WhenFull::Drop, _) if !gives_way => ctx.drop_frame(frame, reason),
        (_, WhenFull::Reset, CookieMode::Never) => {
            ctx.core.counters.dropped(reason);
            reply_closed(ctx, rx, frame);
        }
        _ => send_cookie(ctx, rx, frame, listener),
    }
}

/// The ACK of a cookie that there is no slot for. Its sender has proved its
/// address, so the RST does not count against the limit.
#[cold]
fn refuse_connected<K: PacketKey, P: Port>(
    ctx: &mut ReplyContext<'_, P>,
    rx: &RxSegment<K>,
    frame: P::Frame,
    reason: DropReason,
    reset: &TxSegment,
) {
    if reason == DropReason::InsertRaced || ctx.core.shared.config.when_full == WhenFull::Drop {
        return ctx.drop_frame(frame, reason);
    }
    ctx.core.counters.dropped(reason);
    ctx.reply_unlimited(frame, rx.segment.link_len, &rx.segment.key, reset);
}

/// What a SYN gets instead of its connection: an injected fault, or a RST because the program ends.
enum FaultAction {
    None,
    Drop,
    Reset,
    Stopping,
}

/// Picks the fault to inject for a SYN, at random by the configured shares.
#[cold]
fn pick_fault(core: &mut Core) -> FaultAction {
    if core.stopping {
        return FaultAction::Stopping;
    }
    let fault = core.rules.fault;
    if fault.drop == 0.0 && fault.reset == 0.0 {
        return FaultAction::None;
    }
    match core.fault_rng.next() {
        roll if roll < fault.drop => FaultAction::Drop,
        roll if roll < fault.drop + fault.reset => FaultAction::Reset,
        _ => FaultAction::None,
    }
}

/// An injected RST: as if there were no listener.
#[cold]
fn inject_reset<K: PacketKey, P: Port>(ctx: &mut ReplyContext<'_, P>, rx: &RxSegment<K>, frame: P::Frame) {
    ctx.core.counters.closed[Closed::FaultReset as usize].bump();
    reply_closed(ctx, rx, frame);
}

/// As a closed port would.
#[cold]
fn reply_closed<K: PacketKey, P: Port>(ctx: &mut ReplyContext<'_, P>, rx: &RxSegment<K>, frame: P::Frame) {
    let Segment { key, info, link_len, .. } = &rx.segment;
    match tcp::on_segment_closed(info) {
        Ok(reset) => ctx.reply(frame, *link_len, key, &reset),
        Err(reason) => ctx.drop_frame(frame, reason),
    }
}
