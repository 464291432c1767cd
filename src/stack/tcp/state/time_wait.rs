//! TIME-WAIT: both directions are closed. The side that closed first stays for 2 MSL.

use crate::observe::{Closed, DropReason};
use crate::tcp::acceptance::{challenge, in_window};
use crate::tcp::output::bare_ack;
use crate::tcp::{Action, Context, Negotiated, Tcb, Timer};
use crate::wire::{Flags, SegmentInfo};

pub(super) fn on_segment(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    let flags = segment.flags;
    if flags.has(Flags::RST) {
        return reset(tcb, segment, cx);
    }
    if flags.has(Flags::SYN) {
        return match !flags.has(Flags::ACK.with(Flags::FIN)) && may_reopen(tcb, segment) {
            true => Action::Reopen { above: tcb.snd_nxt },
            false => challenge(tcb, cx, DropReason::OutOfWindow),
        };
    }
    if !flags.has(Flags::ACK) {
        return Action::Drop(DropReason::AckMissing);
    }
    let end = segment.seq + segment.seq_len();
    if flags.has(Flags::FIN) && end == tcb.rcv_nxt {
        // The peer has not received our ACK of its FIN: again, and 2 MSL from now.
        cx.start(Timer::TimeWait, 2 * cx.config.msl_ms);
        return Action::Reply(bare_ack(tcb, cx));
    }
    if segment.seq_len() == 0 && in_window(tcb, segment) {
        return Action::None;
    }
    challenge(tcb, cx, DropReason::OutOfWindow)
}

/// RFC 9293 3.10.7.4, second, with the exactness of RFC 5961 3.2: a peer that has lost the connection and
/// opens another one answers our challenge ACK with a RST at RCV.NXT. Any other RST is old and does not
/// shorten 2 MSL (RFC 1337).
fn reset(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    if segment.seq != tcb.rcv_nxt {
        return Action::Drop(DropReason::RstTimeWait);
    }
    cx.close(tcb, Closed::TimeWaitReset);
    Action::None
}

/// Whether this SYN is newer than every segment of the old connection (RFC 6191 2, RFC 1122 4.2.2.13): by its
/// timestamp if both have one, else by its sequence number. If only the SYN has one, PAWS rejects the old
/// connection's segments, which have none.
fn may_reopen(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    let higher = segment.seq.after(tcb.rcv_nxt);
    match segment.options.timestamps {
        Some(timestamps) if tcb.negotiated.has(Negotiated::TIMESTAMPS) => {
            let newer = timestamps.value.wrapping_sub(tcb.ts_recent) as i32;
            newer > 0 || newer == 0 && higher
        }
        Some(_) => true,
        None => higher,
    }
}
