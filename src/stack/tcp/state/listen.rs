//! LISTEN, and CLOSED: segments of no connection (RFC 9293 3.10.7.1, 3.10.7.2).

use crate::observe::DropReason;
use crate::tcp::cookie::syn_ack_options;
use crate::tcp::negotiate::MIN_MSS;
use crate::tcp::output::{our_mss, syn_ack};
use crate::tcp::reset::stateless;
use crate::tcp::rto::syn_timeout;
use crate::tcp::{Context, SynOptions, Tcb, Timer};
use crate::wire::{Flags, SegmentInfo, Seq, TxSegment};

/// What a listener makes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    Drop(DropReason),
    /// An ACK: the answer to a cookie, or this RST.
    Ack(TxSegment),
    /// A SYN: the start of a connection.
    Syn,
}

/// RFC 9293 3.10.7.2, in its order: RST, ACK, SYN, the rest.
#[inline]
pub fn on_segment_listen(segment: &SegmentInfo) -> Arrival {
    let flags = segment.flags;
    if flags.has(Flags::RST) {
        return Arrival::Drop(DropReason::ListenRst);
    }
    if flags.has(Flags::ACK) {
        return Arrival::Ack(stateless(segment));
    }
    if !flags.has(Flags::SYN) {
        return Arrival::Drop(DropReason::ListenNoSyn);
    }
    if flags.has(Flags::FIN) {
        return Arrival::Drop(DropReason::SynWithFin);
    }
    Arrival::Syn
}

/// RFC 9293 3.10.7.1: a RST for everything but a RST.
#[inline]
pub fn on_segment_closed(segment: &SegmentInfo) -> Result<TxSegment, DropReason> {
    if segment.flags.has(Flags::RST) {
        return Err(DropReason::ListenRst);
    }
    Ok(stateless(segment))
}

/// The connection that a SYN starts: SYN-RECEIVED. Data on the SYN is not taken; the peer sends
/// it again, as our SYN-ACK does not acknowledge it.
#[inline]
pub fn accept_syn(segment: &SegmentInfo, iss: Seq, window: u16, cx: &Context<'_>) -> Tcb {
    let offer = SynOptions::from_syn(&segment.options, cx.endpoints.local().is_ipv6());
    let mut tcb = connection(&offer, segment.seq, iss, window, cx);
    tcb.snd_wnd = segment.window;
    tcb
}

/// The first SYN-ACK of a connection in SYN-RECEIVED; its timer starts.
#[inline(always)]
pub fn answer_syn(tcb: &Tcb, cx: &mut Context<'_>) -> TxSegment {
    cx.start(Timer::SynAck, syn_timeout(0));
    syn_ack(tcb, cx)
}

/// A SYN-ACK that is all there is of its connection: `iss` is a cookie.
#[inline]
pub fn cookie_answer(segment: &SegmentInfo, iss: Seq, window: u16, cx: &Context<'_>) -> TxSegment {
    let ipv6 = cx.endpoints.local().is_ipv6();
    let offer = SynOptions::from_syn(&segment.options, ipv6);
    let (our_mss, millis) = (our_mss(cx.config, ipv6), cx.now.millis());
    let options = syn_ack_options(&offer, our_mss, millis, || cx.timestamp_offset());
    TxSegment { seq: iss, ack: segment.seq + 1, flags: Flags::SYN.with(Flags::ACK), window, options }
}

/// The connection that a verified cookie stands for, as it would be in SYN-RECEIVED: the ACK
/// then arrives for it like any other.
#[inline]
pub fn accept_cookie(offer: &SynOptions, segment: &SegmentInfo, window: u16, cx: &Context<'_>) -> Tcb {
    connection(offer, segment.seq - 1, segment.ack - 1, window, cx)
}

/// What we send must fit our own link as well as the peer's (RFC 9293 3.7.1, MUST-16).
#[inline(always)]
fn connection(offer: &SynOptions, irs: Seq, iss: Seq, window: u16, cx: &Context<'_>) -> Tcb {
    let ours = our_mss(cx.config, cx.endpoints.local().is_ipv6()).max(MIN_MSS);
    let mut tcb = offer.new_connection(irs, iss, window, cx.now);
    tcb.mss = tcb.mss.min(ours);
    tcb
}
