//! The most frequent segments: a SYN with usual options, and the next segment of a connection, in order and
//! with everything acknowledged (header prediction, RFC 7323 5.6). A few comparisons recognize it. Such a
//! segment passes all checks of RFC 9293 3.10.7.4, so they are skipped.
//!
//! Each function has the effects of the general path in the same state.

use super::negotiate::{MAX_SHIFT, default_mss};
use super::rto::{Rto, syn_timeout};
use super::state::deliver;
use super::tcb::HALF_OPEN;
use super::{
    Action, BufferId, Connection, ConnectionHandler, Context, Negotiated, State, Tcb, TcbFlags, Time, Timer,
    TimerLinks, TimerOp,
};
use crate::wire::{OptionSet, PacketKey, RxHeader, Seq};

/// The time-out of the first SYN-ACK, milliseconds.
pub const SYN_ACK_MS: u32 = syn_timeout(0);

/// The MSS of the peer of a new connection: its option's or the default (RFC 9293 MUST-15).
#[inline(always)]
pub fn peer_mss<K: PacketKey>(syn: &RxHeader<K>) -> u16 {
    if syn.options.has(OptionSet::MSS) { syn.mss.max(super::MIN_MSS) } else { default_mss(K::IS_IPV6) }
}

/// The fields of a new connection that its SYN does not determine.
#[derive(Clone, Copy, Debug)]
pub struct HalfOpen {
    /// ISS: the sequence number of the SYN-ACK.
    pub iss: Seq,
    /// The listener's number.
    pub listener: u16,
    /// The first receive window, bytes.
    pub window: u16,
    /// The index of the peer's link header in the engine's table.
    pub link: u16,
    /// The largest MSS of this end's link, bytes.
    pub max_mss: u16,
    /// When the SYN-ACK is retransmitted, milliseconds modulo 2^32.
    pub deadline_ms: u32,
    /// The connection's neighbours in the queue of that timer.
    pub timer_links: TimerLinks,
}

/// A SYN without options, with an MSS, or with all options: writes the connection, in SYN-RECEIVED and with
/// its timer. As [`super::on_syn`].
#[inline(always)]
pub fn open<K: PacketKey>(tcb: &mut Tcb, syn: &RxHeader<K>, open: HalfOpen, now: Time) {
    let HalfOpen { iss, listener, window, link, max_mss, deadline_ms, timer_links } = open;
    *tcb = Tcb {
        deadline_ms,
        timer_links,
        timer: Timer::SynAck,
        snd_una: iss,
        snd_nxt: iss + 1,
        rcv_nxt: syn.seq + 1,
        snd_wnd: syn.window,
        rcv_wnd: window,
        mss: peer_mss(syn).min(max_mss),
        next_hop: link,
        listener,
        ..HALF_OPEN
    };
    if syn.options == OptionSet::ALL {
        tcb.negotiated = Negotiated::all(syn.window_scale.min(MAX_SHIFT));
        tcb.set_ts_recent(syn.ts_value, now);
    }
}

/// Whether a segment is the next one in order, acknowledges all that was sent, and passes PAWS (RFC 7323 5.3)
/// whatever the age of TS.Recent; of a connection that the peer opened, without a send buffer and without
/// queued output.
#[inline(always)]
pub fn is_next<K>(tcb: &Tcb, segment: &RxHeader<K>) -> bool {
    let in_time = !tcb.negotiated.has(Negotiated::TIMESTAMPS)
        || segment.options.has(OptionSet::TIMESTAMPS)
            && (segment.ts_value.wrapping_sub(tcb.ts_recent) as i32) >= 0;
    // One branch for all comparisons: nearly always each holds.
    let differing = (segment.seq.0 ^ tcb.rcv_nxt.0)
        | (segment.ack.0 ^ tcb.snd_nxt.0)
        | u32::from(tcb.buffer != BufferId::NONE)
        | u32::from(tcb.flags.0 & TcbFlags::QUEUED.0);
    differing == 0 && !tcb.is_active() && in_time
}

/// Whether a connection without a send buffer is in ESTABLISHED, with nothing in flight, no timer and no
/// pending output.
#[inline(always)]
fn is_quiet(tcb: &Tcb) -> bool {
    const OUTPUT: TcbFlags =
        TcbFlags::ABORT.with(TcbFlags::ACK_NOW).with(TcbFlags::PROBE).with(TcbFlags::SEND_CLOSED);
    tcb.state == State::Established
        && tcb.snd_una == tcb.snd_nxt
        && tcb.timer == Timer::None
        && !tcb.has(OUTPUT)
}

#[inline(always)]
fn take_numbers<K>(tcb: &mut Tcb, segment: &RxHeader<K>, now: Time) {
    tcb.snd_wnd = segment.window;
    if tcb.negotiated.has(Negotiated::TIMESTAMPS) {
        tcb.set_ts_recent(segment.ts_value, now);
    }
}

/// In SYN-RECEIVED, the ACK of our SYN, for which [`is_next`] holds: ESTABLISHED. `now_ms`: the time of the
/// context, milliseconds modulo 2^32.
#[inline(always)]
pub fn establish<K>(
    tcb: &mut Tcb,
    segment: &RxHeader<K>,
    now_ms: u32,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) {
    tcb.state = State::Established;
    tcb.snd_una = segment.ack;
    take_numbers(tcb, segment, cx.now);
    tcb.measure_handshake(now_ms);
    tcb.set_retries(0);
    cx.timer = TimerOp::Stop;
    handler.on_established(&mut Connection::new(tcb, cx));
}

/// In ESTABLISHED with nothing in flight, the peer's FIN without data, for which [`is_next`] holds:
/// CLOSE-WAIT.
#[inline(always)]
pub fn on_fin<K>(
    tcb: &mut Tcb,
    segment: &RxHeader<K>,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) {
    take_numbers(tcb, segment, cx.now);
    tcb.rcv_nxt += 1;
    tcb.set(TcbFlags::ACK_NOW);
    tcb.state = State::CloseWait;
    handler.on_fin(&mut Connection::new(tcb, cx));
}

/// In FIN-WAIT-1, the peer's FIN without data, for which [`is_next`] holds, so that it acknowledges our FIN:
/// TIME-WAIT.
#[inline(always)]
pub fn on_last_fin<K>(tcb: &mut Tcb, segment: &RxHeader<K>, now: Time) {
    take_numbers(tcb, segment, now);
    tcb.snd_una = segment.ack;
    tcb.set_retries(0);
    tcb.rcv_nxt += 1;
    tcb.clear(TcbFlags::SEND_CLOSED);
    tcb.set(TcbFlags::ACK_NOW);
    tcb.state = State::TimeWait;
}

/// Whether [`on_ack`] or [`on_data`] takes a segment with `payload_len` bytes, for which [`is_next`] holds.
#[inline(always)]
pub fn takes_data(tcb: &Tcb, payload_len: u16) -> bool {
    is_quiet(tcb) && !tcb.has(TcbFlags::RECEIVE_CLOSED) && payload_len <= tcb.rcv_wnd
}

/// An ACK of nothing new: stores its window and its timestamp.
#[inline(always)]
pub fn on_ack<K>(tcb: &mut Tcb, segment: &RxHeader<K>, now: Time) {
    take_numbers(tcb, segment, now);
}

/// The next data in order, within the window: the handler receives it.
///
/// # Errors
/// The handler refused the data: the action that [`super::on_segment`] returns then.
#[inline(always)]
pub fn on_data<K>(
    tcb: &mut Tcb,
    segment: &RxHeader<K>,
    payload: &[u8],
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Result<(), Action> {
    take_numbers(tcb, segment, cx.now);
    deliver(tcb, payload, cx, handler)
}

/// A segment to send that is composed of the [`Tcb`] alone, without a send buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainOutput {
    /// <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>.
    Ack,
    /// The same with FIN, which [`send_fin`] counts.
    Fin,
}

/// The segment that a queued connection has to send; `None`: another one, which [`super::poll_output`]
/// composes.
#[inline(always)]
pub fn plain_output(tcb: &Tcb) -> Option<PlainOutput> {
    const OTHER: TcbFlags = TcbFlags::ABORT.with(TcbFlags::RETRANSMIT).with(TcbFlags::PROBE);
    let fin_due = tcb.flags.0 & (TcbFlags::SEND_CLOSED.0 | TcbFlags::FIN_SENT.0) == TcbFlags::SEND_CLOSED.0;
    if tcb.buffer != BufferId::NONE || tcb.has(OTHER) || !tcb.has(TcbFlags::ACK_NOW) {
        return None;
    }
    match tcb.state {
        State::Established | State::CloseWait if fin_due => {
            (tcb.snd_una == tcb.snd_nxt).then_some(PlainOutput::Fin)
        }
        State::Established | State::CloseWait | State::TimeWait => Some(PlainOutput::Ack),
        _ => None,
    }
}

/// An ACK is sent. Returns its sequence number.
#[inline(always)]
pub fn send_ack(tcb: &mut Tcb) -> Seq {
    tcb.clear(TcbFlags::QUEUED.with(TcbFlags::ACK_NOW));
    tcb.snd_nxt
}

/// Our FIN is sent, with its ACK: LAST-ACK or FIN-WAIT-1. Returns its sequence number and its retransmission
/// time-out, milliseconds.
#[inline(always)]
pub fn send_fin(tcb: &mut Tcb) -> (Seq, u32) {
    let seq = tcb.snd_nxt;
    tcb.snd_nxt += 1;
    tcb.clear(TcbFlags::QUEUED.with(TcbFlags::ACK_NOW).with(TcbFlags::SWS_OVERRIDE));
    super::output::send_fin(tcb);
    tcb.set_retries(0);
    (seq, Rto::new(tcb.srtt_ms, tcb.has(TcbFlags::SYN_LOST)).timeout(0))
}

#[cfg(test)]
mod tests;
