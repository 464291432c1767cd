//! The connections of one address family on one core.

use super::batch::{Arrived, Batch, Debt};
use super::core::{Core, Shared};
use super::desk::{Desk, reuse};
use super::hops::NO_HOP;
use super::listeners::ListenerId;
use super::owed::{OWED, Owed};
use super::port::Port;
use super::tell::user_of;
use super::timers::Timers;
use crate::observe::{Closed, CoreCounters};
use crate::table::{Found, Part, Slot, line_size};
use crate::tcp::{
    self, Disguise, Ended, Endpoints, Now, SendBuffers, State, Step, Tcb, TcbFlags, TimerOp, Verdict,
};
use crate::wire::{FlowKey4, FlowKey6, PacketKey};

pub(super) struct Flows<K: PacketKey> {
    pub(super) part: Part<K, Tcb>,
    pub(super) timers: Timers,
    pub(super) half_open: u32,
    pub(super) time_wait: u32,
    /// Who was asked for last, and who answers for it.
    pub(super) last_listener: Option<(K, ListenerId)>,
    /// Connections that owe a segment no frame came for.
    pub(super) owed: Vec<Owed<K>>,
    /// The way of our SYNs.
    pub(super) gateway: u16,
    /// From a slot to its connection's number, modulo 2^32.
    pub(super) to_number: u32,
}

// A half-open or idle connection is one cache line over IPv4, two over IPv6.
const _: () = assert!(line_size::<FlowKey4, Tcb>() == 64 && line_size::<FlowKey6, Tcb>() == 128);

/// What a step of one connection is made with; the fields it borrows are disjoint.
pub(super) fn step<'a>(
    shared: &'a Shared,
    counters: &'a CoreCounters,
    buffers: &'a mut SendBuffers,
    endpoints: &'a dyn Endpoints,
    disguise: Option<Disguise>,
    now: Now,
) -> Step<'a> {
    Step {
        now,
        config: &shared.config,
        buffers,
        counters,
        disguise,
        secret: &shared.secrets.isn,
        endpoints,
        number: 0,
        timer: TimerOp::Keep,
        ended: None,
    }
}

impl<K: PacketKey> Flows<K> {
    /// `numbers_from`: connections of this family are numbered from there on.
    pub(super) fn new(part: Part<K, Tcb>, numbers_from: u32, now: Now) -> Flows<K> {
        Flows {
            timers: Timers::new(now),
            half_open: 0,
            time_wait: 0,
            last_listener: None,
            owed: Vec::with_capacity(OWED),
            gateway: NO_HOP,
            to_number: numbers_from.wrapping_sub(part.first().0),
            part,
        }
    }

    /// The number by which users know a connection.
    #[inline]
    pub(super) fn number(&self, slot: Slot) -> u32 {
        slot.0.wrapping_add(self.to_number)
    }

    /// Phase 3: look into the buckets that phase 2 prefetched, and prefetch the connections that they
    /// name. Keys are compared when their lines have come.
    #[inline]
    pub(super) fn look_up<F>(&self, batch: &mut Batch<K, F>) {
        // Most SYNs are strangers, and an earlier one of this batch may be the same: they are
        // looked up when it is their turn.
        for arrived in batch.segments.iter_mut().filter(|arrived| !arrived.starts()) {
            arrived.candidate = self.part.candidate(arrived.hash);
            if let Some(slot) = arrived.candidate {
                self.part.prefetch_slot(slot);
            }
        }
    }

    /// Phase 4: every segment through TCP.
    #[inline]
    pub(super) fn segments<P: Port>(&mut self, desk: &mut Desk<'_, P>, batch: &mut Batch<K, P::Frame>) {
        let Batch { segments, frames, debts } = batch;
        for (arrived, frame) in segments.iter().zip(frames.drain(..)) {
            match self.connection(arrived, desk.core.id) {
                Some(found) => self.known(desk, arrived, frame, found, debts),
                None => self.stranger(desk, arrived, frame, None, debts),
            }
        }
        segments.clear();
    }

    /// Whose segment it is, now that earlier segments of the batch have made and ended connections.
    #[inline]
    fn connection(&self, arrived: &Arrived<K>, owner: usize) -> Option<Found> {
        let key = &arrived.segment.key;
        match arrived.candidate {
            Some(slot) if self.part.holds(slot, key) => Some(Found { slot, owner }),
            _ => self.part.find(key, arrived.hash),
        }
    }

    pub(super) fn known<P: Port>(
        &mut self,
        desk: &mut Desk<'_, P>,
        arrived: &Arrived<K>,
        frame: P::Frame,
        found: Found,
        debts: &mut Vec<Debt<K, P::Frame>>,
    ) {
        if found.owner != desk.core.id {
            return desk.forward(frame, found.owner);
        }
        let Desk { core, port, number } = desk;
        let slot = found.slot;
        let of = self.number(slot);
        let &Arrived { ref segment, hash, .. } = arrived;
        let Some(tcb) = self.part.value_mut(slot) else {
            return port.release(frame);
        };
        let before = tcb.state;
        let Some(user) = user_of(&mut core.users, &mut core.caller, tcb.listener) else {
            return port.release(frame);
        };
        let bytes = port.bytes(&frame);
        let mut step = step(&core.shared, &core.counters, &mut core.buffers, &segment.key, None, core.now);
        step.number = of;
        let verdict = tcp::arrives(tcb, &segment.info, segment.payload(bytes), &mut step, user);
        let (timer, ended) = (step.timer, step.ended);
        if let Some(how) = ended {
            user.closed(&Ended { number: of, now: core.now, endpoints: &segment.key }, how);
        }
        if !matches!(verdict, Verdict::Drop(_) | Verdict::DropReply(..)) {
            tcb.hop = core.hops.number(bytes, segment.link_len, *number, tcb.hop);
        }
        let states = (before, tcb.state);
        let listed = tcb.has(TcbFlags::LISTED);
        if matches!(verdict, Verdict::Owes | Verdict::ReplyOwes(_)) && !listed {
            tcb.set(TcbFlags::LISTED);
        }
        self.after(core, slot, hash, states, timer);
        let link_len = segment.link_len;
        match verdict {
            Verdict::Owes if !listed => debts.push(Debt { slot, key: segment.key, hash, frame, link_len }),
            Verdict::Owes | Verdict::Quiet => port.release(frame),
            // A RST of the connection's own is its end, once: not an answer that anybody can ask for.
            Verdict::Reply(emit) => desk.turn(frame, link_len, &segment.key, &emit),
            Verdict::ReplyOwes(emit) => {
                if !listed {
                    self.owe(core.now, Owed { slot, key: segment.key, hash });
                }
                desk.turn(frame, link_len, &segment.key, &emit);
            }
            Verdict::DropReply(reason, emit) => {
                core.counters.dropped(reason);
                desk.reply(frame, link_len, &segment.key, &emit);
            }
            Verdict::Drop(reason) => desk.refuse(frame, reason),
            Verdict::Reopen { above } => {
                self.end(core, slot, hash, Closed::TimeWaitReused);
                self.stranger(desk, arrived, frame, Some(above), debts);
            }
        }
    }

    /// Phase 5: one segment for each connection that owes one.
    #[inline]
    pub(super) fn settle<P: Port>(&mut self, desk: &mut Desk<'_, P>, debt: Debt<K, P::Frame>) {
        let Desk { core, port, .. } = desk;
        let Debt { slot, key, hash, frame, link_len } = debt;
        // Ended since it was listed, and perhaps its slot used again.
        let same = self.part.key(slot) == Some(key);
        let Some(tcb) = self.part.value_mut(slot).filter(|tcb| same && tcb.state != State::Closed) else {
            return port.release(frame);
        };
        if !tcb.take(TcbFlags::LISTED) {
            return port.release(frame);
        }
        let before = tcb.state;
        let mut step = step(&core.shared, &core.counters, &mut core.buffers, &key, None, core.now);
        let out = tcp::output(tcb, &mut step);
        let timer = step.timer;
        let states = (before, tcb.state);
        self.after(core, slot, hash, states, timer);
        let Some(out) = out else {
            return port.release(frame);
        };
        let payload = if out.with_data { core.buffers.segment(out.buffer) } else { &[] };
        reuse(&core.counters, *port, frame, link_len, &key, (&out.emit, payload));
    }

    /// What follows from a step that left the connection in `state`: the timer, the counts by
    /// state, the slot of a closed connection.
    #[inline(always)]
    pub(super) fn after(
        &mut self,
        core: &mut Core,
        slot: Slot,
        hash: u32,
        (before, state): (State, State),
        timer: TimerOp,
    ) {
        match timer {
            TimerOp::Keep => {}
            TimerOp::Stop => self.timers.stop(&mut self.part, slot),
            TimerOp::Start { timer, after_ms } => {
                self.timers.start(&mut self.part, slot, timer, after_ms, core.now);
            }
        }
        if state != before {
            self.moved(core, slot, hash, (before, state));
        }
    }

    fn moved(&mut self, core: &mut Core, slot: Slot, hash: u32, (before, state): (State, State)) {
        self.leave(before);
        match state {
            State::Closed => {
                self.part.remove(slot, hash);
            }
            // Two active opens that crossed: a passive one begins there.
            State::SynReceived => self.half_open += 1,
            State::TimeWait => {
                self.time_wait += 1;
                // Never itself: its last ACK is still to be sent.
                let over = self.time_wait > core.shared.core.time_wait_budget.max(1);
                if over {
                    self.evict_time_wait(core);
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, before: State) {
        match before {
            State::SynReceived => self.half_open -= 1,
            State::TimeWait => self.time_wait -= 1,
            _ => {}
        }
    }

    /// Ends a connection in TIME-WAIT from outside of TCP: its user was told before.
    pub(super) fn end(&mut self, core: &mut Core, slot: Slot, hash: u32, how: Closed) {
        self.timers.stop(&mut self.part, slot);
        let Some(tcb) = self.part.value_mut(slot) else { return };
        core.buffers.release(&mut tcb.buffer);
        let before = std::mem::replace(&mut tcb.state, State::Closed);
        core.counters.closed[how as usize].bump();
        self.leave(before);
        self.part.remove(slot, hash);
    }

    /// Gives up the oldest TIME-WAIT. False: there is none.
    pub(super) fn evict_time_wait(&mut self, core: &mut Core) -> bool {
        let Some(slot) = self.timers.oldest_time_wait() else {
            return false;
        };
        let Some(key) = self.part.key(slot) else {
            return false;
        };
        self.end(core, slot, key.hash(&core.shared.secrets.hash), Closed::TimeWaitEvicted);
        true
    }
}
