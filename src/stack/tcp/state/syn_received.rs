//! SYN-RECEIVED, from a passive open or from two active ones that crossed (RFC 9293 3.10.7.4).
//!
//! Why three segments: the SYN alone proves nothing, it may be an old duplicate. Only the ACK of our ISN
//! shows that the peer is alive and wants this connection. After two crossed SYNs, each side's SYN-ACK is
//! that ACK for the other (RFC 9293 3.5, figure 7).

use super::finish::finish_input;
use super::synchronized::process_text_and_fin;
use crate::observe::{Closed, DropReason};
use crate::tcp::acceptance::{challenge, in_window, paws, remember_timestamp};
use crate::tcp::output::syn_ack;
use crate::tcp::reset::stateless;
use crate::tcp::{Action, Connection, ConnectionHandler, Context, State, Tcb, TcbFlags, Timer, TimerOp};
use crate::wire::{Flags, SegmentInfo};

pub(super) fn on_segment(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    if let Err(action) = check(tcb, segment, cx) {
        return action;
    }
    establish(tcb, segment, cx, handler);
    if segment.flags.has(Flags::SYN) {
        return finish_input(tcb, cx);
    }
    process_text_and_fin(tcb, segment, payload, cx, handler)
}

/// Every segment but the ACK of our SYN. `Err` is final.
#[inline]
fn check(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Result<(), Action> {
    let flags = segment.flags;
    let only_syn = flags.has(Flags::SYN) && !flags.has(Flags::ACK) && !flags.has(Flags::RST);
    if only_syn && segment.seq + 1 == tcb.rcv_nxt {
        return Err(resend_syn_ack(tcb, segment, cx));
    }
    paws(tcb, segment, cx)?;
    if !in_window(tcb, segment) && !is_crossed_syn_ack(tcb, segment) {
        return Err(match flags.has(Flags::RST) {
            true => Action::Drop(DropReason::RstOutOfWindow),
            false => challenge(tcb, cx, DropReason::OutOfWindow),
        });
    }
    if flags.has(Flags::RST) && segment.seq != tcb.rcv_nxt {
        return Err(challenge(tcb, cx, DropReason::RstOutOfWindow));
    }
    if flags.has(Flags::RST) || flags.has(Flags::SYN) {
        return_to_listen(tcb, segment, cx)?;
    }
    if !flags.has(Flags::ACK) {
        return Err(Action::Drop(DropReason::AckMissing));
    }
    let acceptable = segment.ack.after(tcb.snd_una) && segment.ack.at_or_before(tcb.snd_nxt);
    if !acceptable {
        return Err(Action::DropReply(DropReason::AckUnacceptable, stateless(segment)));
    }
    Ok(())
}

/// A RST at RCV.NXT, or a SYN. A passive open returns to LISTEN: the peer does not have our SYN-ACK's
/// connection, so the SYN was an old duplicate. For an active open the RST refuses, and the SYN is the
/// peer's SYN-ACK of a simultaneous open, or is challenged as in every later state.
fn return_to_listen(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Result<(), Action> {
    match (tcb.is_active(), segment.flags.has(Flags::RST)) {
        (false, _) => cx.close(tcb, Closed::HandshakeReset),
        (true, true) => cx.close(tcb, Closed::ConnectRefused),
        (true, false) if is_crossed_syn_ack(tcb, segment) => return Ok(()),
        (true, false) => return Err(challenge(tcb, cx, DropReason::OutOfWindow)),
    }
    Err(Action::None)
}

/// The SYN-ACK of a peer whose SYN crossed ours: it starts before RCV.NXT, as its SYN did.
fn is_crossed_syn_ack(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    let flags = segment.flags;
    let syn_ack = flags.has(Flags::SYN) && flags.has(Flags::ACK) && !flags.has(Flags::RST);
    tcb.is_active() && syn_ack && segment.seq + 1 == tcb.rcv_nxt
}

/// The peer has not received our SYN-ACK: sends it again and leaves its timer.
fn resend_syn_ack(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    if tcb.timer == Timer::SynAckDelay {
        return Action::None;
    }
    remember_timestamp(tcb, segment, cx.now);
    tcb.set(TcbFlags::SYN_LOST);
    cx.counters.syn_ack_retransmissions.bump();
    Action::Reply(syn_ack(tcb, cx))
}

/// RFC 9293 3.10.7.4, fifth: SND.UNA < SEG.ACK <= SND.NXT.
fn establish(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) {
    tcb.state = State::Established;
    tcb.snd_una = segment.ack;
    // A SYN's window is never scaled (RFC 7323 2.2).
    let shift = if segment.flags.has(Flags::SYN) { tcb.negotiated.send_shift() } else { 0 };
    tcb.snd_wnd = segment.window >> shift;
    remember_timestamp(tcb, segment, cx.now);
    tcb.measure_handshake(cx.now.millis());
    tcb.set_retries(0);
    cx.timer = TimerOp::Stop;
    cx.counters.established.bump();
    handler.on_established(&mut Connection::new(tcb, cx));
}
