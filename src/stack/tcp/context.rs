use super::{Config, Endpoints, IsnSecret, SendBuffers, Tcb, Time, Timer, TuplePrf};
use crate::observe::{Closed, CoreCounters, DropReason};
use crate::tcp::State;
use crate::wire::{Seq, TxSegment};

/// The context of one event of a connection: what TCP may read, and what it leaves for the engine to do.
pub struct Context<'a> {
    pub now: Time,
    pub config: &'a Config,
    pub buffers: &'a mut SendBuffers,
    pub counters: &'a CoreCounters,
    /// Known already, or made of `endpoints` and `secret` when a timestamp is sent.
    pub prf: Option<TuplePrf>,
    pub secret: &'a IsnSecret,
    pub endpoints: &'a dyn Endpoints,
    /// The connection's number on its core.
    pub number: u32,
    /// What the engine is to do with the connection's timer afterwards.
    pub timer: TimerOp,
    /// The connection is over for its user, which is told afterwards.
    pub ended: Option<Closed>,
}

/// The last request in an event wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerOp {
    Keep,
    Stop,
    Start { timer: Timer, after_ms: u32 },
}

/// What the engine does with a received segment, or after an expired timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Action {
    /// Done, nothing to send now.
    None,
    /// The connection has a segment to send: [`super::poll_output`] composes it at the end of the batch.
    Output,
    /// This segment goes out at once; its reason was counted.
    Reply(TxSegment),
    /// As `Reply`, and the connection has more to send: [`super::poll_output`] composes it, in a
    /// frame of its own after this one.
    ReplyThenOutput(TxSegment),
    /// Counted under its name and answered with a segment.
    DropReply(DropReason, TxSegment),
    /// As `DropReply`, and the connection owes more, as with `ReplyThenOutput`.
    DropReplyThenOutput(DropReason, TxSegment),
    /// Counted under its name; the frame is free.
    Drop(DropReason),
    /// A SYN ends this TIME-WAIT (RFC 9293 MAY-2, RFC 6191): the old connection is over, the SYN
    /// is for the listener, and the new ISN must be beyond `above`.
    Reopen { above: Seq },
}

impl Context<'_> {
    /// TSval of what we send now to this peer.
    #[inline]
    pub fn timestamp(&self) -> u32 {
        self.now.millis().wrapping_add(self.timestamp_offset())
    }

    /// Differs by 4-tuple, so that it tells nothing of others (RFC 7323 5.4).
    #[inline]
    pub(super) fn timestamp_offset(&self) -> u32 {
        self.prf.unwrap_or_else(|| self.endpoints.prf(self.secret)).timestamp_offset()
    }

    #[inline]
    pub(super) fn start(&mut self, timer: Timer, after_ms: u32) {
        self.timer = TimerOp::Start { timer, after_ms };
    }

    /// The connection is over: CLOSED, its buffer given back, its way counted.
    pub fn close(&mut self, tcb: &mut Tcb, how: Closed) {
        self.buffers.release(&mut tcb.buffer);
        // Before TIME-WAIT the user was told; of a SYN that never became a connection it knows nothing.
        let known = tcb.is_active() || tcb.state != State::SynReceived;
        if known && tcb.state != State::TimeWait {
            self.ended = Some(how);
        }
        tcb.state = State::Closed;
        self.timer = TimerOp::Stop;
        self.counters.closed[how as usize].bump();
    }
}
