//! The options of SYN and SYN-ACK: what either side offers, and what a connection uses of it. A TCP option
//! passes from [`TcpOptions`] on the wire through [`SynOptions`] to [`Negotiated`] in the connection.

use super::tcb::OUR_SHIFT;
use super::{Negotiated, State, Tcb, Time};
use crate::wire::{Seq, TcpOptions, Timestamps};

/// RFC 7323 2.3: a shift above 14 is taken as 14.
pub(super) const MAX_SHIFT: u8 = 14;
/// MUST-15: without an MSS option.
const DEFAULT_MSS4: u16 = 536;
const DEFAULT_MSS6: u16 = 1220;
/// Below this a peer's MSS leaves no room for options and data (RFC 791's 68-byte datagram,
/// less 40 of headers and options).
pub const MIN_MSS: u16 = 48;

/// The MSS of a peer without the option, bytes (MUST-15).
#[inline(always)]
pub(super) const fn default_mss(ipv6: bool) -> u16 {
    if ipv6 { DEFAULT_MSS6 } else { DEFAULT_MSS4 }
}

/// Options of a SYN that opens a connection from this side. Only what both sides offer is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferedOptions {
    /// With a shift of 0: a window of at most 65,535 needs no more, and the peer may scale its own.
    pub window_scale: bool,
    /// SACK-permitted (RFC 2018 2).
    pub sack: bool,
    /// Timestamps (RFC 7323 3.2).
    pub timestamps: bool,
}

impl Default for OfferedOptions {
    /// All of them, as the usual clients do.
    fn default() -> OfferedOptions {
        OfferedOptions { window_scale: true, sack: true, timestamps: true }
    }
}

impl OfferedOptions {
    /// No option but the MSS.
    pub const NONE: OfferedOptions = OfferedOptions { window_scale: false, sack: false, timestamps: false };

    /// The options of our SYN.
    #[inline(always)]
    pub(super) fn syn(self, our_mss: u16, timestamp: impl FnOnce() -> u32) -> TcpOptions {
        TcpOptions {
            mss: Some(our_mss),
            window_scale: self.window_scale.then_some(OUR_SHIFT),
            sack_permitted: self.sack,
            timestamps: self.timestamps.then(|| Timestamps { value: timestamp(), echo: 0 }),
        }
    }
}

/// The options of a peer's SYN: the same whether it was kept in a connection or carried by a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynOptions {
    /// The peer's MSS; never 0.
    pub mss: u16,
    /// The peer's shift, at most 14 (RFC 7323 2.3).
    pub window_scale: Option<u8>,
    /// Whether SACK-permitted was among them (RFC 2018 2).
    pub sack: bool,
    /// TSval of the segment that the options were read from.
    pub timestamp: Option<u32>,
}

impl SynOptions {
    /// No option but the MSS.
    pub const fn mss_only(mss: u16) -> SynOptions {
        SynOptions { mss, window_scale: None, sack: false, timestamp: None }
    }

    /// Reads a SYN's options.
    pub fn from_syn(options: &TcpOptions, ipv6: bool) -> SynOptions {
        SynOptions {
            mss: options.mss.unwrap_or(default_mss(ipv6)).max(MIN_MSS),
            window_scale: options.window_scale.map(|shift| shift.min(MAX_SHIFT)),
            sack: options.sack_permitted,
            timestamp: options.timestamps.map(|timestamps| timestamps.value),
        }
    }

    /// The options that a connection has negotiated.
    #[inline(always)]
    pub(super) fn of(tcb: &Tcb) -> SynOptions {
        let has = |option| tcb.negotiated.has(option);
        SynOptions {
            mss: tcb.mss,
            window_scale: has(Negotiated::WINDOW_SCALE).then_some(tcb.negotiated.send_shift()),
            sack: has(Negotiated::SACK),
            timestamp: has(Negotiated::TIMESTAMPS).then_some(tcb.ts_recent),
        }
    }

    /// The options of the SYN-ACK: only what the SYN offered (RFC 7323 2.2, 3.2; RFC 2018 2).
    #[inline(always)]
    pub(super) fn syn_ack(&self, our_mss: u16, timestamp: impl FnOnce() -> u32) -> TcpOptions {
        TcpOptions {
            mss: Some(our_mss),
            window_scale: self.window_scale.map(|_| OUR_SHIFT),
            sack_permitted: self.sack,
            timestamps: self.timestamp.map(|echo| Timestamps { value: timestamp(), echo }),
        }
    }

    /// What both sides offer, when these are the options of the answer to our SYN.
    pub(super) fn intersect(self, ours: OfferedOptions) -> SynOptions {
        SynOptions {
            mss: self.mss,
            window_scale: self.window_scale.filter(|_| ours.window_scale),
            sack: self.sack && ours.sack,
            timestamp: self.timestamp.filter(|_| ours.timestamps),
        }
    }

    /// A connection in SYN-RECEIVED (RFC 9293 3.10.7.2, third).
    /// `irs` and `iss` are the two initial sequence numbers, `window` the first receive window.
    pub(super) fn new_connection(&self, irs: Seq, iss: Seq, window: u16, now: Time) -> Tcb {
        let mut tcb = Tcb::new(State::SynReceived, iss, iss + 1, irs + 1);
        tcb.rcv_wnd = window;
        self.apply_to(&mut tcb, now);
        tcb
    }

    /// Writes the negotiated options into a connection.
    #[inline]
    pub(super) fn apply_to(&self, tcb: &mut Tcb, now: Time) {
        tcb.mss = self.mss;
        if let Some(shift) = self.window_scale {
            tcb.negotiated.add_window_scale(shift);
        }
        if let Some(value) = self.timestamp {
            tcb.negotiated.add(Negotiated::TIMESTAMPS);
            tcb.set_ts_recent(value, now);
        }
        if self.sack {
            tcb.negotiated.add(Negotiated::SACK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_s_offer() {
        let none = TcpOptions::default();
        let rows = [
            (none, false, SynOptions { mss: 536, window_scale: None, sack: false, timestamp: None }),
            (none, true, SynOptions { mss: 1220, window_scale: None, sack: false, timestamp: None }),
            (
                TcpOptions {
                    mss: Some(1),
                    window_scale: Some(200),
                    sack_permitted: true,
                    timestamps: Some(Timestamps { value: 7, echo: 9 }),
                },
                false,
                SynOptions { mss: MIN_MSS, window_scale: Some(14), sack: true, timestamp: Some(7) },
            ),
        ];
        for (options, ipv6, expected) in rows {
            assert_eq!(SynOptions::from_syn(&options, ipv6), expected);
        }
    }

    #[test]
    fn only_what_was_offered_is_answered() {
        for bits in 0..8 {
            let (scale, sack, stamp) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let offer = SynOptions {
                mss: 1400,
                window_scale: scale.then_some(3),
                sack,
                timestamp: stamp.then_some(5),
            };
            let answer = offer.syn_ack(1460, || 77);
            assert_eq!(answer.mss, Some(1460));
            assert_eq!(answer.window_scale, scale.then_some(0));
            assert_eq!(answer.sack_permitted, sack);
            assert_eq!(answer.timestamps, stamp.then_some(Timestamps { value: 77, echo: 5 }));
        }
    }

    #[test]
    fn a_connection_begins_with_both_initial_numbers_used() {
        let offer = SynOptions { mss: 1400, window_scale: Some(14), sack: true, timestamp: Some(5) };
        let tcb = offer.new_connection(Seq(u32::MAX), Seq(u32::MAX), 100, Time::from_millis(1));
        assert_eq!((tcb.rcv_nxt, tcb.snd_una, tcb.snd_nxt), (Seq(0), Seq(u32::MAX), Seq(0)));
        assert_eq!((tcb.negotiated.send_shift(), tcb.ts_recent), (14, 5));
    }
}
