//! Applies the effects of one event of a connection: its timer, the counts by state, its slot, the
//! report to its service, and what happens to the segment's frame.

use super::batch::{PendingReply, RxSegment};
use super::core::Core;
use super::flows::Flows;
use super::notify::notify_closed;
use super::pending::PendingTx;
use super::port::Port;
use super::reply::ReplyContext;
use crate::observe::Closed;
use crate::table::Slot;
use crate::tcp::{self, Action, ClosedConnection, State, TcbFlags, TimerOp};
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
        replies: &mut Vec<PendingReply<K, P::Frame>>,
    ) {
        let ReplyContext { core, port, number } = ctx;
        let of = self.number(slot);
        let &RxSegment { ref segment, hash, .. } = rx;
        let Some(tcb) = self.shard.value_mut(slot) else {
            return port.release(frame);
        };
        if let Some(how) = ended {
            notify_closed(
                core,
                tcb.listener,
                &ClosedConnection { id: of, now: core.now, endpoints: &segment.key },
                how,
            );
        }
        let bytes = port.bytes(&frame);
        if !matches!(action, Action::Drop(_) | Action::DropReply(..) | Action::DropReplyThenOutput(..)) {
            tcb.heard(self.timers.idle_ms, segment.info.payload_len > 0);
        }
        if tcp::shows_the_way(&action, tcb, &segment.info) {
            tcb.next_hop = core.link_cache.update(bytes, segment.link_len, *number, tcb.next_hop, of);
        }
        let states = (before, tcb.state);
        let listed = tcb.has(TcbFlags::QUEUED);
        if matches!(action, Action::Output | Action::ReplyThenOutput(_) | Action::DropReplyThenOutput(..))
            && !listed
        {
            tcb.set(TcbFlags::QUEUED);
        }
        self.apply_state(core, slot, hash, states, timer);
        let link_len = segment.link_len;
        match action {
            Action::Output if !listed => {
                replies.push(PendingReply { slot, key: segment.key, hash, frame, link_len })
            }
            Action::Output | Action::None => port.release(frame),
            // A RST of the connection's own is its end, once: not an answer that anybody can ask for.
            Action::Reply(emit) => ctx.reply_unlimited(frame, link_len, &segment.key, &emit),
            Action::ReplyThenOutput(emit) => {
                if !listed {
                    self.queue_tx(core.now, PendingTx { slot, key: segment.key, hash });
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
                    self.queue_tx(core.now, PendingTx { slot, key: segment.key, hash });
                }
                ctx.reply(frame, link_len, &segment.key, &emit);
            }
            Action::Drop(reason) => ctx.drop_frame(frame, reason),
            Action::Reopen { above } => {
                self.end(core, slot, hash, Closed::TimeWaitReused);
                self.on_unmatched(ctx, rx, frame, Some(above), replies);
            }
        }
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
                self.timers.start(&mut self.shard, slot, timer, after_ms, core.now);
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
                if let Some(tcb) = self.shard.remove(slot, hash) {
                    core.link_cache.release(tcb.next_hop);
                }
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

    pub(super) fn uncount_state(&mut self, before: State) {
        match before {
            State::SynReceived => self.half_open -= 1,
            State::TimeWait => self.time_wait -= 1,
            _ => {}
        }
    }
}
