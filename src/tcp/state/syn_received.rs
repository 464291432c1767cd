//! SYN-RECEIVED, from a passive open (RFC 9293 3.10.7.4).
//!
//! Why three segments: the SYN alone proves nothing, it may be an old duplicate. Only the ACK of
//! our ISN shows that the peer lives and means this connection.

use super::established::text_and_fin;
use super::{settle, settle_dropped};
use crate::observe::{Closed, DropReason};
use crate::tcp::acceptance::{challenge, in_window, paws, remember_timestamp};
use crate::tcp::output::syn_ack;
use crate::tcp::reset::stateless;
use crate::tcp::timers::syn_ack_timeout;
use crate::tcp::{Handle, State, Step, Tcb, TcbFlags, Timer, TimerOp, User, Verdict};
use crate::wire::{Flags, SegmentInfo};

pub(super) fn arrives(
    tcb: &mut Tcb,
    segment: &SegmentInfo,
    payload: &[u8],
    step: &mut Step<'_>,
    user: &mut dyn User,
) -> Verdict {
    if let Err(verdict) = check(tcb, segment, step) {
        return verdict;
    }
    establish(tcb, segment, step, user);
    match text_and_fin(tcb, segment, payload, step, user) {
        Ok(()) => settle(tcb, step),
        Err(verdict) => settle_dropped(verdict, tcb, step),
    }
}

/// Everything that is not the ACK we wait for.
#[inline]
fn check(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Result<(), Verdict> {
    let flags = segment.flags;
    let only_syn = flags.has(Flags::SYN) && !flags.has(Flags::ACK) && !flags.has(Flags::RST);
    if only_syn && segment.seq + 1 == tcb.rcv_nxt {
        return Err(syn_again(tcb, segment, step));
    }
    paws(tcb, segment, step)?;
    if !in_window(tcb, segment) {
        return Err(match flags.has(Flags::RST) {
            true => Verdict::Drop(DropReason::RstOutOfWindow),
            false => challenge(tcb, step, DropReason::OutOfWindow),
        });
    }
    if flags.has(Flags::RST) && segment.seq != tcb.rcv_nxt {
        return Err(challenge(tcb, step, DropReason::RstOutOfWindow));
    }
    // Back to LISTEN: by the peer's RST (it does not know our SYN-ACK: the SYN was an old
    // duplicate), or by a SYN within the window.
    if flags.has(Flags::RST) || flags.has(Flags::SYN) {
        step.close(tcb, Closed::HandshakeReset);
        return Err(Verdict::Quiet);
    }
    if !flags.has(Flags::ACK) {
        return Err(Verdict::Drop(DropReason::AckMissing));
    }
    let acceptable = segment.ack.after(tcb.snd_una) && segment.ack.at_or_before(tcb.snd_nxt);
    if !acceptable {
        return Err(Verdict::DropReply(DropReason::AckUnacceptable, stateless(segment)));
    }
    Ok(())
}

/// The peer has not seen our SYN-ACK: the same again, its timer untouched.
fn syn_again(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>) -> Verdict {
    if tcb.timer == Timer::SynAckDelay {
        return Verdict::Quiet;
    }
    remember_timestamp(tcb, segment, step.now);
    tcb.set(TcbFlags::SYN_LOST);
    step.counters.syn_ack_retransmissions.bump();
    Verdict::Reply(syn_ack(tcb, step))
}

/// RFC 9293 3.10.7.4, fifth: SND.UNA < SEG.ACK <= SND.NXT.
#[inline]
fn establish(tcb: &mut Tcb, segment: &SegmentInfo, step: &mut Step<'_>, user: &mut dyn User) {
    tcb.state = State::Established;
    tcb.snd_una = segment.ack;
    tcb.snd_wnd = segment.window;
    remember_timestamp(tcb, segment, step.now);
    if tcb.timer == Timer::SynAck && tcb.retries() == 0 && !tcb.has(TcbFlags::SYN_LOST) {
        let rtt = tcb.timer_age(step.now.millis(), syn_ack_timeout(0));
        tcb.srtt_ms = rtt.clamp(1, u32::from(u16::MAX)) as u16;
    }
    tcb.set_retries(0);
    step.timer = TimerOp::Stop;
    step.counters.established.bump();
    user.opened(&mut Handle::new(tcb, step));
}
