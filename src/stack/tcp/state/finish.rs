//! The end of an event: whether the connection has output now.

use crate::observe::{Closed, DropReason};
use crate::tcp::output::abort;
use crate::tcp::{Action, BufferId, Connection, Context, State, Tcb, TcbFlags};

/// Finishes an event that may have called the handler.
pub fn finish_input(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    if tcb.take(TcbFlags::ABORT) {
        return Action::Reply(abort(tcb, Closed::Aborted, cx));
    }
    if has_output(tcb, cx) { Action::Output } else { Action::None }
}

/// Finishes processing of a segment whose text was dropped. Its ACK was still accepted, so newly allowed or
/// queued data is sent now.
pub fn finish_dropped_input(action: Action, tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    // The reply carries an ACK per segment, so that the peer detects its loss soon.
    let sendable =
        cx.buffers.unsent(tcb.buffer) > 0 || tcb.has(TcbFlags::SEND_CLOSED) && !tcb.has(TcbFlags::FIN_SENT);
    let more = tcb.has(TcbFlags::ABORT)
        || sendable && (tcb.in_flight() == 0 || cx.buffers.congestion_window(tcb) > 0);
    match action {
        Action::Drop(reason) | Action::DropReply(reason, _) if tcb.state != State::Closed && more => {
            cx.counters.dropped(reason);
            if matches!(action, Action::DropReply(..)) {
                tcb.set(TcbFlags::ACK_NOW);
            }
            finish_input(tcb, cx)
        }
        other => other,
    }
}

/// Lets the handler act on the connection outside an event of its own. Returns whether
/// [`poll_output`](crate::tcp::poll_output) may have a segment to send, or is to end the connection.
pub fn with_connection(
    tcb: &mut Tcb,
    cx: &mut Context<'_>,
    act: &mut dyn FnMut(&mut Connection<'_>),
) -> bool {
    act(&mut Connection::new(tcb, cx));
    tcb.has(TcbFlags::ABORT) || has_output(tcb, cx)
}

/// Whether the connection may have a segment to send.
#[inline]
pub fn has_output(tcb: &Tcb, cx: &Context<'_>) -> bool {
    tcb.has(TcbFlags::ACK_NOW.with(TcbFlags::PROBE))
        || tcb.has(TcbFlags::SEND_CLOSED) && !tcb.has(TcbFlags::FIN_SENT)
        || cx.buffers.unsent(tcb.buffer) > 0
}

/// Whether [`finish_input`] has nothing to do, judged by the connection's line alone.
#[inline]
pub fn has_no_output(tcb: &Tcb) -> bool {
    let speaks = TcbFlags::ABORT.with(TcbFlags::ACK_NOW).with(TcbFlags::PROBE).with(TcbFlags::SEND_CLOSED);
    tcb.buffer == BufferId::NONE && !tcb.has(speaks)
}

/// New data after the handler has closed both directions (SHLD-3).
pub(super) fn data_after_close(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    Action::DropReply(DropReason::DataAfterClose, abort(tcb, Closed::DataAfterClose, cx))
}
