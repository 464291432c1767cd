//! The checks of a segment in every state after SYN-RECEIVED, in the order of RFC 9293
//! 3.10.7.4: sequence number (with PAWS before it, RFC 7323 5.3), RST, SYN, ACK.

use super::{Action, Context, Negotiated, Tcb, TcbFlags, Time};
use crate::observe::{Closed, DropReason};
use crate::tcp::output::bare_ack;
use crate::wire::{Flags, SegmentInfo};

/// First to fourth check. `Err` is final.
#[inline]
pub(super) fn check(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Result<(), Action> {
    let rst = segment.flags.has(Flags::RST);
    paws(tcb, segment, cx)?;
    if !in_window(tcb, segment) {
        return Err(outside(tcb, segment, cx));
    }
    if rst {
        return Err(reset(tcb, segment, cx));
    }
    if segment.flags.has(Flags::SYN) {
        return Err(challenge(tcb, cx, DropReason::OutOfWindow));
    }
    if !segment.flags.has(Flags::ACK) {
        return Err(Action::Drop(DropReason::AckMissing));
    }
    Ok(())
}

/// R1 of RFC 7323 5.3. A segment without the negotiated timestamps has nothing to compare: it is
/// accepted, unless [`Config::strict_timestamps`](super::Config) is set.
#[inline]
pub(super) fn paws(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Result<(), Action> {
    if !tcb.negotiated.has(Negotiated::TIMESTAMPS) || segment.flags.has(Flags::RST) {
        return Ok(());
    }
    let Some(timestamps) = segment.options.timestamps else {
        return without_timestamps(segment, cx);
    };
    let older = (timestamps.value.wrapping_sub(tcb.ts_recent) as i32) < 0;
    if older && !tcb.ts_recent_outdated(cx.now) && !segment.flags.has(Flags::SYN) {
        return Err(challenge_unless_data(tcb, segment, cx, DropReason::Paws));
    }
    Ok(())
}

/// RFC 7323 3.2: such a segment SHOULD be dropped. Decision 0007 lists the peers that send them.
#[cold]
fn without_timestamps(segment: &SegmentInfo, cx: &Context<'_>) -> Result<(), Action> {
    // The SYN of a peer that has lost the connection: each state has its own answer.
    if segment.flags.has(Flags::SYN) {
        return Ok(());
    }
    if cx.config.strict_timestamps {
        return Err(Action::Drop(DropReason::TimestampMissing));
    }
    cx.counters.timestamps_missing.bump();
    Ok(())
}

/// The four cases of RFC 9293 3.10.7.4, table 6. With a closed window, a segment at RCV.NXT
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
fn outside(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    if segment.flags.has(Flags::RST) {
        return Action::Drop(DropReason::RstOutOfWindow);
    }
    challenge_unless_data(tcb, segment, cx, DropReason::OutOfWindow)
}

/// RFC 5961 3.2: a RST at RCV.NXT resets; elsewhere in the window it draws a challenge ACK.
fn reset(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    if segment.seq != tcb.rcv_nxt {
        return challenge(tcb, cx, DropReason::RstOutOfWindow);
    }
    cx.close(tcb, Closed::ResetByPeer);
    Action::None
}

/// A challenge ACK (RFC 5961), at most one per interval and connection.
pub(super) fn challenge(tcb: &mut Tcb, cx: &mut Context<'_>, reason: DropReason) -> Action {
    if !tcb.may_challenge(cx.now.millis(), cx.config.challenge_ms) {
        return Action::Drop(DropReason::ChallengeLimited);
    }
    cx.counters.challenge_acks.bump();
    Action::DropReply(reason, bare_ack(tcb, cx))
}

/// A sender of data retransmits until it gets an ACK, so each segment with data is answered. Answers to
/// segments without data could start an endless exchange of ACKs: those are limited.
fn challenge_unless_data(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    reason: DropReason,
) -> Action {
    let data = segment.payload_len > 0 && !segment.flags.has(Flags::SYN);
    if data || segment.flags.has(Flags::FIN) {
        return Action::DropReply(reason, bare_ack(tcb, cx));
    }
    challenge(tcb, cx, reason)
}

/// Fifth check for the synchronized states, RFC 5961 5.2: SND.UNA - MAX.SND.WND <= SEG.ACK <=
/// SND.NXT. Below SND.UNA the segment's text still counts, its ACK and window do not.
#[inline]
pub(super) fn check_ack(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Result<(), Action> {
    // Nothing but our SYN was ever acknowledged: an older ACK is invalid.
    let oldest = if tcb.has(TcbFlags::SENT_DATA) { tcb.send_window().max(u32::from(u16::MAX)) } else { 1 };
    let span = oldest + tcb.snd_nxt.since(tcb.snd_una);
    if segment.ack.since(tcb.snd_una - oldest) > span {
        return Err(challenge(tcb, cx, DropReason::AckUnacceptable));
    }
    Ok(())
}

/// Whether unsolicited segments use this segment's link header from now on: it was acceptable, or repeats
/// one that was, most often because our answer to that was lost with its link.
#[inline]
pub fn shows_the_way(action: &Action, tcb: &Tcb, segment: &SegmentInfo) -> bool {
    match action {
        Action::Drop(reason) | Action::DropReply(reason, _) | Action::DropReplyThenOutput(reason, _) => {
            dropped_but_shows(*reason, tcb, segment)
        }
        _ => true,
    }
}

#[cold]
fn dropped_but_shows(reason: DropReason, tcb: &Tcb, segment: &SegmentInfo) -> bool {
    match reason {
        // Only its text was refused; everything before that was checked.
        DropReason::OutOfOrder
        | DropReason::WindowClosed
        | DropReason::AfterFin
        | DropReason::NoSendBuffer => true,
        DropReason::OutOfWindow => is_repetition(tcb, segment),
        _ => false,
    }
}

/// Text, a FIN or a keep-alive from before RCV.NXT, with an ACK within what is in flight. As hard to guess
/// as an acceptable segment.
fn is_repetition(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    let behind = tcb.rcv_nxt.since(segment.seq);
    let plain = segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN.with(Flags::RST));
    let current = segment.ack.since(tcb.snd_una) <= tcb.snd_nxt.since(tcb.snd_una);
    plain && (1..=u32::from(u16::MAX)).contains(&behind) && current
}

/// R3 of RFC 7323 4.3: a segment at or before RCV.NXT sets TS.Recent.
#[inline]
pub(super) fn remember_timestamp(tcb: &mut Tcb, segment: &SegmentInfo, now: Time) {
    if let Some(timestamps) = segment.options.timestamps {
        let newer = (timestamps.value.wrapping_sub(tcb.ts_recent) as i32) >= 0 || tcb.ts_recent_outdated(now);
        if tcb.negotiated.has(Negotiated::TIMESTAMPS) && newer && segment.seq.at_or_before(tcb.rcv_nxt) {
            tcb.set_ts_recent(timestamps.value, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::CoreCounters;
    use crate::tcp::{Config, SendBuffers, State, TimerOp};
    use crate::wire::{FlowKey4, Seq, TcpOptions};

    fn segment(seq: Seq, ack: Seq, payload_len: u16) -> SegmentInfo {
        SegmentInfo { seq, ack, flags: Flags::ACK, window: 0, payload_len, options: TcpOptions::default() }
    }

    /// RFC 9293 3.10.7.4, table 6, with RCV.NXT shortly before the wrap.
    #[test]
    fn the_four_cases_of_acceptability() {
        // (RCV.WND, SEG.SEQ - RCV.NXT, SEG.LEN, acceptable)
        let rows = [
            (0, 0, 0, true),
            (0, 1, 0, false),
            (0, -1, 0, false),
            (0, 0, 1, true), // as an ACK; its text is refused
            (0, -1, 1, false),
            (0, -1, 2, false),
            (10, 0, 0, true),
            (10, 9, 0, true),
            (10, 10, 0, false),
            (10, -1, 0, false),
            (10, -1, 1, false),
            (10, -1, 2, true),
            (10, 9, 100, true),
            (10, 10, 1, false),
            (10, i32::MIN, 1, false),
        ];
        for (window, ahead, length, acceptable) in rows {
            let mut tcb = Tcb::new(State::Established, Seq(0), Seq(0), Seq(u32::MAX - 1));
            tcb.rcv_wnd = window;
            let seq = tcb.rcv_nxt + ahead as u32;
            let got = in_window(&tcb, &segment(seq, Seq(0), length));
            assert_eq!(got, acceptable, "window {window}, {ahead}, {length} bytes");
        }
    }

    /// RFC 5961 5.2.
    #[test]
    fn acknowledgements_old_enough_to_be_honest() {
        let key = FlowKey4 { remote: [10, 0, 0, 1], local: [10, 0, 0, 2], remote_port: 1, local_port: 80 };
        // (data was sent, send window before the shift, shift, SEG.ACK - SND.UNA, acceptable);
        // SND.NXT is SND.UNA + 5.
        let rows = [
            (false, 0, 0, 0, true),
            (false, 0, 0, 5, true),
            (false, 0, 0, 6, false),
            (false, 0, 0, -1, true),
            (false, 0, 0, -2, false),
            (true, 0, 0, -65_535, true),
            (true, 0, 0, -65_536, false),
            (true, 65_535, 14, -65_535 << 14, true),
            (true, 65_535, 14, (-65_535 << 14) - 1, false),
            (true, 65_535, 14, 6, false),
            (true, 65_535, 14, i32::MAX, false),
        ];
        for (sent, window, shift, ahead, acceptable) in rows {
            let una = Seq(u32::MAX - 2);
            let mut tcb = Tcb::new(State::Established, una, una + 5, Seq(0));
            tcb.snd_wnd = window;
            tcb.negotiated.add_window_scale(shift);
            if sent {
                tcb.set(TcbFlags::SENT_DATA);
            }
            let (config, counters) = (Config::default(), CoreCounters::default());
            let mut cx = Context {
                now: Time::from_millis(1),
                config: &config,
                buffers: &mut SendBuffers::new(0, [1, 2], config.congestion),
                counters: &counters,
                prf: None,
                timestamp_offset: 0x5eed,
                secret: &crate::wire::TupleSecret::fixed(1),
                endpoints: &key,
                number: 0,
                timer: TimerOp::Keep,
                ended: None,
            };
            let got = check_ack(&mut tcb, &segment(Seq(0), una + ahead as u32, 0), &mut cx);
            assert_eq!(got.is_ok(), acceptable, "{sent} {window} << {shift}, {ahead}");
        }
    }
}
