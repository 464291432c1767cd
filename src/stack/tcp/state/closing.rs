//! FIN-WAIT-1, FIN-WAIT-2, CLOSING and LAST-ACK: our FIN is out.
//!
//! Why four segments: each direction closes by itself, with a FIN and its ACK. Where the second
//! FIN rides on the first one's ACK, three segments do.

use super::synchronized::{enter_time_wait, process_ack_field, process_text_and_fin};
use crate::observe::Closed;
use crate::tcp::{Action, ConnectionHandler, Context, State, Tcb, Timer};
use crate::wire::SegmentInfo;

pub(super) fn on_segment(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    if let Err(action) = process_ack_field(tcb, segment, cx, handler) {
        return action;
    }
    if tcb.fin_acked() {
        our_fin_acked(tcb, cx);
    }
    if tcb.state == State::Closed {
        return Action::None;
    }
    process_text_and_fin(tcb, segment, payload, cx, handler)
}

/// RFC 9293 3.10.7.4, fifth.
fn our_fin_acked(tcb: &mut Tcb, cx: &mut Context<'_>) {
    match tcb.state {
        State::FinWait1 => {
            tcb.state = State::FinWait2;
            cx.start(Timer::FinWait2, cx.config.fin_wait_2_ms);
        }
        State::Closing => enter_time_wait(tcb, cx, Closed::Simultaneous),
        // The peer has acknowledged our FIN after sending its own: both directions are closed.
        State::LastAck => cx.close(tcb, Closed::Passive),
        _ => {}
    }
}
