//! The processing of a segment by state (RFC 9293 3.10.7). One file per group of states.

mod closing;
mod established;
mod finish;
mod listen;
mod syn_received;
mod syn_sent;
mod synchronized;
mod time_wait;

pub use finish::{finish_dropped_input, finish_input, has_no_output, has_output, with_connection};
pub use listen::{
    PassiveOpen, on_cookie_ack, on_segment_closed, on_segment_listen, on_syn, on_syn_with_cookie,
};
pub use syn_sent::{first_syn, open};
pub(super) use synchronized::deliver;

use super::{Action, ConnectionHandler, Context, State, Tcb};
use crate::wire::SegmentInfo;

/// Processes a segment of an existing connection.
#[inline]
pub fn on_segment(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    match tcb.state {
        State::SynSent => syn_sent::on_segment(tcb, segment, cx, handler),
        State::SynReceived => syn_received::on_segment(tcb, segment, payload, cx, handler),
        State::Established | State::CloseWait => established::on_segment(tcb, segment, payload, cx, handler),
        State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck => {
            closing::on_segment(tcb, segment, payload, cx, handler)
        }
        State::TimeWait => time_wait::on_segment(tcb, segment, cx),
        State::Closed => match on_segment_closed(segment) {
            Ok(reset) => Action::Reply(reset),
            Err(reason) => Action::Drop(reason),
        },
    }
}
