use super::Time;
use super::clock::millis_since;
use super::ids::{BufferId, NO_LINK, Timer, TimerLinks};
use super::rto::syn_timeout;
use crate::wire::Seq;

/// The states of RFC 9293 3.3.2 that a stored connection can be in. LISTEN is a listener, not a
/// connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(u8)]
pub enum State {
    /// Not a connection: the slot is to be freed.
    #[default]
    Closed = 0,
    /// The SYN of an active open has no answer yet.
    SynSent,
    /// A SYN was received; the SYN of this end is not acknowledged yet.
    SynReceived,
    /// Data may flow in both directions.
    Established,
    /// This end has closed first; its FIN is not acknowledged yet.
    FinWait1,
    /// The FIN of this end is acknowledged; the peer may still send.
    FinWait2,
    /// Both ends have closed at once; the FIN of this end is not acknowledged yet.
    Closing,
    /// Both ends have closed: for 2 MSL, late segments are answered here.
    TimeWait,
    /// The peer has closed; this end may still send.
    CloseWait,
    /// Both ends have closed, the peer first; the FIN of this end is not acknowledged yet.
    LastAck,
}

/// The TCP options in use on a connection, and the peer's window scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(transparent)]
pub struct Negotiated(u8);

impl Negotiated {
    /// Snd.Wind.Shift, at most 14.
    const SHIFT: u8 = 0x0f;
    /// Timestamps (RFC 7323 3.2).
    pub const TIMESTAMPS: Negotiated = Negotiated(1 << 4);
    /// The peer accepts SACK blocks. The stack keeps no data out of order, so it sends none.
    pub const SACK: Negotiated = Negotiated(1 << 5);
    /// Window scale (RFC 7323 2.2), also with a shift of 0.
    pub const WINDOW_SCALE: Negotiated = Negotiated(1 << 6);

    /// All options, with this shift of the peer's, at most 14.
    #[inline(always)]
    pub(super) const fn all(shift: u8) -> Negotiated {
        let bits = Negotiated::TIMESTAMPS.0 | Negotiated::SACK.0 | Negotiated::WINDOW_SCALE.0;
        Negotiated(bits | shift & Negotiated::SHIFT)
    }

    /// Whether any of these is in use.
    #[inline]
    pub const fn has(self, option: Negotiated) -> bool {
        self.0 & option.0 != 0
    }

    /// Notes that an option is in use.
    #[inline]
    pub fn add(&mut self, option: Negotiated) {
        self.0 |= option.0;
    }

    /// Adds window scale with this shift of the peer's.
    #[inline]
    pub fn add_window_scale(&mut self, shift: u8) {
        self.0 = self.0 & !Negotiated::SHIFT | Negotiated::WINDOW_SCALE.0 | shift & Negotiated::SHIFT;
    }

    /// Snd.Wind.Shift (RFC 7323 2.3).
    #[inline]
    pub const fn send_shift(self) -> u8 {
        self.0 & Negotiated::SHIFT
    }
}

/// Pending output and what has happened. Bits 12 to 15 are free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(transparent)]
pub struct TcbFlags(pub u16);

impl TcbFlags {
    /// An ACK is due at the end of the batch.
    pub const ACK_NOW: TcbFlags = TcbFlags(1);
    /// On a list of connections with pending output.
    pub const QUEUED: TcbFlags = TcbFlags(1 << 1);
    /// The handler has nothing more to send: a FIN follows the data.
    pub const SEND_CLOSED: TcbFlags = TcbFlags(1 << 2);
    /// The handler accepts no more data: new data is answered with a RST (RFC 9293 3.6.1, SHLD-3).
    pub const RECEIVE_CLOSED: TcbFlags = TcbFlags(1 << 3);
    /// SND.NXT counts our FIN.
    pub const FIN_SENT: TcbFlags = TcbFlags(1 << 4);
    /// The handler wants the connection aborted.
    pub const ABORT: TcbFlags = TcbFlags(1 << 5);
    /// The next segment starts at SND.UNA again.
    pub const RETRANSMIT: TcbFlags = TcbFlags(1 << 6);
    /// The next segment asks the peer for an ACK: to probe a closed window, or a silent peer.
    pub const PROBE: TcbFlags = TcbFlags(1 << 7);
    /// A SYN or SYN-ACK was retransmitted (RFC 6298 5.7).
    pub const SYN_LOST: TcbFlags = TcbFlags(1 << 8);
    /// Data has been sent: ACKs older than SND.UNA are possible.
    pub const SENT_DATA: TcbFlags = TcbFlags(1 << 9);
    /// Send less than a full segment: the override of silly window avoidance has expired.
    pub const SWS_OVERRIDE: TcbFlags = TcbFlags(1 << 10);
    /// A challenge ACK has been sent at `challenge`.
    pub const CHALLENGED: TcbFlags = TcbFlags(1 << 11);

    /// Either; for [`Tcb::has`].
    pub const fn with(self, other: TcbFlags) -> TcbFlags {
        TcbFlags(self.0 | other.0)
    }
}

/// Rcv.Wind.Shift, which the stack announces: a receive window of at most 65,535 needs none.
pub(super) const OUR_SHIFT: u8 = 0;

/// In place of a listener: the connection was opened actively.
pub const ACTIVE_OPEN: u16 = u16::MAX;

/// The state of one connection without its 4-tuple: 52 bytes, so that with an IPv4 key it is
/// one cache line, with an IPv6 key two.
///
/// Fields of RFC 9293's TCB that it lacks: SND.WL1 and SND.WL2 (a window is accepted only from segments with
/// SEG.ACK >= SND.UNA and text in order, so a segment is never older than the one that set it), ISS and
/// IRS (SND.UNA and RCV.NXT - 1 in SYN-RECEIVED, not needed after), the urgent pointers, and the state of
/// data in flight (in the send buffer, attached only while there is some).
#[derive(Clone, Copy, Debug, zerocopy::FromZeros)]
#[repr(C)]
pub struct Tcb {
    /// SND.UNA: the oldest sequence number without an ACK (RFC 9293 3.3.1).
    pub snd_una: Seq,
    /// SND.NXT: the sequence number after the last one sent (RFC 9293 3.3.1).
    pub snd_nxt: Seq,
    /// RCV.NXT: the sequence number expected from the peer (RFC 9293 3.3.1).
    pub rcv_nxt: Seq,
    /// TS.Recent (RFC 7323 4.3).
    pub ts_recent: u32,
    /// When `timer` expires, milliseconds modulo 2^32. Without a timer: when the last segment arrived or
    /// keep-alive was sent, by the idle clock ([`super::IdleClock`]).
    pub deadline_ms: u32,
    /// Neighbours in a list of timers. Without a timer: `next` is when data was last sent or
    /// received or the timer of a FIN ended, by the idle clock.
    pub timer_links: TimerLinks,
    /// The send buffer, while there is data to send or to be acknowledged.
    pub buffer: BufferId,
    /// SND.WND as on the wire: shift by [`Negotiated::send_shift`].
    pub snd_wnd: u16,
    /// RCV.WND: bytes that the peer may still send. The right edge never moves left (SHLD-14).
    pub rcv_wnd: u16,
    /// The maximum of text and options in a segment that we send, bytes: the smaller MSS of both.
    pub mss: u16,
    /// Smoothed round trip, milliseconds; 0: none. Seeds the send buffer's estimator.
    pub srtt_ms: u16,
    /// The return path: an entry of the engine's table of link headers.
    pub next_hop: u16,
    /// The listener, which determines the service; or [`ACTIVE_OPEN`].
    pub listener: u16,
    /// When the last challenge ACK was sent, units of 8 ms modulo 2^16.
    pub challenge: u16,
    /// Pending output and what has happened.
    pub flags: TcbFlags,
    /// The state of RFC 9293 3.3.2.
    pub state: State,
    /// The options in use.
    pub negotiated: Negotiated,
    /// What the connection waits for until `deadline_ms`.
    pub timer: Timer,
    /// Low half: retransmissions so far of what `timer` guards; without a timer, keep-alives that are
    /// unanswered. High half: when TS.Recent was set, units of 2^29 ms (6.2 days) modulo 16.
    pub(super) retries_epoch: u8,
}

// With the key, one cache line.
const _: () = assert!(size_of::<Tcb>() == 52 && align_of::<Tcb>() == 4);

/// A connection in SYN-RECEIVED, for the fields that its opening does not set.
pub(super) const HALF_OPEN: Tcb = Tcb {
    snd_una: Seq(0),
    snd_nxt: Seq(0),
    rcv_nxt: Seq(0),
    ts_recent: 0,
    deadline_ms: 0,
    timer_links: TimerLinks { prev: NO_LINK, next: NO_LINK },
    buffer: BufferId::NONE,
    snd_wnd: 0,
    rcv_wnd: 0,
    mss: 0,
    srtt_ms: 0,
    next_hop: 0,
    listener: 0,
    challenge: 0,
    flags: TcbFlags(0),
    state: State::SynReceived,
    negotiated: Negotiated(0),
    timer: Timer::None,
    retries_epoch: 0,
};

/// Units of 2^29 ms, modulo 16.
#[inline]
fn epoch(now: Time) -> u8 {
    ((now.micros / 1000) >> 29) as u8 & 0x0f
}

impl Tcb {
    /// A connection with no negotiated options and no pending output.
    pub(super) fn new(state: State, una: Seq, nxt: Seq, rcv_nxt: Seq) -> Tcb {
        Tcb { snd_una: una, snd_nxt: nxt, rcv_nxt, state, ..HALF_OPEN }
    }

    /// Whether it was opened actively.
    #[inline]
    pub fn is_active(&self) -> bool {
        self.listener == ACTIVE_OPEN
    }

    /// Whether the handshake is still under way.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self.state, State::SynSent | State::SynReceived)
    }

    /// Whether it is synchronized and not in TIME-WAIT: a peer may wait for its segments.
    pub fn is_open(&self) -> bool {
        use State::*;
        matches!(self.state, Established | FinWait1 | FinWait2 | Closing | CloseWait | LastAck)
    }

    /// Whether any of these is set.
    #[inline]
    pub fn has(&self, flag: TcbFlags) -> bool {
        self.flags.0 & flag.0 != 0
    }

    /// Sets these flags; the others stay.
    #[inline]
    pub fn set(&mut self, flag: TcbFlags) {
        self.flags.0 |= flag.0;
    }

    /// Clears these flags; the others stay.
    #[inline]
    pub fn clear(&mut self, flag: TcbFlags) {
        self.flags.0 &= !flag.0;
    }

    /// Clears a flag and returns whether it was set.
    #[inline]
    pub fn take(&mut self, flag: TcbFlags) -> bool {
        let was = self.has(flag);
        self.clear(flag);
        was
    }

    /// SND.WND in bytes (MUST-1, REC-1).
    #[inline]
    pub fn send_window(&self) -> u32 {
        u32::from(self.snd_wnd) << self.negotiated.send_shift()
    }

    /// SEG.WND of a segment sent now, rounded down to the shift.
    #[inline]
    pub fn window_field(&self) -> u16 {
        self.rcv_wnd >> OUR_SHIFT
    }

    /// Retransmissions so far of what `timer` waits for.
    #[inline]
    pub fn retries(&self) -> u8 {
        self.retries_epoch & 0x0f
    }

    pub(super) fn set_retries(&mut self, retries: u8) {
        self.retries_epoch = self.retries_epoch & 0xf0 | retries.min(15);
    }

    /// Sets TS.Recent.
    #[inline]
    pub(super) fn set_ts_recent(&mut self, value: u32, now: Time) {
        self.ts_recent = value;
        self.retries_epoch = self.retries_epoch & 0x0f | epoch(now) << 4;
    }

    /// Whether TS.Recent is too old for a comparison (RFC 7323 5.5): after 18 to 24 days. After 99 days
    /// without a segment the four bits may wrap, and it counts as recent.
    #[inline]
    pub(super) fn ts_recent_outdated(&self, now: Time) -> bool {
        (epoch(now).wrapping_sub(self.retries_epoch >> 4) & 0x0f) >= 4
    }

    /// Sequence numbers sent and not acknowledged.
    #[inline]
    pub(super) fn in_flight(&self) -> u32 {
        self.snd_nxt.since(self.snd_una)
    }

    /// Whether our FIN has been sent and acknowledged.
    #[inline]
    pub(super) fn fin_acked(&self) -> bool {
        self.has(TcbFlags::FIN_SENT) && self.snd_una == self.snd_nxt
    }

    /// Whether a challenge ACK may be sent at `now_ms`; if so, notes it (RFC 5961 7).
    pub(super) fn may_challenge(&mut self, now_ms: u32, interval_ms: u32) -> bool {
        let now = (now_ms / 8) as u16;
        let since = u32::from(now.wrapping_sub(self.challenge)) * 8;
        if self.has(TcbFlags::CHALLENGED) && since < interval_ms {
            return false;
        }
        self.set(TcbFlags::CHALLENGED);
        self.challenge = now;
        true
    }

    /// The round trip of a SYN-ACK that was sent once (Karn's rule, MUST-18).
    #[inline(always)]
    pub(super) fn measure_handshake(&mut self, now_ms: u32) {
        if self.timer == Timer::SynAck && self.retries() == 0 && !self.has(TcbFlags::SYN_LOST) {
            let rtt = self.timer_age(now_ms, syn_timeout(0)).max(1);
            self.srtt_ms = u16::try_from(rtt).unwrap_or(u16::MAX);
        }
    }

    /// Milliseconds since this timer of `length_ms` was started.
    pub(super) fn timer_age(&self, now_ms: u32, length_ms: u32) -> u32 {
        millis_since(now_ms, self.deadline_ms.wrapping_sub(length_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcb() -> Tcb {
        Tcb::new(State::Established, Seq(0), Seq(0), Seq(0))
    }

    #[test]
    fn challenges_keep_their_interval_across_the_wrap_of_their_clock() {
        for start in [0, 8 * 65_535, u32::MAX - 100] {
            let mut tcb = tcb();
            let rows = [(0, true), (0, false), (480, false), (520, true), (1000, false), (1100, true)];
            for (after, passes) in rows {
                assert_eq!(tcb.may_challenge(start.wrapping_add(after), 500), passes, "{start} + {after}");
            }
        }
    }

    #[test]
    fn ts_recent_is_outdated_after_18_to_24_days() {
        const DAY_MS: u64 = 24 * 3_600_000;
        for start in 0..40 {
            let set_at = start * DAY_MS;
            let mut tcb = tcb();
            tcb.set_ts_recent(1, Time::from_millis(set_at));
            let outdated = |days: u64| tcb.ts_recent_outdated(Time::from_millis(set_at + days * DAY_MS));
            assert!((0..=18).all(|days| !outdated(days)), "set on day {start}");
            assert!((25..=90).all(outdated), "set on day {start}");
        }
    }

    #[test]
    fn half_bytes_do_not_touch_each_other() {
        let mut tcb = tcb();
        tcb.set_ts_recent(1, Time::from_millis(15 << 29));
        tcb.set_retries(200);
        assert_eq!((tcb.retries(), tcb.retries_epoch >> 4), (15, 15));
        tcb.set_ts_recent(1, Time::from_millis(3 << 29));
        assert_eq!((tcb.retries(), tcb.retries_epoch >> 4), (15, 3));
    }

    #[test]
    fn the_widest_window() {
        let mut tcb = tcb();
        tcb.snd_wnd = u16::MAX;
        tcb.negotiated.add_window_scale(14);
        assert_eq!(tcb.send_window(), 65_535 << 14);
    }
}
