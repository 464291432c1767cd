//! Composes the segments of a connection.

use super::rto::syn_timeout;
use super::{Context, Payload, Tcb, TcbFlags, Timer};
use crate::observe::Closed;
use crate::tcp::{Config, Negotiated, State, SynOptions};
use crate::wire::{Flags, Seq, TcpOptions, Timestamps, TxSegment};

/// Bytes of the timestamps option with its padding: in every segment once negotiated.
const TIMESTAMPS_LEN: u16 = 12;

/// A segment to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its header and options.
    pub segment: TxSegment,
    /// See [`super::SendBuffers::payload`].
    pub payload: Payload,
    /// The connection has another segment to send: [`poll_output`] again.
    pub more: bool,
}

/// Composes the next segment of a connection, if it has one to send: ACK, data and FIN in one where they
/// coincide. The connection may be closed by it ([`Context::ended`]).
pub fn poll_output(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    if tcb.state == State::SynSent {
        return poll_syn_sent(tcb, cx);
    }
    if tcb.has(TcbFlags::ABORT.with(TcbFlags::RETRANSMIT)) {
        return match tcb.take(TcbFlags::ABORT) {
            true => Some(Transmit::without_data(abort(tcb, Closed::Aborted, cx))),
            false => retransmit(tcb, cx),
        };
    }
    let probe = tcb.take(TcbFlags::PROBE);
    let data = data_allowed(tcb, cx);
    let fin = fin_allowed(tcb, cx, data);
    let ack = tcb.take(TcbFlags::ACK_NOW);
    if data == 0 && !fin {
        wait_for_window(tcb, cx);
        return match (probe, ack) {
            (true, _) => Some(Transmit::without_data(probe_of(tcb, cx))),
            (false, true) => Some(Transmit::without_data(bare_ack(tcb, cx))),
            (false, false) => None,
        };
    }
    let seq = tcb.snd_nxt;
    let payload = cx.buffers.send_new(tcb.buffer, data as u16, cx.now.millis());
    tcb.snd_nxt += data + u32::from(fin);
    tcb.clear(TcbFlags::SWS_OVERRIDE);
    if data > 0 {
        tcb.set(TcbFlags::SENT_DATA);
    }
    if fin {
        send_fin(tcb);
    }
    tcb.set_retries(0);
    let timeout = cx.buffers.timeout(tcb, 0);
    cx.start(Timer::Retransmit, timeout);
    let segment = segment(tcb, cx, seq, data > 0, fin);
    let more = data > 0 && !fin && has_sendable(tcb, cx);
    Some(Transmit { segment, payload, more })
}

/// RFC 9293 3.10.4, 3.10.5: a close or an abort ends the connection without a segment, since no peer has it.
#[cold]
fn poll_syn_sent(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    if tcb.has(TcbFlags::ABORT.with(TcbFlags::SEND_CLOSED)) {
        cx.close(tcb, Closed::Aborted);
        return None;
    }
    tcb.take(TcbFlags::RETRANSMIT).then(|| Transmit::without_data(retransmit_syn(tcb, cx)))
}

/// Whether more data, or the FIN, may go after a segment with data.
fn has_sendable(tcb: &Tcb, cx: &Context<'_>) -> bool {
    data_allowed(tcb, cx) > 0 || fin_allowed(tcb, cx, 0)
}

/// <SEQ=SND.NXT><CTL=RST,ACK>, and the connection is closed (RFC 9293 3.10.5).
pub fn abort(tcb: &mut Tcb, how: Closed, cx: &mut Context<'_>) -> TxSegment {
    let flags = Flags::RST.with(Flags::ACK);
    let reset = TxSegment { seq: tcb.snd_nxt, ack: tcb.rcv_nxt, flags, ..TxSegment::default() };
    cx.close(tcb, how);
    reset
}

/// The first segment in flight once more (RFC 6298 5.4): data, FIN, or both.
fn retransmit(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    tcb.clear(TcbFlags::RETRANSMIT.with(TcbFlags::ACK_NOW));
    if tcb.snd_una == tcb.snd_nxt {
        return None;
    }
    let payload = cx.buffers.send_again(tcb, max_data(tcb));
    let fin = tcb.has(TcbFlags::FIN_SENT) && payload.len() == cx.buffers.in_flight(tcb.buffer);
    let timeout = cx.buffers.timeout(tcb, tcb.retries());
    cx.start(Timer::Retransmit, timeout);
    let segment = segment(tcb, cx, tcb.snd_una, payload.len() > 0, fin);
    Some(Transmit { segment, payload, more: false })
}

/// Bytes of data in a full segment.
fn max_data(tcb: &Tcb) -> u16 {
    let options = if tcb.negotiated.has(Negotiated::TIMESTAMPS) { TIMESTAMPS_LEN } else { 0 };
    tcb.mss - options
}

/// Bytes of new data that may go now: within a full segment, the peer's window and what congestion control
/// allows, and no silly windows (MUST-38): less than a full segment only if it is all that is queued.
fn data_allowed(tcb: &Tcb, cx: &Context<'_>) -> u32 {
    let unsent = cx.buffers.unsent(tcb.buffer);
    if unsent == 0 || tcb.has(TcbFlags::FIN_SENT) || tcb.is_opening() {
        return 0;
    }
    let window = tcb.send_window().saturating_sub(tcb.in_flight()).min(cx.buffers.congestion_window(tcb));
    let wanted = unsent.min(u32::from(max_data(tcb)));
    let possible = wanted.min(window);
    if possible < wanted && !tcb.has(TcbFlags::SWS_OVERRIDE) { 0 } else { possible }
}

/// Whether the FIN goes with the next `data` bytes: the handler has closed, and no more data is queued after
/// them. Once.
fn fin_allowed(tcb: &Tcb, cx: &Context<'_>, data: u32) -> bool {
    tcb.has(TcbFlags::SEND_CLOSED)
        && !tcb.has(TcbFlags::FIN_SENT)
        && matches!(tcb.state, State::Established | State::CloseWait)
        && (tcb.snd_una == tcb.snd_nxt || cx.buffers.congestion_window(tcb) > 0)
        && cx.buffers.unsent(tcb.buffer) == data
}

/// RFC 9293 3.10.4: CLOSE in ESTABLISHED leads to FIN-WAIT-1, in CLOSE-WAIT to LAST-ACK.
#[inline]
pub(super) fn send_fin(tcb: &mut Tcb) {
    tcb.set(TcbFlags::FIN_SENT);
    tcb.state = if tcb.state == State::CloseWait { State::LastAck } else { State::FinWait1 };
}

/// Data is queued that the peer's window does not allow: starts the persist timer (MUST-36).
fn wait_for_window(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let waiting = cx.buffers.unsent(tcb.buffer) > 0 && tcb.snd_una == tcb.snd_nxt;
    if waiting && tcb.timer != Timer::Persist {
        let timeout = cx.buffers.timeout(tcb, tcb.retries());
        cx.start(Timer::Persist, timeout);
    }
}

/// A probe: an ACK with a sequence number below SND.UNA, which any peer answers with its window.
pub(super) fn probe_of(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    TxSegment { seq: tcb.snd_una - 1, ..bare_ack(tcb, cx) }
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
pub(super) fn bare_ack(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    segment(tcb, cx, tcb.snd_nxt, false, false)
}

impl Transmit {
    /// A segment without data.
    #[inline]
    pub fn without_data(segment: TxSegment) -> Transmit {
        Transmit { segment, payload: Payload::EMPTY, more: false }
    }
}

#[inline]
fn segment(tcb: &Tcb, cx: &Context<'_>, seq: Seq, push: bool, fin: bool) -> TxSegment {
    let mut flags = Flags::ACK;
    if push {
        // The data that is queued goes out at once (MUST-61).
        flags = flags.with(Flags::PSH);
    }
    if fin {
        flags = flags.with(Flags::FIN);
    }
    let timestamps = tcb
        .negotiated
        .has(Negotiated::TIMESTAMPS)
        .then(|| Timestamps { value: cx.timestamp(), echo: tcb.ts_recent });
    let options = TcpOptions { timestamps, ..TcpOptions::default() };
    TxSegment { seq, ack: tcb.rcv_nxt, flags, window: tcb.window_field(), options }
}

/// <SEQ=ISS><CTL=SYN>, with what we offer. The window of a SYN is never scaled (RFC 7323 2.2).
pub(super) fn syn(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    let our_mss = our_mss(cx.config, cx.endpoints.local().is_ipv6());
    let options = cx.config.syn_offer.syn(our_mss, || cx.timestamp());
    TxSegment { seq: tcb.snd_una, flags: Flags::SYN, window: tcb.rcv_wnd, options, ..TxSegment::default() }
}

/// Retransmits the SYN and restarts its timer.
pub(super) fn retransmit_syn(tcb: &mut Tcb, cx: &mut Context<'_>) -> TxSegment {
    let retries = tcb.retries() + 1;
    tcb.set_retries(retries);
    tcb.set(TcbFlags::SYN_LOST);
    cx.counters.syn_retransmissions.bump();
    cx.start(Timer::Syn, syn_timeout(retries));
    syn(tcb, cx)
}

/// <SEQ=ISS><ACK=RCV.NXT><CTL=SYN,ACK>: the window of a SYN is never scaled (RFC 7323 2.2).
#[inline(always)]
pub(super) fn syn_ack(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    let ipv6 = cx.endpoints.local().is_ipv6();
    TxSegment {
        seq: tcb.snd_una,
        ack: tcb.rcv_nxt,
        flags: Flags::SYN.with(Flags::ACK),
        window: tcb.rcv_wnd,
        options: SynOptions::of(tcb).syn_ack(our_mss(cx.config, ipv6), || cx.timestamp()),
    }
}

#[inline(always)]
pub(super) fn our_mss(config: &Config, ipv6: bool) -> u16 {
    if ipv6 { config.mss6 } else { config.mss4 }
}

#[cfg(test)]
mod tests;
