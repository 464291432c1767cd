//! Composes what a connection sends.

use super::rto::syn_timeout;
use super::{BufferId, Context, Tcb, TcbFlags, Timer};
use crate::observe::Closed;
use crate::tcp::{Config, Negotiated, State, SynOptions};
use crate::wire::{Flags, Seq, TcpOptions, Timestamps, TxSegment};

/// Bytes of the timestamps option with its padding: in every segment once negotiated.
const TIMESTAMPS_LEN: u16 = 12;

/// A segment to send and where its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    pub emit: TxSegment,
    /// The payload is what [`super::SendBuffers::segment`] holds in flight, if `with_data`.
    pub buffer: BufferId,
    pub with_data: bool,
}

/// The one segment the connection has to send, if any: ACK, data and FIN together where they coincide.
pub fn output(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    if tcb.take(TcbFlags::RETRANSMIT) {
        return again(tcb, cx);
    }
    let probe = tcb.take(TcbFlags::PROBE);
    let fresh = data_allowed(tcb, cx);
    let fin = fin_allowed(tcb, cx, fresh);
    let owed = tcb.take(TcbFlags::ACK_NOW);
    if fresh == 0 && !fin {
        wait_for_window(tcb, cx);
        return match (probe, owed) {
            (true, _) => Some(without_data(probe_of(tcb, cx))),
            (false, true) => Some(without_data(bare_ack(tcb, cx))),
            (false, false) => None,
        };
    }
    let seq = tcb.snd_nxt;
    cx.buffers.sent(tcb.buffer, fresh as u16, cx.now.millis());
    tcb.snd_nxt += fresh + u32::from(fin);
    tcb.clear(TcbFlags::SWS_OVERRIDE);
    if fresh > 0 {
        tcb.set(TcbFlags::SENT_DATA);
    }
    if fin {
        send_fin(tcb);
    }
    tcb.set_retries(0);
    let timeout = cx.buffers.timeout(tcb, 0);
    cx.start(Timer::Retransmit, timeout);
    Some(Transmit { emit: segment(tcb, cx, seq, fresh > 0, fin), buffer: tcb.buffer, with_data: fresh > 0 })
}

/// As [`output`], for a connection that has no frame to answer in: what it does on its user's own
/// accord, and what follows the ACK of a SYN-ACK. So it may also be the end.
pub fn unasked(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    if tcb.state == State::SynSent {
        // RFC 9293 3.10.4, 3.10.5: nobody knows of it yet, so nobody is told.
        if tcb.has(TcbFlags::ABORT) || tcb.has(TcbFlags::SEND_CLOSED) {
            cx.close(tcb, Closed::Aborted);
            return None;
        }
        return tcb.take(TcbFlags::RETRANSMIT).then(|| without_data(retransmit_syn(tcb, cx)));
    }
    if tcb.take(TcbFlags::ABORT) {
        return Some(without_data(abort(tcb, Closed::Aborted, cx)));
    }
    output(tcb, cx)
}

/// <SEQ=SND.NXT><CTL=RST,ACK>, and the connection is closed (RFC 9293 3.10.5).
pub fn abort(tcb: &mut Tcb, how: Closed, cx: &mut Context<'_>) -> TxSegment {
    let flags = Flags::RST.with(Flags::ACK);
    let reset = TxSegment { seq: tcb.snd_nxt, ack: tcb.rcv_nxt, flags, ..TxSegment::default() };
    cx.close(tcb, how);
    reset
}

/// What is in flight, once more (RFC 6298 5.4): the data, the FIN, or both.
fn again(tcb: &mut Tcb, cx: &mut Context<'_>) -> Option<Transmit> {
    tcb.clear(TcbFlags::ACK_NOW);
    let in_flight = cx.buffers.in_flight(tcb.buffer);
    let fin = tcb.has(TcbFlags::FIN_SENT);
    if tcb.snd_una == tcb.snd_nxt {
        return None;
    }
    cx.buffers.sent_again(tcb.buffer);
    let timeout = cx.buffers.timeout(tcb, tcb.retries());
    cx.start(Timer::Retransmit, timeout);
    let emit = segment(tcb, cx, tcb.snd_una, in_flight > 0, fin);
    Some(Transmit { emit, buffer: tcb.buffer, with_data: in_flight > 0 })
}

/// Bytes of new data that may go now: one segment in flight, within the peer's MSS and window,
/// and no silly windows (MUST-38): less than a full segment only if it is all there is.
fn data_allowed(tcb: &Tcb, cx: &Context<'_>) -> u32 {
    let unsent = cx.buffers.unsent(tcb.buffer);
    if unsent == 0 || tcb.snd_una != tcb.snd_nxt || tcb.has(TcbFlags::FIN_SENT) {
        return 0;
    }
    let overhead = if tcb.negotiated.has(Negotiated::TIMESTAMPS) { TIMESTAMPS_LEN } else { 0 };
    let wanted = unsent.min(u32::from(tcb.mss - overhead));
    let possible = wanted.min(tcb.send_window());
    if possible < wanted && !tcb.has(TcbFlags::SWS_OVERRIDE) { 0 } else { possible }
}

/// A FIN goes when the user has closed and nothing is left behind `fresh` bytes, in flight or
/// queued; once.
fn fin_allowed(tcb: &Tcb, cx: &Context<'_>, fresh: u32) -> bool {
    tcb.has(TcbFlags::SEND_CLOSED)
        && !tcb.has(TcbFlags::FIN_SENT)
        && matches!(tcb.state, State::Established | State::CloseWait)
        && tcb.snd_una == tcb.snd_nxt
        && cx.buffers.unsent(tcb.buffer) == fresh
}

/// RFC 9293 3.10.4: CLOSE in ESTABLISHED leads to FIN-WAIT-1, in CLOSE-WAIT to LAST-ACK.
fn send_fin(tcb: &mut Tcb) {
    tcb.set(TcbFlags::FIN_SENT);
    tcb.state = if tcb.state == State::CloseWait { State::LastAck } else { State::FinWait1 };
}

/// Data is queued that the peer's window does not let out: ask from time to time (MUST-36).
fn wait_for_window(tcb: &mut Tcb, cx: &mut Context<'_>) {
    let waiting = cx.buffers.unsent(tcb.buffer) > 0 && tcb.snd_una == tcb.snd_nxt;
    if waiting && tcb.timer != Timer::Persist {
        let timeout = cx.buffers.timeout(tcb, tcb.retries());
        cx.start(Timer::Persist, timeout);
    }
}

/// An ACK for something acknowledged long ago: any receiver answers it with its window.
pub(super) fn probe_of(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    TxSegment { seq: tcb.snd_una - 1, ..bare_ack(tcb, cx) }
}

/// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
pub(super) fn bare_ack(tcb: &Tcb, cx: &Context<'_>) -> TxSegment {
    segment(tcb, cx, tcb.snd_nxt, false, false)
}

fn without_data(emit: TxSegment) -> Transmit {
    Transmit { emit, buffer: BufferId::NONE, with_data: false }
}

#[inline]
fn segment(tcb: &Tcb, cx: &Context<'_>, seq: Seq, push: bool, fin: bool) -> TxSegment {
    let mut flags = Flags::ACK;
    if push {
        // All there is goes out: the last of a user's data (MUST-61).
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

/// The SYN once more, and its timer with it.
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
