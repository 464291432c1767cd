//! Segments of no connection: LISTEN and CLOSED, cookies, faults on purpose.

use super::batch::{Debt, Pending};
use super::core::Core;
use super::desk::Desk;
use super::flows::{Flows, isn_above, step};
use super::port::Port;
use crate::observe::{Closed, DropReason};
use crate::table::{Found, InsertError, Slot};
use crate::tcp::{self, Arrival, CookieMode, Offer, State, Tcb, Timer, TimerOp};
use crate::wire::{Emit, Flags, PacketKey, Segment, Seq};

/// What becomes of an insertion.
enum Placed {
    At(Slot),
    /// Someone was first.
    There(Found),
    Refused(DropReason),
}

impl<K: PacketKey> Flows<K> {
    /// `above`: the SYN ended a TIME-WAIT whose sequence numbers reached this far.
    pub(super) fn stranger<P: Port>(
        &mut self,
        desk: &mut Desk<'_, P>,
        pending: Pending<K, P::Frame>,
        above: Option<Seq>,
        debts: &mut Vec<Debt<K, P::Frame>>,
    ) {
        let Segment { key, info, link_len, .. } = &pending.segment;
        let local = key.local();
        let Some(listener) = desk.core.shared.listeners.lookup(local.ip(), local.port()) else {
            return match tcp::closed(info) {
                Ok(reset) => desk.reply(pending.frame, *link_len, key, &reset),
                Err(reason) => desk.refuse(pending.frame, reason),
            };
        };
        match tcp::listen(info) {
            Arrival::Drop(reason) => desk.refuse(pending.frame, reason),
            Arrival::Ack(reset) => self.ack(desk, pending, listener.0, reset, debts),
            Arrival::Syn => self.syn(desk, pending, listener.0, above, debts),
        }
    }

    /// An ACK to a listener: the answer to a cookie, or a RST (RFC 9293 3.10.7.2, second).
    fn ack<P: Port>(
        &mut self,
        desk: &mut Desk<'_, P>,
        pending: Pending<K, P::Frame>,
        listener: u16,
        reset: Emit,
        debts: &mut Vec<Debt<K, P::Frame>>,
    ) {
        let segment = &pending.segment;
        let Some(offer) = cookie_offer(desk.core, segment, pending.hash) else {
            return desk.reply(pending.frame, segment.link_len, &segment.key, &reset);
        };
        let core = &mut *desk.core;
        let window = core.users.get(usize::from(listener)).map_or(0, |user| user.window());
        let step =
            step(&core.shared, &core.counters, &mut core.buffers, &segment.key, pending.hash, core.now);
        let tcb = tcp::accept_cookie(&offer, &segment.info, window, &step);
        match self.place(desk, &pending, listener, tcb) {
            Placed::At(slot) => {
                desk.core.counters.established_by_cookie.bump();
                let found = Found { slot, owner: desk.core.id };
                self.known(desk, pending, found, debts);
            }
            Placed::There(found) => self.known(desk, pending, found, debts),
            // Silence: the client believes itself connected, and tries again with its data.
            Placed::Refused(reason) => desk.refuse(pending.frame, reason),
        }
    }

    /// The start of a connection.
    #[inline]
    fn syn<P: Port>(
        &mut self,
        desk: &mut Desk<'_, P>,
        pending: Pending<K, P::Frame>,
        listener: u16,
        above: Option<Seq>,
        debts: &mut Vec<Debt<K, P::Frame>>,
    ) {
        desk.core.counters.syns.bump();
        match mistreatment(desk.core) {
            Mistreatment::None => {}
            Mistreatment::Drop => return desk.refuse(pending.frame, DropReason::FaultDrop),
            Mistreatment::Reset => return reset_on_purpose(desk, pending),
        }
        if self.wants_cookie(desk.core) && above.is_none() {
            // Nothing is inserted, so nothing else would find what this batch has just made.
            return match self.part.find(&pending.segment.key, pending.hash) {
                Some(found) => self.known(desk, pending, found, debts),
                None => answer_with_cookie(desk, pending, listener),
            };
        }
        let segment = &pending.segment;
        let core = &mut *desk.core;
        let iss = isn_above(core, &segment.key, above);
        let window = core.users.get(usize::from(listener)).map_or(0, |user| user.window());
        let made =
            step(&core.shared, &core.counters, &mut core.buffers, &segment.key, pending.hash, core.now);
        let tcb = tcp::accept_syn(&segment.info, iss, window, &made);
        match self.place(desk, &pending, listener, tcb) {
            Placed::At(slot) => self.answer(desk, pending, slot),
            Placed::There(found) => self.known(desk, pending, found, debts),
            // Not when raced: the other core answers, and a cookie would be a second ISN.
            Placed::Refused(DropReason::TableFull | DropReason::SlotsFull)
                if desk.core.shared.config.cookies == CookieMode::Auto =>
            {
                answer_with_cookie(desk, pending, listener);
            }
            Placed::Refused(reason) => desk.refuse(pending.frame, reason),
        }
    }

    /// The SYN-ACK, now or after the delay asked for.
    #[inline]
    fn answer<P: Port>(&mut self, desk: &mut Desk<'_, P>, pending: Pending<K, P::Frame>, slot: Slot) {
        let Pending { frame, segment, hash, .. } = pending;
        let Desk { core, port, .. } = desk;
        let delay = core.shared.fault.delay_ms;
        if delay > 0 {
            let timer = TimerOp::Start { timer: Timer::SynAckDelay, after_ms: delay };
            self.after(core, slot, hash, State::SynReceived, timer);
            return port.release(frame);
        }
        let Some(tcb) = self.part.value(slot) else {
            return port.release(frame);
        };
        core.counters.syn_acks.bump();
        let mut step = step(&core.shared, &core.counters, &mut core.buffers, &segment.key, hash, core.now);
        let emit = tcp::answer_syn(tcb, &mut step);
        let timer = step.timer;
        self.after(core, slot, hash, State::SynReceived, timer);
        desk.reply(frame, segment.link_len, &segment.key, &emit);
    }

    /// Puts a half-open connection into the table. Where no slot is free, the oldest TIME-WAIT
    /// makes room: it is worth least.
    #[inline]
    fn place<P: Port>(
        &mut self,
        desk: &mut Desk<'_, P>,
        pending: &Pending<K, P::Frame>,
        listener: u16,
        mut tcb: Tcb,
    ) -> Placed {
        let Pending { frame, segment, hash, .. } = pending;
        let (core, hash) = (&mut *desk.core, *hash);
        tcb.listener = listener;
        tcb.hop = core.hops.number(desk.port.bytes(frame), segment.link_len, desk.number, 0);
        let mut placed = self.part.insert(segment.key, hash, tcb);
        if matches!(placed, Err(InsertError::SlotsFull)) && self.evict_time_wait(core) {
            placed = self.part.insert(segment.key, hash, tcb);
        }
        match placed {
            Ok(slot) => {
                self.half_open += 1;
                Placed::At(slot)
            }
            Err(InsertError::Exists(found)) => Placed::There(found),
            Err(InsertError::TableFull) => Placed::Refused(DropReason::TableFull),
            Err(InsertError::SlotsFull) => Placed::Refused(DropReason::SlotsFull),
            Err(InsertError::Raced) => Placed::Refused(DropReason::InsertRaced),
        }
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
fn cookie_offer<K: PacketKey>(core: &mut Core, segment: &Segment<K>, hash: u64) -> Option<Offer> {
    if core.shared.config.cookies == CookieMode::Never || segment.info.flags.has(Flags::SYN) {
        return None;
    }
    let offer = core.cookies.verify(&segment.key, &segment.info, (hash >> 32) as u32, core.now);
    if offer.is_none() && core.cookies.lately_issued(core.now) {
        core.counters.dropped(DropReason::CookieInvalid);
    }
    offer
}

/// A SYN-ACK without a slot.
fn answer_with_cookie<K: PacketKey, P: Port>(
    desk: &mut Desk<'_, P>,
    pending: Pending<K, P::Frame>,
    listener: u16,
) {
    let Pending { frame, segment, hash, .. } = pending;
    let Segment { key, info, link_len, .. } = &segment;
    let core = &mut *desk.core;
    let mss = Offer::from_syn(&info.options, key.local().is_ipv6()).mss;
    let iss = core.cookies.issue(key, info.seq, mss, core.now);
    let window = core.users.get(usize::from(listener)).map_or(0, |user| user.window());
    core.counters.syn_acks_cookie.bump();
    let step = step(&core.shared, &core.counters, &mut core.buffers, key, hash, core.now);
    let emit = tcp::cookie_answer(info, iss, window, &step);
    desk.reply(frame, *link_len, key, &emit);
}

/// What `--fault` does to a SYN.
enum Mistreatment {
    None,
    Drop,
    Reset,
}

/// Decides by the dice which share of the SYNs is mistreated.
#[inline]
fn mistreatment(core: &mut Core) -> Mistreatment {
    let fault = core.shared.fault;
    if fault.drop == 0.0 && fault.reset == 0.0 {
        return Mistreatment::None;
    }
    match core.dice.roll() {
        roll if roll < fault.drop => Mistreatment::Drop,
        roll if roll < fault.drop + fault.reset => Mistreatment::Reset,
        _ => Mistreatment::None,
    }
}

/// `--fault reset`: as if nobody listened.
#[cold]
fn reset_on_purpose<K: PacketKey, P: Port>(desk: &mut Desk<'_, P>, pending: Pending<K, P::Frame>) {
    desk.core.counters.closed[Closed::FaultReset as usize].bump();
    let Segment { key, info, link_len, .. } = &pending.segment;
    match tcp::closed(info) {
        Ok(reset) => desk.reply(pending.frame, *link_len, key, &reset),
        Err(reason) => desk.refuse(pending.frame, reason),
    }
}
