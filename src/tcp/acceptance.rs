//! The checks that every state after SYN-RECEIVED makes of a segment, in the order of RFC 9293
//! 3.10.7.4: sequence number (with PAWS before it, RFC 7323 5.3), RST, SYN, ACK.

use super::{Now, Step, Tcb, TcbFlags, Verdict};
use crate::observe::{Closed, DropReason};
use crate::tcp::output::bare_ack;
use crate::wire::{Flags, SegmentInfo};

/// First to fourth check. `Err` is final.
#[inline]
pub(super) fn check(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Result<(), Verdict> {
    let rst = segment.flags.has(Flags::RST);
    paws(tcb, segment, step)?;
    if !in_window(tcb, segment) {
        return Err(outside(tcb, segment, step));
    }
    if rst {
        return Err(reset(tcb, segment, step));
    }
    if segment.flags.has(Flags::SYN) {
        return Err(challenge(tcb, step, DropReason::OutOfWindow));
    }
    if !segment.flags.has(Flags::ACK) {
        return Err(Verdict::Drop(DropReason::AckMissing));
    }
    Ok(())
}

/// R1 of RFC 7323 5.3.
#[inline]
pub(super) fn paws(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Result<(), Verdict> {
    if !tcb.has(TcbFlags::TIMESTAMPS) || segment.flags.has(Flags::RST) {
        return Ok(());
    }
    let Some(timestamps) = segment.options.timestamps else {
        // A SYN may come from a peer that has forgotten us: it has its own answer below.
        if segment.flags.has(Flags::SYN) {
            return Ok(());
        }
        return Err(Verdict::Drop(DropReason::TimestampMissing));
    };
    let older = (timestamps.value.wrapping_sub(tcb.ts_recent) as i32) < 0;
    if older && !tcb.ts_recent_outdated(step.now) && !segment.flags.has(Flags::SYN) {
        return Err(challenge_unless_data(tcb, segment, step, DropReason::Paws));
    }
    Ok(())
}

/// The four cases of RFC 9293 3.10.7.4, table 6. With a closed window, what starts at RCV.NXT
/// passes for its ACK, URG and RST (MUST-66); its text is refused later.
#[inline]
pub(super) fn in_window(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    let window = u32::from(tcb.rcv_wnd);
    let length = segment.seq_len();
    if window == 0 {
        return segment.seq == tcb.rcv_nxt;
    }
    segment.seq.within(tcb.rcv_nxt, window)
        || length > 0 && (segment.seq + (length - 1)).within(tcb.rcv_nxt, window)
}

/// Not acceptable: an ACK, unless it is a RST (RFC 9293 3.10.7.4, first).
fn outside(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Verdict {
    if segment.flags.has(Flags::RST) {
        return Verdict::Drop(DropReason::RstOutOfWindow);
    }
    challenge_unless_data(tcb, segment, step, DropReason::OutOfWindow)
}

/// RFC 5961 3.2: exactly RCV.NXT resets; elsewhere in the window it is challenged.
fn reset(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Verdict {
    if segment.seq != tcb.rcv_nxt {
        return challenge(tcb, step, DropReason::RstOutOfWindow);
    }
    step.close(tcb, Closed::ResetByPeer);
    Verdict::Quiet
}

/// An ACK that asks the peer to prove itself, at most one per interval and connection.
pub(super) fn challenge(tcb: &mut Tcb, step: &mut Step<'_>, reason: DropReason) -> Verdict {
    if !tcb.may_challenge(step.now.millis(), step.config.challenge_ms) {
        return Verdict::Drop(DropReason::ChallengeLimited);
    }
    step.counters.challenge_acks.bump();
    Verdict::DropReply(reason, bare_ack(tcb, step))
}

/// A sender of data repeats it until it hears an ACK, so each gets one. Without data an answer
/// could feed an endless exchange of ACKs: those are limited.
fn challenge_unless_data(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    step: &mut Step<'_>,
    reason: DropReason,
) -> Verdict {
    let data = segment.payload_len > 0 && !segment.flags.has(Flags::SYN);
    if data || segment.flags.has(Flags::FIN) {
        return Verdict::DropReply(reason, bare_ack(tcb, step));
    }
    challenge(tcb, step, reason)
}

/// Fifth check for the synchronized states, RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <=
/// SND.NXT. Below SND.UNA the segment's text still counts, its ACK and window do not.
#[inline]
pub(super) fn check_ack(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Result<(), Verdict> {
    // Nothing but our SYN was ever acknowledged: no older ACK can be honest.
    let oldest = if tcb.has(TcbFlags::SENT_DATA) { tcb.send_window().max(u32::from(u16::MAX)) } else { 1 };
    let span = oldest + tcb.snd_nxt.since(tcb.snd_una);
    if segment.ack.since(tcb.snd_una - oldest) > span {
        return Err(challenge(tcb, step, DropReason::AckUnacceptable));
    }
    Ok(())
}

/// R3 of RFC 7323 4.3: a segment that is not newer than what is expected next sets TS.Recent.
#[inline]
pub(super) fn remember_timestamp(tcb: &mut Tcb, segment: &SegmentInfo, now: Now) {
    if let Some(timestamps) = segment.options.timestamps {
        let newer = (timestamps.value.wrapping_sub(tcb.ts_recent) as i32) >= 0 || tcb.ts_recent_outdated(now);
        if tcb.has(TcbFlags::TIMESTAMPS) && newer && segment.seq.at_or_before(tcb.rcv_nxt) {
            tcb.set_ts_recent(timestamps.value, now);
        }
    }
}
