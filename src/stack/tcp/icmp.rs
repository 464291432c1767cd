//! ICMP errors about a connection's segments (RFC 9293 3.9.2.2, RFC 1122 4.2.3.9, RFC 5927).

use super::state::with_connection;
use super::{Action, ConnectionHandler, Context, Tcb};
use crate::observe::{Closed, DropReason};
use crate::tcp::State;
use crate::wire::{IcmpError, Seq};

/// An ICMP error that quotes a segment starting at `seq`. An off-path sender matches the data in flight only
/// by chance (RFC 5927 4.1). An unreachable error ends an active open. No error ends an established
/// connection (RFC 5927 5.2, MUST-56): it is reported to the handler, which can name the cause if the
/// connection times out.
pub fn icmp_error(
    tcb: &mut Tcb,
    error: IcmpError,
    seq: Seq,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    if seq.before(tcb.snd_una) || !seq.before(tcb.snd_nxt) {
        return Action::Drop(DropReason::IcmpForeign);
    }
    cx.counters.icmp_errors.bump();
    if tcb.is_active() && tcb.is_opening() && error.is_hard() {
        cx.close(tcb, Closed::Unreachable);
        return Action::None;
    }
    // A half-open connection of a passive open has no handler yet.
    if tcb.state == State::SynReceived && !tcb.is_active() {
        return Action::None;
    }
    match with_connection(tcb, cx, &mut |connection| handler.on_icmp_error(connection, error)) {
        true => Action::Output,
        false => Action::None,
    }
}
