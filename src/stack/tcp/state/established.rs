//! ESTABLISHED and CLOSE-WAIT: nothing but what all synchronized states share.

use super::finish::{finish_dropped_input, finish_input};
use super::synchronized::{common, text_and_fin};
use crate::tcp::{Action, ConnectionHandler, Context, Tcb};
use crate::wire::SegmentInfo;

#[inline]
pub(super) fn on_segment(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    user: &mut dyn ConnectionHandler,
) -> Action {
    if let Err(action) = common(tcb, segment, cx, user) {
        return action;
    }
    match text_and_fin(tcb, segment, payload, cx, user) {
        Ok(()) => finish_input(tcb, cx),
        Err(action) => finish_dropped_input(action, tcb, cx),
    }
}
