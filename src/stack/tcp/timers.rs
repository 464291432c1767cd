//! Expired timers. A connection has at most one timer, for what it waits for next. The engine keeps them
//! in queues by time-out.

use super::rto::syn_timeout;
use super::{Action, Context, Tcb, TcbFlags, Timer};
use crate::observe::Closed;
use crate::tcp::output::{abort, retransmit_syn, syn_ack};

/// The maximum of [`Tcb::retries`].
const MAX_RETRIES: u8 = 15;

/// `timer` has expired; the connection has none now.
pub fn on_timer(timer: Timer, tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
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

/// The active open fails at R2 for SYNs (RFC 9293 3.8.3, MUST-23).
fn syn_lost(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if retries >= cx.config.syn_retries.min(MAX_RETRIES) {
        cx.close(tcb, Closed::ConnectTimeout);
        return Action::None;
    }
    Action::Reply(retransmit_syn(tcb, cx))
}

fn syn_ack_lost(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    if !await_ack_of_syn(tcb, cx) {
        return Action::None;
    }
    cx.counters.syn_ack_retransmissions.bump();
    Action::Reply(syn_ack(tcb, cx))
}

/// The timer of a SYN-ACK has expired: waits on, without sending it again. False: the connection has ended.
pub fn await_ack_of_syn(tcb: &mut Tcb, cx: &mut Context<'_>) -> bool {
    let retries = tcb.retries();
    let (max_retries, end) = match tcb.is_active() {
        true => (cx.config.syn_retries.min(MAX_RETRIES), Closed::ConnectTimeout),
        false => (cx.config.syn_ack_retries, Closed::HandshakeTimeout),
    };
    if retries >= max_retries {
        cx.close(tcb, end);
        return false;
    }
    tcb.set_retries(retries + 1);
    tcb.set(TcbFlags::SYN_LOST);
    cx.start(Timer::SynAck, syn_timeout(retries + 1));
    true
}

/// RFC 6298 5.4 to 5.6; the connection ends at R2 (MUST-20).
fn retransmit(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if tcb.snd_wnd == 0 && takes_nothing(tcb, cx) {
        return Action::Reply(abort(tcb, Closed::PersistTimeout, cx));
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

/// Whether the peer has accepted no data for longer than [`Config::persist_timeout_ms`](super::Config).
pub(super) fn takes_nothing(tcb: &Tcb, cx: &Context<'_>) -> bool {
    let limit = cx.config.persist_timeout_ms;
    limit > 0 && cx.buffers.stalled_ms(tcb.buffer, cx.now.millis()) >= limit
}

/// Probes continue as long as the peer answers them (MUST-37), since an answer resets the count; but no
/// longer than `persist_timeout_ms`, if set (RFC 6429).
fn probe(tcb: &mut Tcb, cx: &mut Context<'_>) -> Action {
    let retries = tcb.retries();
    if takes_nothing(tcb, cx) {
        return Action::Reply(abort(tcb, Closed::PersistTimeout, cx));
    }
    if retries >= cx.config.retries {
        cx.close(tcb, Closed::RetransmitTimeout);
        return Action::None;
    }
    tcb.set_retries(retries + 1);
    // A small window is used after one time-out (the override of MUST-38), a closed one is probed.
    if tcb.snd_wnd > 0 {
        tcb.set(TcbFlags::SWS_OVERRIDE);
    } else {
        tcb.set(TcbFlags::PROBE);
        cx.counters.window_probes.bump();
    }
    Action::Output
}
