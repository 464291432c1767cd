use super::{Config, Endpoints, SendBuffers, Tcb, Time, Timer};
use crate::observe::{Closed, CoreCounters, DropReason};
use crate::tcp::State;
use crate::wire::{Seq, TuplePrf, TupleSecret, TxSegment};

/// The context of one event of a connection: TCP's inputs, and the effects that the engine applies.
pub struct Context<'a> {
    /// The time of the event, microseconds.
    pub now: Time,
    /// The settings of the protocol.
    pub config: &'a Config,
    /// The core's send buffers.
    pub buffers: &'a mut SendBuffers,
    /// The core's counters.
    pub counters: &'a CoreCounters,
    /// Of a received segment; `None`: computed from `endpoints` and `secret` when it is needed.
    pub prf: Option<TuplePrf>,
    /// Added to the timestamp clock: one random number for all connections (RFC 7323 5.4).
    pub timestamp_offset: u32,
    /// The key of `prf` (RFC 6528 3).
    pub secret: &'a TupleSecret,
    /// The connection's 4-tuple.
    pub endpoints: &'a dyn Endpoints,
    /// The connection's index on its core.
    pub number: u32,
    /// Effect: the connection's timer.
    pub timer: TimerOp,
    /// Effect: the connection has ended for its handler, which is notified afterwards.
    pub ended: Option<Closed>,
}

/// A request for the connection's timer. The last one of an event wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerOp {
    /// The timer goes on as it is.
    Keep,
    /// The connection has no timer any more.
    Stop,
    /// The timer starts anew, in place of any other.
    Start {
        /// What it waits for.
        timer: Timer,
        /// Milliseconds until it expires.
        after_ms: u32,
    },
}

/// What the engine does with a received segment, or after an expired timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Nothing to send now.
    None,
    /// The connection has a segment to send: [`super::poll_output`] composes it at the end of the batch.
    Output,
    /// Send this segment at once; its reason was counted.
    Reply(TxSegment),
    /// As `Reply`, and the connection has more to send: [`super::poll_output`] composes it, in a new
    /// frame after this one.
    ReplyThenOutput(TxSegment),
    /// Count the drop and answer with a segment.
    DropReply(DropReason, TxSegment),
    /// As `DropReply`, and the connection has more to send, as with `ReplyThenOutput`.
    DropReplyThenOutput(DropReason, TxSegment),
    /// Count the drop and release the frame.
    Drop(DropReason),
    /// A SYN ends this TIME-WAIT (RFC 9293 MAY-2, RFC 6191): remove the old connection and pass the SYN
    /// to the listener. The new ISN must be beyond `above`.
    Reopen {
        /// SND.NXT of the old connection.
        above: Seq,
    },
}

impl Context<'_> {
    /// TSval of a segment sent now to this peer.
    #[inline]
    pub fn timestamp(&self) -> u32 {
        self.now.millis().wrapping_add(self.timestamp_offset)
    }

    #[inline]
    pub(super) fn prf(&self) -> TuplePrf {
        self.prf.unwrap_or_else(|| self.endpoints.prf(self.secret))
    }

    #[inline]
    pub(super) fn start(&mut self, timer: Timer, after_ms: u32) {
        self.timer = TimerOp::Start { timer, after_ms };
    }

    /// Closes the connection: releases its buffer and counts how it ended.
    pub fn close(&mut self, tcb: &mut Tcb, how: Closed) {
        self.buffers.release(&mut tcb.buffer);
        // The handler was notified before TIME-WAIT; a SYN that never became a connection has none.
        let known = tcb.is_active() || tcb.state != State::SynReceived;
        if known && tcb.state != State::TimeWait {
            self.ended = Some(how);
        }
        tcb.state = State::Closed;
        self.timer = TimerOp::Stop;
        self.counters.closed[how as usize].bump();
    }
}
