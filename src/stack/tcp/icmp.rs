//! ICMP errors about a connection's segments (RFC 9293 3.9.2.2, RFC 1122 4.2.3.9, RFC 5927).

use super::state::with_connection;
use super::{Action, ConnectionHandler, Context, Tcb};
use crate::observe::{Closed, DropReason};
use crate::tcp::State;
use crate::wire::{IcmpError, Seq};

/// An ICMP error quotes a segment that starts at `seq`. Whoever has not seen our segments hits
/// what is in flight only by luck (RFC 5927 4.1). An unreachable ends an attempt to connect; nothing
/// ends a connection that is established (RFC 5927 5.2, MUST-56): the user is told, so that it can
/// name the cause if the connection times out.
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
    // Of a half-open connection from outside no user knows yet.
    if tcb.state == State::SynReceived && !tcb.is_active() {
        return Action::None;
    }
    match with_connection(tcb, cx, &mut |connection| handler.on_icmp_error(connection, error)) {
        true => Action::Output,
        false => Action::None,
    }
}
