//! LISTEN, and CLOSED: segments of no connection (RFC 9293 3.10.7.1, 3.10.7.2).

use crate::observe::DropReason;
use crate::tcp::cookie::syn_ack_options;
use crate::tcp::isn::isn;
use crate::tcp::negotiate::MIN_MSS;
use crate::tcp::output::{our_mss, syn_ack};
use crate::tcp::reset::stateless;
use crate::tcp::rto::syn_timeout;
use crate::tcp::{Context, Cookies, SynOptions, Tcb, Timer};
use crate::wire::{Flags, FlowKey, SegmentInfo, Seq, TxSegment};

/// What the listener of a segment gives a new connection.
#[derive(Clone, Copy, Debug)]
pub struct PassiveOpen {
    /// The listener's number, which determines the service.
    pub listener: u16,
    /// The window that the listener's service gives at first.
    pub window: u16,
    /// The engine's entry of the peer's link header.
    pub link: u16,
    /// The SYN ended a TIME-WAIT whose sequence numbers reached this far.
    pub above: Option<Seq>,
}

/// A segment other than a SYN at a listener (RFC 9293 3.10.7.2): the RST that answers an ACK, unless the
/// ACK carries a cookie.
///
/// # Errors
/// The reason to drop it.
#[inline]
pub fn on_segment_listen(segment: &SegmentInfo) -> Result<TxSegment, DropReason> {
    let flags = segment.flags;
    if flags.has(Flags::RST) {
        return Err(DropReason::ListenRst);
    }
    if flags.has(Flags::ACK) {
        return Ok(stateless(segment));
    }
    Err(if flags.has(Flags::SYN) { DropReason::SynWithFin } else { DropReason::ListenNoSyn })
}

/// RFC 9293 3.10.7.1: a RST for everything but a RST.
#[inline]
pub fn on_segment_closed(segment: &SegmentInfo) -> Result<TxSegment, DropReason> {
    if segment.flags.has(Flags::RST) {
        return Err(DropReason::ListenRst);
    }
    Ok(stateless(segment))
}

/// A SYN at a listener (RFC 9293 3.10.7.2, third): writes the connection, in SYN-RECEIVED, into `tcb`,
/// requests its timer and returns the SYN-ACK. Data on the SYN is not taken; the peer sends it again, as
/// the SYN-ACK does not acknowledge it.
#[inline(always)]
pub fn on_syn(tcb: &mut Tcb, segment: &SegmentInfo, open: PassiveOpen, cx: &mut Context<'_>) -> TxSegment {
    let prf = cx.prf();
    cx.prf = Some(prf);
    let iss = isn_above(isn(prf, cx.now), open.above);
    let offer = SynOptions::from_syn(&segment.options, cx.endpoints.local().is_ipv6());
    write_connection(tcb, &offer, (segment.seq, iss), open, cx);
    tcb.snd_wnd = segment.window;
    cx.start(Timer::SynAck, syn_timeout(0));
    syn_ack(tcb, cx)
}

/// A SYN at a listener that keeps nothing of it: returns a SYN-ACK whose sequence number is a cookie.
#[inline(always)]
pub fn on_syn_with_cookie<K: FlowKey>(
    key: &K,
    segment: &SegmentInfo,
    window: u16,
    cookies: &mut Cookies,
    cx: &Context<'_>,
) -> TxSegment {
    let ipv6 = cx.endpoints.local().is_ipv6();
    let offer = SynOptions::from_syn(&segment.options, ipv6);
    let iss = cookies.issue(key, segment.seq, offer.mss, cx.now);
    let (our_mss, millis) = (our_mss(cx.config, ipv6), cx.now.millis());
    let options = syn_ack_options(&offer, our_mss, millis, cx.timestamp_offset);
    TxSegment { seq: iss, ack: segment.seq + 1, flags: Flags::SYN.with(Flags::ACK), window, options }
}

/// The ACK of a verified cookie: writes the connection that the cookie stands for into `tcb`, as it
/// would be in SYN-RECEIVED. The ACK is then processed like any other segment of it.
#[inline]
pub fn on_cookie_ack(
    tcb: &mut Tcb,
    offer: &SynOptions,
    segment: &SegmentInfo,
    open: PassiveOpen,
    cx: &Context<'_>,
) {
    write_connection(tcb, offer, (segment.seq - 1, segment.ack - 1), open, cx);
}

/// What we send must fit our own link as well as the peer's (RFC 9293 3.7.1, MUST-16). `irs` and `iss`
/// are the two initial sequence numbers.
#[inline(always)]
fn write_connection(
    tcb: &mut Tcb,
    offer: &SynOptions,
    (irs, iss): (Seq, Seq),
    open: PassiveOpen,
    cx: &Context<'_>,
) {
    let ours = our_mss(cx.config, cx.endpoints.local().is_ipv6()).max(MIN_MSS);
    *tcb = offer.new_connection(irs, iss, open.window, cx.now);
    tcb.mss = tcb.mss.min(ours);
    (tcb.listener, tcb.next_hop) = (open.listener, open.link);
}

/// The ISN of a connection that follows one in TIME-WAIT: by the clock, but beyond all that the
/// old one sent (RFC 1122 4.2.2.13).
#[inline]
fn isn_above(isn: Seq, above: Option<Seq>) -> Seq {
    match above {
        Some(above) if !isn.after(above) => above + (1 << 16),
        _ => isn,
    }
}
