//! What a connection waits for, and what happens when it has waited long enough. A connection
//! has at most one timer: what it waits for next. The engine keeps them in queues by time-out.

use super::{Action, Context, Tcb, TcbFlags, give_up, rto};
use crate::observe::Closed;
use crate::tcp::output::{syn, syn_ack};
use crate::wire::TxSegment;

/// What is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(u8)]
pub enum Timer {
    #[default]
    None = 0,
    /// The answer to our SYN.
    Syn,
    /// The ACK of our SYN-ACK.
    SynAck,
    /// The moment to send the first SYN-ACK, delayed on purpose.
    SynAckDelay,
    /// The ACK of data or FIN (RFC 6298).
    Retransmit,
    /// The peer's window to open (RFC 9293 3.8.6.1).
    Persist,
    /// The peer's FIN in FIN-WAIT-2.
    FinWait2,
    /// The end of 2 MSL.
    TimeWait,
    /// A frame for what is owed: there was none.
    Frame,
}

/// The time-out of SYN or SYN-ACK number `retries`, milliseconds (RFC 6298 2.1, 5.5).
pub(super) fn syn_timeout(retries: u8) -> u32 {
    rto::backed_off(rto::INITIAL_MS, retries)
}

/// What [`Tcb::retries`] can count to.
const MOST_RETRIES: u8 = 15;

/// `timer` has expired; the connection has none now.
pub fn expires(timer: Timer, tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    match timer {
        Timer::None => Action::None,
        Timer::Syn => syn_lost(tcb, cx),
        Timer::SynAck => syn_ack_lost(tcb, cx),
        Timer::SynAckDelay => {
            cx.counters.syn_acks.bump();
            cx.start(Timer::SynAck, syn_timeout(0));
            Action::Reply(syn_ack(tcb, cx))
        }
        Timer::Retransmit => retransmit(tcb, cx),
        Timer::Persist => probe(tcb, cx),
        Timer::FinWait2 => {
            cx.close(tcb, Closed::FinWait2Timeout);
            Action::None
        }
        Timer::Frame => Action::Output,
        Timer::TimeWait => {
            cx.close(tcb, Closed::TimeWaitEnded);
            Action::None
        }
    }
}

/// At R2 for SYNs the connection is given up (RFC 9293 3.8.3, MUST-23).
fn syn_lost(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if retries >= cx.config.syn_retries.min(MOST_RETRIES) {
        cx.close(tcb, Closed::ConnectTimeout);
        return Action::None;
    }
    Action::Reply(syn_again(tcb, cx))
}

/// The SYN once more, and its timer with it.
pub(super) fn syn_again(tcb: &mut Tcb, cx: &mut Context<'_>) -> TxSegment {
    let retries = tcb.retries() + 1;
    tcb.set_retries(retries);
    tcb.set(TcbFlags::SYN_LOST);
    cx.counters.syn_retransmissions.bump();
    cx.start(Timer::Syn, syn_timeout(retries));
    syn(tcb, cx)
}

fn syn_ack_lost(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    let (most, end) = match tcb.is_active() {
        true => (cx.config.syn_retries.min(MOST_RETRIES), Closed::ConnectTimeout),
        false => (cx.config.syn_ack_retries, Closed::HandshakeTimeout),
    };
    if retries >= most {
        cx.close(tcb, end);
        return Action::None;
    }
    tcb.set_retries(retries + 1);
    tcb.set(TcbFlags::SYN_LOST);
    cx.counters.syn_ack_retransmissions.bump();
    cx.start(Timer::SynAck, syn_timeout(retries + 1));
    Action::Reply(syn_ack(tcb, cx))
}

/// RFC 6298 5.4 to 5.6; at R2 the connection is given up (MUST-20).
fn retransmit(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if tcb.snd_wnd == 0 && takes_nothing(tcb, cx) {
        return Action::Reply(give_up(tcb, Closed::PersistTimeout, cx));
    }
    if retries >= cx.config.retries {
        cx.close(tcb, Closed::RetransmitTimeout);
        return Action::None;
    }
    tcb.set_retries(retries + 1);
    tcb.set(TcbFlags::RETRANSMIT);
    cx.counters.retransmissions.bump();
    Action::Output
}

/// Whether the peer has taken nothing for longer than it may.
pub(super) fn takes_nothing(tcb: &Tcb, cx: &Context<'_>) -> bool {
    let limit = cx.config.persist_timeout_ms;
    limit > 0 && cx.buffers.stalled_ms(tcb.buffer, cx.now.millis()) >= limit
}

/// Probes go on for as long as the peer answers them (MUST-37), an answer resets the count; but no
/// longer than `persist_timeout_ms` where that is set (RFC 6429).
fn probe(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if takes_nothing(tcb, cx) {
        return Action::Reply(give_up(tcb, Closed::PersistTimeout, cx));
    }
    if retries >= cx.config.retries {
        cx.close(tcb, Closed::RetransmitTimeout);
        return Action::None;
    }
    tcb.set_retries(retries + 1);
    // A small window is used after one time-out (MUST-38's override), a closed one is probed.
    if tcb.snd_wnd > 0 {
        tcb.set(TcbFlags::PUSH_OUT);
    } else {
        tcb.set(TcbFlags::PROBE);
        cx.counters.window_probes.bump();
    }
    Action::Output
}
