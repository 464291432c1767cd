//! FIN-WAIT-1, FIN-WAIT-2, CLOSING and LAST-ACK: our FIN is out.
//!
//! Why four segments: each direction closes by itself, with a FIN and its ACK. Where the second
//! FIN rides on the first one's ACK, three segments do.

use super::established::{common, text_and_fin};
use super::{finish_dropped_input, finish_input};
use crate::observe::Closed;
use crate::tcp::{Action, ConnectionHandler, Context, State, Tcb, TcbFlags, Timer};
use crate::wire::SegmentInfo;

pub(super) fn arrives(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    user: &mut dyn ConnectionHandler,
) -> Action {
    if let Err(action) = common(tcb, segment, cx, user) {
        return action;
    }
    if tcb.fin_acked() {
        our_fin_acked(tcb, cx);
    }
    if tcb.state == State::Closed {
        return Action::None;
    }
    match text_and_fin(tcb, segment, payload, cx, user) {
        Ok(()) => finish_input(tcb, cx),
        Err(action) => finish_dropped_input(action, tcb, cx),
    }
}

/// RFC 9293 3.10.7.4, fifth.
fn our_fin_acked(tcb: &mut Tcb, cx: &mut Context<'_>) {
    match tcb.state {
        State::FinWait1 => {
            tcb.state = State::FinWait2;
            cx.start(Timer::FinWait2, cx.config.fin_wait_2_ms);
        }
        State::Closing => enter_time_wait(tcb, cx, Closed::Simultaneous),
        // The peer has acknowledged our FIN after sending its own: both know all is said.
        State::LastAck => cx.close(tcb, Closed::Passive),
        _ => {}
    }
}

/// The peer's FIN after ours (RFC 9293 3.10.7.4, eighth). From FIN-WAIT-1 it came before the
/// ACK of ours: both FINs crossed.
pub(super) fn peer_closed(tcb: &mut Tcb, cx: &mut Context<'_>) {
    match tcb.state {
        State::FinWait1 => tcb.state = State::Closing,
        State::FinWait2 => enter_time_wait(tcb, cx, Closed::Active),
        _ => {}
    }
}

/// TIME-WAIT lasts 2 MSL: long enough for the last ACK to be repeated if the peer's FIN comes
/// again, and for every segment of this connection to die before its 4-tuple is used anew.
pub(super) fn enter_time_wait(tcb: &mut Tcb, cx: &mut Context<'_>, how: Closed) {
    tcb.state = State::TimeWait;
    cx.buffers.release(&mut tcb.buffer);
    tcb.clear(TcbFlags::SEND_CLOSED);
    cx.counters.closed[how as usize].bump();
    cx.ended = Some(how);
    cx.start(Timer::TimeWait, 2 * cx.config.msl_ms);
}
