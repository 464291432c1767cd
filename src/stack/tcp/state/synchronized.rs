//! The steps that the synchronized states share: ACK, text and FIN (RFC 9293 3.10.7.4).

use super::finish::{data_after_close, finish_dropped_input, finish_input};
use crate::observe::{Closed, DropReason};
use crate::tcp::acceptance::{check, check_ack, remember_timestamp};
use crate::tcp::output::bare_ack;
use crate::tcp::timers::takes_nothing;
use crate::tcp::{
    Action, Connection, ConnectionHandler, Context, DataResult, State, Tcb, TcbFlags, Timer, TimerOp,
};
use crate::wire::{Flags, SegmentInfo, Seq};

/// First to fifth step, of every synchronized state but TIME-WAIT. `Err` is final.
#[inline]
pub(super) fn process_ack_field(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Result<(), Action> {
    check(tcb, segment, cx)?;
    check_ack(tcb, segment, cx)?;
    remember_timestamp(tcb, segment, cx.now);
    acknowledge(tcb, segment, cx, handler);
    if tcb.is_active() {
        handler.on_alive(&mut Connection::new(tcb, cx));
    }
    Ok(())
}

/// SND.UNA and SND.WND follow the segment; the retransmission timer follows them (RFC 6298 5.2,
/// 5.3).
#[inline]
fn acknowledge(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) {
    if segment.ack.before(tcb.snd_una) {
        return;
    }
    tcb.snd_wnd = segment.window;
    let closed_over_data = tcb.snd_wnd == 0 && cx.buffers.in_flight(tcb.buffer) > 0;
    if (tcb.timer == Timer::Persist || closed_over_data) && !takes_nothing(tcb, cx) {
        // The peer answers probes, so the connection stays; the interval stays long (MUST-35, MUST-37).
        tcb.set_retries(tcb.retries().min(cx.config.retries.saturating_sub(2)));
    }
    let bytes = segment.ack.since(tcb.snd_una);
    if bytes == 0 {
        return;
    }
    let data = cx.buffers.acknowledged(tcb, bytes, cx.now.millis());
    tcb.snd_una = segment.ack;
    tcb.set_retries(0);
    if tcb.snd_una == tcb.snd_nxt {
        cx.timer = TimerOp::Stop;
    } else {
        let timeout = cx.buffers.timeout(tcb, 0);
        cx.start(Timer::Retransmit, timeout);
    }
    if data > 0 {
        handler.on_acked(&mut Connection::new(tcb, cx), usize::from(data));
    }
}

/// Seventh and eighth: the segment's text and FIN, and the end of its processing.
#[inline]
pub(super) fn process_text_and_fin(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    match text_and_fin(tcb, segment, payload, cx, handler) {
        Ok(()) => finish_input(tcb, cx),
        Err(action) => finish_dropped_input(action, tcb, cx),
    }
}

#[inline]
fn text_and_fin(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Result<(), Action> {
    if !payload.is_empty() {
        text(tcb, segment, payload, cx, handler)?;
    }
    if !segment.flags.has(Flags::FIN) {
        return Ok(());
    }
    let fin_at = segment.seq + u32::from(segment.payload_len);
    if fin_at == tcb.rcv_nxt {
        fin(tcb, cx, handler);
    } else if fin_at.after(tcb.rcv_nxt) {
        // After a gap, or after text beyond the window: the peer retransmits it.
        return Err(Action::DropReply(DropReason::OutOfOrder, bare_ack(tcb, cx)));
    }
    Ok(())
}

/// The part of the text that is new, in order and within the window goes to the handler.
fn text(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Result<(), Action> {
    if segment.seq.after(tcb.rcv_nxt) {
        return Err(Action::DropReply(DropReason::OutOfOrder, bare_ack(tcb, cx)));
    }
    let known = tcb.rcv_nxt.since(segment.seq) as usize;
    let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) else {
        // Only old text, in a segment that reaches RCV.NXT with its FIN.
        tcb.set(TcbFlags::ACK_NOW);
        return Ok(());
    };
    if !matches!(tcb.state, State::Established | State::FinWait1 | State::FinWait2) {
        return Err(Action::DropReply(DropReason::AfterFin, bare_ack(tcb, cx)));
    }
    if tcb.has(TcbFlags::RECEIVE_CLOSED) {
        return Err(data_after_close(tcb, cx));
    }
    let taken = new.len().min(usize::from(tcb.rcv_wnd));
    if taken == 0 {
        return Err(Action::DropReply(DropReason::WindowClosed, bare_ack(tcb, cx)));
    }
    deliver(tcb, &new[..taken], cx, handler)
}

/// Text in order and within the window.
#[inline]
pub(in crate::tcp) fn deliver(
    tcb: &mut Tcb,
    text: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Result<(), Action> {
    let taken = text.len();
    tcb.rcv_nxt += taken as u32;
    tcb.rcv_wnd -= taken as u16;
    match handler.on_data(&mut Connection::new(tcb, cx), text) {
        DataResult::Taken => {
            tcb.set(TcbFlags::ACK_NOW);
            if tcb.state == State::FinWait2 {
                // The peer is still sending: it is not gone.
                cx.start(Timer::FinWait2, cx.config.fin_wait_2_ms);
            }
            Ok(())
        }
        DataResult::Refused(reason) => {
            tcb.rcv_nxt = Seq(tcb.rcv_nxt.0.wrapping_sub(taken as u32));
            tcb.rcv_wnd = tcb.rcv_wnd.saturating_add(taken as u16);
            Err(Action::Drop(reason))
        }
    }
}

/// The peer closes its direction.
#[inline]
fn fin(tcb: &mut Tcb, cx: &mut Context<'_>, handler: &mut dyn ConnectionHandler) {
    match tcb.state {
        State::Established => {
            accept_fin(tcb);
            tcb.state = State::CloseWait;
            handler.on_fin(&mut Connection::new(tcb, cx));
        }
        State::FinWait1 | State::FinWait2 => {
            accept_fin(tcb);
            peer_closed(tcb, cx);
        }
        // In all other states RCV.NXT is beyond the FIN: a FIN at RCV.NXT would be a second one.
        _ => {}
    }
}

fn accept_fin(tcb: &mut Tcb) {
    tcb.rcv_nxt += 1;
    tcb.set(TcbFlags::ACK_NOW);
}

/// The peer's FIN after ours (RFC 9293 3.10.7.4, eighth). In FIN-WAIT-1 it precedes the
/// ACK of ours: both FINs crossed.
fn peer_closed(tcb: &mut Tcb, cx: &mut Context<'_>) {
    match tcb.state {
        State::FinWait1 => tcb.state = State::Closing,
        State::FinWait2 => enter_time_wait(tcb, cx, Closed::Active),
        _ => {}
    }
}

/// TIME-WAIT lasts 2 MSL: long enough to repeat the last ACK if the peer retransmits its FIN, and for every
/// segment of this connection to expire before its 4-tuple is reused.
pub(super) fn enter_time_wait(tcb: &mut Tcb, cx: &mut Context<'_>, how: Closed) {
    tcb.state = State::TimeWait;
    cx.buffers.release(&mut tcb.buffer);
    tcb.clear(TcbFlags::SEND_CLOSED);
    cx.counters.closed[how as usize].bump();
    cx.ended = Some(how);
    cx.start(Timer::TimeWait, 2 * cx.config.msl_ms);
}
