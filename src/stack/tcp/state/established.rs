//! ESTABLISHED and CLOSE-WAIT: the steps that all synchronized states share, no others.

use super::synchronized::{process_ack_field, process_text_and_fin};
use crate::tcp::{Action, ConnectionHandler, Context, Tcb};
use crate::wire::SegmentInfo;

#[inline]
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
    process_text_and_fin(tcb, segment, payload, cx, handler)
}
