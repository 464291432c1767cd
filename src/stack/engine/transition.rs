//! Applies the effects of one event of a connection: its timer, the counts by state, its slot, the
//! report to its service, and what happens to the segment's frame.

use super::batch::{ConnRef, EventEffects, Replies, RxSegment};
use super::core::{Core, Services};
use super::flows::Flows;
use super::port::Port;
use super::tx::ReplyContext;
use crate::observe::Closed;
use crate::table::Slot;
use crate::tcp::{self, Action, ClosedConnection, Context, State, Tcb, TcbFlags, TimerOp};
use crate::wire::PacketKey;

/// What came of a segment.
pub(super) struct Effects {
    /// The state in which the connection was.
    pub before: State,
    pub action: Action,
    pub timer: TimerOp,
    pub ended: Option<Closed>,
}

impl<K: PacketKey> Flows<K> {
    /// What follows from a segment for a connection.
    #[inline(always)]
    pub(super) fn apply<P: Port>(
        &mut self,
        ctx: &mut ReplyContext<'_, P>,
        rx: &RxSegment<K>,
        frame: P::Frame,
        slot: Slot,
        Effects { before, action, timer, ended }: Effects,
        replies: &mut Replies<K, P::Frame>,
    ) {
        let ReplyContext { core, port, port_index } = ctx;
        let number = self.number(slot);
        let &RxSegment { ref segment, prf, .. } = rx;
        let conn = || ConnRef { slot, key: segment.key, prf };
        let Some(tcb) = self.shard.value_mut(slot) else {
            return port.release(frame);
        };
        if let Some(how) = ended {
            let ended = ClosedConnection { id: number, now: core.tcp.now, endpoints: &segment.key };
            core.services.notify_closed(tcb.listener, &ended, how);
        }
        let bytes = port.bytes(&frame);
        if !matches!(action, Action::Drop(_) | Action::DropReply(..) | Action::DropReplyThenOutput(..)) {
            tcb.note_arrival(self.timers.idle_ms, segment.info.payload_len > 0);
        }
        if tcp::shows_the_way(&action, tcb, &segment.info) {
            tcb.next_hop = core.link_cache.update(bytes, segment.link_len, *port_index, tcb.next_hop, number);
        }
        let states = (before, tcb.state);
        let listed = tcb.has(TcbFlags::QUEUED);
        if matches!(action, Action::Output | Action::ReplyThenOutput(_) | Action::DropReplyThenOutput(..))
            && !listed
        {
            tcb.set(TcbFlags::QUEUED);
        }
        self.apply_state(core, slot, prf.hash, states, timer);
        let link_len = segment.link_len;
        match action {
            Action::Output if !listed => replies.push(conn(), frame, link_len),
            Action::Output | Action::None => port.release(frame),
            // A RST that aborts the connection is sent once: no segment of a peer can provoke more.
            Action::Reply(emit) => ctx.reply_unlimited(frame, link_len, &segment.key, &emit),
            Action::ReplyThenOutput(emit) => {
                if !listed {
                    self.queue_tx(core.tcp.now, conn());
                }
                ctx.reply_unlimited(frame, link_len, &segment.key, &emit);
            }
            Action::DropReply(reason, emit) => {
                core.counters.dropped(reason);
                ctx.reply(frame, link_len, &segment.key, &emit);
            }
            Action::DropReplyThenOutput(reason, emit) => {
                core.counters.dropped(reason);
                if !listed {
                    self.queue_tx(core.tcp.now, conn());
                }
                ctx.reply(frame, link_len, &segment.key, &emit);
            }
            Action::Drop(reason) => ctx.drop_frame(frame, reason),
            Action::Reopen { above } => {
                self.end(core, slot, prf.hash, Closed::TimeWaitReused);
                self.on_unmatched(ctx, rx, frame, Some(above), replies);
            }
        }
    }

    /// Runs an event other than a received segment, and applies its effects: the end is reported, the
    /// timer set, the state counted, the slot of a closed connection freed. `None`: there is no such slot.
    #[inline(always)]
    pub(super) fn event<R>(
        &mut self,
        core: &mut Core,
        conn: &ConnRef<K>,
        run: impl FnOnce(&mut Tcb, &mut Context<'_>, &mut Services) -> R,
    ) -> Option<R> {
        let &ConnRef { slot, ref key, prf } = conn;
        let number = self.number(slot);
        let tcb = self.shard.value_mut(slot)?;
        let (before, listener) = (tcb.state, tcb.listener);
        let mut cx = core.tcp.context(key, Some(prf), number);
        let result = run(tcb, &mut cx, &mut core.services);
        let effects = EventEffects { before, listener, state: tcb.state, timer: cx.timer, ended: cx.ended };
        self.apply_event(core, conn, effects);
        Some(result)
    }

    /// Applies the effects of an event other than a received segment.
    #[inline(always)]
    pub(super) fn apply_event(&mut self, core: &mut Core, conn: &ConnRef<K>, effects: EventEffects) {
        let EventEffects { before, listener, state, timer, ended } = effects;
        if let Some(how) = ended {
            let number = self.number(conn.slot);
            let ended = ClosedConnection { id: number, now: core.tcp.now, endpoints: &conn.key };
            core.services.notify_closed(listener, &ended, how);
        }
        self.apply_state(core, conn.slot, conn.prf.hash, (before, state), timer);
    }

    /// Applies the effects of an event that left the connection in `state`: the timer, the counts by
    /// state, the slot of a closed connection.
    #[inline(always)]
    pub(super) fn apply_state(
        &mut self,
        core: &mut Core,
        slot: Slot,
        hash: u32,
        (before, state): (State, State),
        timer: TimerOp,
    ) {
        match timer {
            TimerOp::Keep => {}
            TimerOp::Stop => self.timers.stop(&mut self.shard, slot),
            TimerOp::Start { timer, after_ms } => {
                self.timers.start(&mut self.shard, slot, timer, after_ms, core.tcp.now);
            }
        }
        if state != before {
            self.on_state_change(core, slot, hash, (before, state));
        }
    }

    fn on_state_change(&mut self, core: &mut Core, slot: Slot, hash: u32, (before, state): (State, State)) {
        self.uncount_state(before);
        match state {
            State::Closed => {
                if let Some(tcb) = self.remove(core, slot, hash) {
                    core.link_cache.release(tcb.next_hop);
                }
            }
            // Two active opens that crossed: a passive one begins there.
            State::SynReceived => self.syn_load.half_open += 1,
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

    pub(super) fn uncount_state(&mut self, before: State) {
        match before {
            State::SynReceived => self.syn_load.half_open -= 1,
            State::TimeWait => self.time_wait -= 1,
            _ => {}
        }
    }

    /// Ends a connection in TIME-WAIT from outside of TCP: the end was reported to its service before.
    fn end(&mut self, core: &mut Core, slot: Slot, hash: u32, how: Closed) {
        self.timers.stop(&mut self.shard, slot);
        let Some(tcb) = self.shard.value_mut(slot) else { return };
        core.tcp.buffers.release(&mut tcb.buffer);
        let before = std::mem::replace(&mut tcb.state, State::Closed);
        core.counters.closed[how as usize].bump();
        core.link_cache.release(tcb.next_hop);
        self.uncount_state(before);
        self.remove(core, slot, hash);
    }

    /// Gives up the oldest TIME-WAIT. False: there is none.
    pub(super) fn evict_time_wait(&mut self, core: &mut Core) -> bool {
        let Some(slot) = self.timers.oldest_time_wait() else {
            return false;
        };
        let Some(key) = self.shard.key(slot) else {
            return false;
        };
        let hash = core.shared.secrets.tuple.prf(&key).hash;
        self.end(core, slot, hash, Closed::TimeWaitEvicted);
        true
    }
}
