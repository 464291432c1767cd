//! What each group of states does with a segment (RFC 9293 3.10.7). One file per group.

mod closing;
mod established;
mod listen;
mod syn_received;
mod syn_sent;
mod time_wait;

pub use established::on_predicted_fin;
pub use listen::{Arrival, accept_cookie, accept_syn, answer_syn, closed, cookie_answer, listen};
pub use syn_received::establish;
pub use syn_sent::{first_syn, open};

use super::{Action, BufferId, Connection, ConnectionHandler, Context, State, Tcb, TcbFlags};
use crate::observe::{Closed, DropReason};
use crate::tcp::output::reset_of;
use crate::wire::SegmentInfo;

/// A segment arrives for an existing connection.
#[inline]
pub fn arrives(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    user: &mut dyn ConnectionHandler,
) -> Action {
    match tcb.state {
        State::SynSent => syn_sent::arrives(tcb, segment, cx, user),
        State::SynReceived => syn_received::arrives(tcb, segment, payload, cx, user),
        State::Established | State::CloseWait => established::arrives(tcb, segment, payload, cx, user),
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => {
            closing::arrives(tcb, segment, payload, cx, user)
        }
        State::TimeWait => time_wait::arrives(tcb, segment, cx),
        State::Closed => match closed(segment) {
            Ok(reset) => Action::Reply(reset),
            Err(reason) => Action::Drop(reason),
        },
    }
}

/// Finishes an event that may have called the user.
pub fn finish_input(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    if tcb.take(TcbFlags::ABORT) {
        return abort(tcb, cx, Closed::Aborted);
    }
    if has_output(tcb, cx) { Action::Output } else { Action::None }
}

/// Finishes a segment whose text was dropped. The segment's ACK has counted all the same: what it
/// lets out, or what the user said meanwhile, is not left until the next one.
fn finish_dropped_input(action: Action, tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    // An ACK without data was sent with the reply, one per segment, so that the peer sees its loss soon.
    let sendable =
        cx.buffers.unsent(tcb.buffer) > 0 || tcb.has(TcbFlags::SEND_CLOSED) && !tcb.has(TcbFlags::FIN_SENT);
    let more = tcb.has(TcbFlags::ABORT) || sendable && tcb.snd_una == tcb.snd_nxt;
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

/// Whether the handshake is still under way.
pub fn opening(tcb: &Tcb) -> bool {
    matches!(tcb.state, State::SynSent | State::SynReceived)
}

/// The user does something of its own accord. True: [`super::unasked`] may have something to send,
/// or the connection's end is due.
pub fn acts(tcb: &mut Tcb, cx: &mut Context<'_>, act: &mut dyn FnMut(&mut Connection<'_>)) -> bool {
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

/// Whether [`finish_input`] would find nothing to do, as far as the connection's line tells.
#[inline]
pub fn has_no_output(tcb: &Tcb) -> bool {
    let speaks = TcbFlags::ABORT.with(TcbFlags::ACK_NOW).with(TcbFlags::PROBE).with(TcbFlags::SEND_CLOSED);
    tcb.buffer == BufferId::NONE && !tcb.has(speaks)
}

/// <SEQ=SND.NXT><CTL=RST,ACK>, and the connection is gone (RFC 9293 3.10.5).
fn abort(tcb: &mut Tcb, cx: &mut Context<'_>, how: Closed) -> Action {
    let reset = reset_of(tcb);
    cx.close(tcb, how);
    Action::Reply(reset)
}

/// New data after the user has closed for good (SHLD-3).
fn data_after_close(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    match abort(tcb, cx, Closed::DataAfterClose) {
        Action::Reply(reset) => Action::DropReply(DropReason::DataAfterClose, reset),
        other => other,
    }
}
