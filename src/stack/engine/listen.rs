//! Segments of no connection: LISTEN and CLOSED, cookies, faults on purpose.

use super::batch::{PendingReply, RxSegment};
use super::core::Core;
use super::flows::{Flows, context};
use super::link_cache::LinkCache;
use super::listeners::ListenerId;
use super::port::Port;
use super::reply::ReplyContext;
use crate::observe::{Closed, DropReason};
use crate::table::{Found, InsertError, Slot};
use crate::tcp::{self, Arrival, CookieMode, SynOptions, Tcb, Timer, TimerOp, TuplePrf, WhenFull};
use crate::wire::{Flags, PacketKey, Segment, Seq, TxSegment};

/// The result of an insertion.
enum Inserted {
    New(Slot),
    /// Another segment or core inserted it first.
    Exists(Found),
    CommandQueueFull(DropReason),
}

impl<K: PacketKey> Flows<K> {
    /// `above`: the SYN ended a TIME-WAIT whose sequence numbers reached this far.
    pub(super) fn on_unmatched<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        above: Option<Seq>,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let Segment { key, info, link_len, .. } = &rx.segment;
        let Some(listener) = self.listener(ctx.core, key) else {
            if ctx.core.opener.as_ref().is_some_and(|opener| opener.is_flood()) {
                return ctx.drop_frame(frame, DropReason::FloodAnswer);
            }
            return match tcp::on_segment_closed(info) {
                Ok(reset) => ctx.reply(frame, *link_len, key, &reset),
                Err(reason) => ctx.drop_frame(frame, reason),
            };
        };
        match tcp::on_segment_listen(info) {
            Arrival::Drop(reason) => ctx.drop_frame(frame, reason),
            Arrival::Ack(reset) => self.ack(ctx, rx, frame, listener.0, reset, replies),
            Arrival::Syn => self.syn(ctx, rx, frame, listener.0, above, replies),
        }
    }

    /// An ACK to a listener: the answer to a cookie, or a RST (RFC 9293 3.10.7.2, second).
    fn ack<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        listener: u16,
        reset: TxSegment,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let segment = &rx.segment;
        let offer = if ctx.core.stopping { None } else { cookie_offer(ctx.core, segment) };
        let Some(offer) = offer else {
            return ctx.reply(frame, segment.link_len, &segment.key, &reset);
        };
        let core = &mut *ctx.core;
        let window = core.window(listener);
        let make = |core: &mut Core| {
            let cx = context(&core.shared, &core.counters, &mut core.buffers, &segment.key, None, core.now);
            tcp::accept_cookie(&offer, &segment.info, window, &cx)
        };
        match self.place(ctx, rx, &frame, listener, make) {
            Inserted::New(slot) => {
                ctx.core.counters.established_by_cookie.bump();
                let found = Found { slot, owner: ctx.core.id };
                self.on_matched(ctx, rx, frame, found, replies);
            }
            Inserted::Exists(found) => self.on_matched(ctx, rx, frame, found, replies),
            Inserted::CommandQueueFull(reason) => refuse_connected(ctx, rx, frame, reason, &reset),
        }
    }

    /// The start of a connection.
    #[inline]
    fn syn<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        listener: u16,
        above: Option<Seq>,
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        ctx.core.counters.syns.bump();
        if ctx.core.faults_enabled {
            match pick_fault(ctx.core) {
                FaultAction::None => {}
                FaultAction::Drop => return ctx.drop_frame(frame, DropReason::FaultDrop),
                FaultAction::Reset => return reset_on_purpose(ctx, rx, frame),
                FaultAction::Stopping => return answer_closed(ctx, rx, frame),
            }
        }
        if self.wants_cookie(ctx.core) && above.is_none() {
            let drops = ctx.core.shared.config.when_full == WhenFull::Drop;
            if drops && self.is_full() && !self.may_evict(ctx.core) {
                return ctx.drop_frame(frame, DropReason::SlotsFull);
            }
            return answer_with_cookie(ctx, rx, frame, listener);
        }
        let segment = &rx.segment;
        let core = &mut *ctx.core;
        let prf = core.shared.secrets.isn.prf(&segment.key);
        let iss = isn_above(prf.isn(core.now), above);
        let window = core.window(listener);
        let make = |core: &mut Core| {
            let (shared, key) = (&core.shared, &segment.key);
            let made = context(shared, &core.counters, &mut core.buffers, key, Some(prf), core.now);
            tcp::accept_syn(&segment.info, iss, window, &made)
        };
        match self.place(ctx, rx, &frame, listener, make) {
            Inserted::New(slot) => self.answer(ctx, rx, frame, slot, prf),
            Inserted::Exists(found) => self.on_matched(ctx, rx, frame, found, replies),
            Inserted::CommandQueueFull(reason) => {
                // Only there does it decide: a flood of SYNs must not look for idle connections.
                let drops = ctx.core.shared.config.when_full == WhenFull::Drop;
                let gives_way = drops && reason == DropReason::SlotsFull && self.may_evict(ctx.core);
                refuse_syn(ctx, rx, frame, listener, (reason, gives_way));
            }
        }
    }

    /// The SYN-ACK, now or after the delay asked for.
    #[inline(always)]
    fn answer<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        prf: TuplePrf,
    ) {
        let RxSegment { segment, .. } = rx;
        let ReplyContext { core, port, .. } = ctx;
        if core.faults_enabled && core.rules.fault.delay_ms > 0 {
            let after_ms = core.rules.fault.delay_ms;
            self.timers.start(&mut self.shard, slot, Timer::SynAckDelay, after_ms, core.now);
            return port.release(frame);
        }
        let Some(tcb) = self.shard.value(slot) else {
            return port.release(frame);
        };
        core.counters.syn_acks.bump();
        let mut cx =
            context(&core.shared, &core.counters, &mut core.buffers, &segment.key, Some(prf), core.now);
        let emit = tcp::answer_syn(tcb, &mut cx);
        if let TimerOp::Start { timer, after_ms } = cx.timer {
            self.timers.start_idle(&mut self.shard, slot, timer, after_ms, core.now);
        }
        ctx.reply_syn_ack(frame, segment.link_len, &segment.key, &emit);
    }

    /// Puts a half-open connection into the table. Where no slot is free, the oldest TIME-WAIT
    /// makes room: it is worth least. Then, for a peer that has proved its address, or where nothing
    /// else answers it, the connection that is idle for longest.
    #[inline]
    fn place<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: &P::Frame,
        listener: u16,
        make: impl Fn(&mut Core) -> Tcb,
    ) -> Inserted {
        let &RxSegment { ref segment, hash, .. } = rx;
        let core = &mut *ctx.core;
        let link = core.link_cache.intern(ctx.port.bytes(frame), segment.link_len, ctx.number);
        let tcb = |core: &mut Core| {
            let mut tcb = make(core);
            (tcb.listener, tcb.next_hop) = (listener, link);
            tcb
        };
        let mut placed = self.shard.insert_absent(segment.key, hash, || tcb(core));
        if matches!(placed, Err(InsertError::SlotsFull)) && self.evict_time_wait(core) {
            placed = self.shard.insert_absent(segment.key, hash, || tcb(core));
        }
        let proved = segment.info.flags.has(Flags::ACK);
        let or_never = proved || core.shared.config.cookies == CookieMode::Never;
        if matches!(placed, Err(InsertError::SlotsFull)) && or_never && self.evict_idle(core) {
            placed = self.shard.insert_absent(segment.key, hash, || tcb(core));
        }
        match placed {
            Ok(slot) => {
                self.half_open += 1;
                if LinkCache::is_own_line(link) {
                    self.keep_own_link(ctx, segment, frame, slot);
                }
                Inserted::New(slot)
            }
            Err(error) => {
                core.link_cache.release(link);
                match error {
                    InsertError::Exists(found) => Inserted::Exists(found),
                    InsertError::TableFull => Inserted::CommandQueueFull(DropReason::TableFull),
                    InsertError::SlotsFull => Inserted::CommandQueueFull(DropReason::SlotsFull),
                    InsertError::Raced => Inserted::CommandQueueFull(DropReason::InsertRaced),
                }
            }
        }
    }

    /// The table of link headers has no place for the way of a new connection.
    #[cold]
    fn keep_own_link<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        segment: &Segment<K>,
        frame: &P::Frame,
        slot: Slot,
    ) {
        let of = self.number(slot);
        if let Some(tcb) = self.shard.value_mut(slot) {
            tcb.next_hop =
                ctx.core.link_cache.store_own(ctx.port.bytes(frame), segment.link_len, ctx.number, of);
        }
    }

    /// The listener for the local end. Most segments are for the same one as the last.
    #[inline]
    fn listener(&mut self, core: &Core, key: &K) -> Option<ListenerId> {
        if let Some((last, listener)) = self.listener_cache
            && last.same_local(key)
        {
            return Some(listener);
        }
        let listener = core.rules.lookup(key.local())?;
        self.listener_cache = Some((*key, listener));
        Some(listener)
    }

    /// Every slot is taken, by connections that are worth more than a new one.
    fn is_full(&self) -> bool {
        self.shard.len() == self.shard.capacity() && self.time_wait == 0
    }

    #[inline]
    fn wants_cookie(&self, core: &Core) -> bool {
        match core.shared.config.cookies {
            CookieMode::Never => false,
            CookieMode::Always => true,
            CookieMode::Auto => self.half_open >= core.shared.core.half_open_bound,
        }
    }
}

/// What the cookie in an ACK stands for, if it is one of ours.
fn cookie_offer<K: PacketKey>(core: &mut Core, segment: &Segment<K>) -> Option<SynOptions> {
    if core.shared.config.cookies == CookieMode::Never || segment.info.flags.has(Flags::SYN) {
        return None;
    }
    let offset = match segment.info.options.timestamps {
        Some(_) => core.shared.secrets.isn.prf(&segment.key).timestamp_offset(),
        None => 0,
    };
    let offer = core.cookies.verify(&segment.key, &segment.info, offset, core.now);
    if offer.is_none() && core.cookies.recently_issued(core.now) {
        core.counters.dropped(DropReason::CookieInvalid);
    }
    offer
}

/// A SYN-ACK without a slot.
fn answer_with_cookie<K: PacketKey, P: Port>(
    ctx: &mut ReplyContext<'_, P>,
    rx: &RxSegment<K>,
    frame: P::Frame,
    listener: u16,
) {
    let Segment { key, info, link_len, .. } = &rx.segment;
    let core = &mut *ctx.core;
    let mss = SynOptions::from_syn(&info.options, key.local().is_ipv6()).mss;
    let iss = core.cookies.issue(key, info.seq, mss, core.now);
    let window = core.window(listener);
    core.counters.syn_acks_cookie.bump();
    let cx = context(&core.shared, &core.counters, &mut core.buffers, key, None, core.now);
    let emit = tcp::cookie_answer(info, iss, window, &cx);
    ctx.reply_syn_ack(frame, *link_len, key, &emit);
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
            answer_closed(ctx, rx, frame);
        }
        _ => answer_with_cookie(ctx, rx, frame, listener),
    }
}

/// The ACK of a cookie that there is no slot for. Its sender takes itself for connected, and has shown
/// that the address is its own: so it gets its RST beside the limit, which is for those who have not.
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

/// What becomes of a SYN beside its connection: by `--fault`, or because the program ends.
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

/// `--fault reset`: as if nobody listened.
#[cold]
fn reset_on_purpose<K: PacketKey, P: Port>(
    ctx: &mut ReplyContext<'_, P>,
    rx: &RxSegment<K>,
    frame: P::Frame,
) {
    ctx.core.counters.closed[Closed::FaultReset as usize].bump();
    answer_closed(ctx, rx, frame);
}

/// As a closed port would.
#[cold]
fn answer_closed<K: PacketKey, P: Port>(ctx: &mut ReplyContext<'_, P>, rx: &RxSegment<K>, frame: P::Frame) {
    let Segment { key, info, link_len, .. } = &rx.segment;
    match tcp::on_segment_closed(info) {
        Ok(reset) => ctx.reply(frame, *link_len, key, &reset),
        Err(reason) => ctx.drop_frame(frame, reason),
    }
}

/// The ISN of a connection that follows one in TIME-WAIT: by the clock, but beyond all that the
/// old one sent (RFC 1122 4.2.2.13).
#[inline]
fn isn_above(isn: Seq, above: Option<Seq>) -> Seq {
    match above {
        Some(above) if !isn.after(above) => above + (1 << 16),
        _ => isn,
    }
}
