//! SYN-SENT: active open (RFC 9293 3.10.1, 3.10.7.3).
//!
//! Why three segments: the SYN-ACK shows that the peer is alive and has received our ISN. The peer knows the
//! same of us only when our ACK has arrived: until then its SYN-ACK may answer an old duplicate SYN, which we
//! would refuse with a RST.
//!
//! In a simultaneous open two SYNs cross and no SYN-ACK arrives: each side answers the SYN from SYN-RECEIVED,
//! and there is one connection, not two (RFC 9293 3.5, figure 7).
//!
//! Neither data nor FIN is accepted from a segment with a SYN: our ACK covers the SYN alone, and the peer
//! retransmits the rest.

use super::finish::has_output;
use crate::observe::{Closed, DropReason};
use crate::tcp::negotiate::MIN_MSS;
use crate::tcp::output::{bare_ack, our_mss, syn, syn_ack};
use crate::tcp::reset::stateless;
use crate::tcp::rto::syn_timeout;
use crate::tcp::{
    ACTIVE_OPEN, Action, Connection, ConnectionHandler, Context, State, SynOptions, Tcb, TcbFlags, Timer,
    TimerOp,
};
use crate::wire::{Flags, SegmentInfo, Seq, TxSegment};

/// OPEN, active: a connection in SYN-SENT with a receive window of `window`.
pub fn open(iss: Seq, window: u16, cx: &Context<'_>) -> Tcb {
    let mut tcb = Tcb::new(State::SynSent, iss, iss + 1, Seq(0));
    tcb.listener = ACTIVE_OPEN;
    tcb.rcv_wnd = window;
    tcb.mss = our_mss(cx.config, cx.endpoints.local().is_ipv6()).max(MIN_MSS);
    tcb
}

/// The first SYN of a connection in SYN-SENT; its timer starts.
pub fn first_syn(tcb: &Tcb, cx: &mut Context<'_>) -> TxSegment {
    cx.counters.opens.bump();
    cx.start(Timer::Syn, syn_timeout(0));
    syn(tcb, cx)
}

/// In the order of RFC 9293 3.10.7.3: ACK, RST, SYN, the rest.
pub(super) fn on_segment(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    let flags = segment.flags;
    let (ack, rst) = (flags.has(Flags::ACK), flags.has(Flags::RST));
    if ack && !acknowledges(tcb, segment) {
        return match rst {
            true => Action::Drop(DropReason::RstUnproven),
            false => challenged(tcb, segment, cx),
        };
    }
    match (rst, flags.has(Flags::SYN), ack) {
        (true, _, true) => {
            cx.close(tcb, Closed::ConnectRefused);
            Action::None
        }
        // A sender that has not received our SYN cannot refuse it.
        (true, _, false) => Action::Drop(DropReason::RstUnproven),
        (false, true, true) => establish(tcb, segment, cx, handler),
        (false, true, false) if flags.has(Flags::FIN) => Action::Drop(DropReason::SynWithFin),
        (false, true, false) => simultaneous_open(tcb, segment, cx),
        (false, false, _) => Action::Drop(DropReason::SynSentOther),
    }
}

/// An ACK of an old connection: the peer still has one with these ports, and our RST ends it. A SYN is
/// accepted after that, so it is retransmitted at once instead of after its time-out (as in Linux); only
/// the first time, since an attacker that guesses ports could trigger more.
fn challenged(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    let reset = stateless(segment);
    if tcb.retries() > 0 || cx.config.syn_retries == 0 {
        return Action::DropReply(DropReason::AckUnacceptable, reset);
    }
    tcb.set(TcbFlags::RETRANSMIT);
    Action::DropReplyThenOutput(DropReason::AckUnacceptable, reset)
}

/// SND.UNA < SEG.ACK <= SND.NXT.
fn acknowledges(tcb: &Tcb, segment: &SegmentInfo) -> bool {
    segment.ack.after(tcb.snd_una) && segment.ack.at_or_before(tcb.snd_nxt)
}

/// The SYN-ACK: ESTABLISHED. Its ACK is sent at once, the handler's data after it.
fn establish(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    cx: &mut Context<'_>,
    handler: &mut dyn ConnectionHandler,
) -> Action {
    if tcb.timer == Timer::Syn && !tcb.has(TcbFlags::SYN_LOST) {
        // Karn: for a SYN sent twice it is unknown which one was answered.
        let rtt = tcb.timer_age(cx.now.millis(), syn_timeout(0));
        tcb.srtt_ms = rtt.clamp(1, u32::from(u16::MAX)) as u16;
    }
    accept_options(tcb, segment, cx);
    tcb.state = State::Established;
    tcb.snd_una = segment.ack;
    tcb.set_retries(0);
    cx.timer = TimerOp::Stop;
    cx.counters.established.bump();
    handler.on_established(&mut Connection::new(tcb, cx));
    tcb.clear(TcbFlags::ACK_NOW);
    let ack = bare_ack(tcb, cx);
    let more = tcb.has(TcbFlags::ABORT) || has_output(tcb, cx);
    if more { Action::ReplyThenOutput(ack) } else { Action::Reply(ack) }
}

/// A SYN without an ACK: the peer opens actively, too. SYN-RECEIVED.
fn simultaneous_open(tcb: &mut Tcb, segment: &SegmentInfo, cx: &mut Context<'_>) -> Action {
    accept_options(tcb, segment, cx);
    tcb.state = State::SynReceived;
    tcb.set_retries(0);
    cx.start(Timer::SynAck, syn_timeout(0));
    Action::Reply(syn_ack(tcb, cx))
}

/// Takes the peer's initial sequence number, window and options. Its window is not scaled yet (RFC 7323 2.2):
/// it is rounded down to a multiple of the scale.
fn accept_options(tcb: &mut Tcb, segment: &SegmentInfo, cx: &Context<'_>) {
    let ipv6 = cx.endpoints.local().is_ipv6();
    let ours = tcb.mss;
    SynOptions::from_syn(&segment.options, ipv6).intersect(cx.config.syn_offer).apply_to(tcb, cx.now);
    tcb.mss = tcb.mss.min(ours);
    tcb.rcv_nxt = segment.seq + 1;
    tcb.snd_wnd = segment.window >> tcb.negotiated.send_shift();
}
