use super::{Negotiated, OfferedOptions, State, Tcb, Time};
use crate::wire::{Seq, TcpOptions, Timestamps};

/// RFC 7323 2.3: a shift above 14 is taken as 14.
const MAX_SHIFT: u8 = 14;
/// MUST-15: without an MSS option.
const DEFAULT_MSS4: u16 = 536;
const DEFAULT_MSS6: u16 = 1220;
/// Below this a peer's MSS leaves no room for options and data (RFC 791's 68-byte datagram,
/// less 40 of headers and options).
pub(super) const LEAST_MSS: u16 = 48;

/// What a SYN offers, reduced to what we keep: the same whether it was kept in a connection or
/// travelled in a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SynOptions {
    /// The peer's MSS; never 0.
    pub mss: u16,
    pub window_scale: Option<u8>,
    pub sack: bool,
    /// TSval of the segment the offer is read from.
    pub timestamp: Option<u32>,
}

impl SynOptions {
    /// Reads a SYN's options.
    pub fn from_syn(options: &TcpOptions, ipv6: bool) -> SynOptions {
        let default = if ipv6 { DEFAULT_MSS6 } else { DEFAULT_MSS4 };
        SynOptions {
            mss: options.mss.unwrap_or(default).max(LEAST_MSS),
            window_scale: options.window_scale.map(|shift| shift.min(MAX_SHIFT)),
            sack: options.sack_permitted,
            timestamp: options.timestamps.map(|timestamps| timestamps.value),
        }
    }

    /// The options of the SYN-ACK: nothing that was not offered (RFC 7323 2.2, 3.2; RFC 2018 2).
    pub(super) fn answer(&self, our_mss: u16, our_shift: u8, timestamp: u32) -> TcpOptions {
        TcpOptions {
            mss: Some(our_mss),
            window_scale: self.window_scale.map(|_| our_shift),
            sack_permitted: self.sack,
            timestamps: self.timestamp.map(|echo| Timestamps { value: timestamp, echo }),
        }
    }

    /// What both sides offer, when this is the answer to a SYN of ours.
    pub(super) fn of_both(self, ours: OfferedOptions) -> SynOptions {
        SynOptions {
            mss: self.mss,
            window_scale: self.window_scale.filter(|_| ours.window_scale),
            sack: self.sack && ours.sack,
            timestamp: self.timestamp.filter(|_| ours.timestamps),
        }
    }

    /// A connection in SYN-RECEIVED (RFC 9293 3.10.7.2, third).
    /// `irs` and `iss` are the two initial sequence numbers, `window` the credit given at first.
    pub(super) fn connection(&self, irs: Seq, iss: Seq, window: u16, now: Time) -> Tcb {
        let mut tcb = Tcb::new(State::SynReceived, iss, iss + 1, irs + 1);
        tcb.rcv_wnd = window;
        self.agree(&mut tcb, now);
        tcb
    }

    /// Puts what was agreed on into a connection.
    #[inline]
    pub(super) fn agree(&self, tcb: &mut Tcb, now: Time) {
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
                SynOptions { mss: LEAST_MSS, window_scale: Some(14), sack: true, timestamp: Some(7) },
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
            let answer = offer.answer(1460, 0, 77);
            assert_eq!(answer.mss, Some(1460));
            assert_eq!(answer.window_scale, scale.then_some(0));
            assert_eq!(answer.sack_permitted, sack);
            assert_eq!(answer.timestamps, stamp.then_some(Timestamps { value: 77, echo: 5 }));
        }
    }

    #[test]
    fn a_connection_begins_with_both_initial_numbers_used() {
        let offer = SynOptions { mss: 1400, window_scale: Some(14), sack: true, timestamp: Some(5) };
        let tcb = offer.connection(Seq(u32::MAX), Seq(u32::MAX), 100, Time::from_millis(1));
        assert_eq!((tcb.rcv_nxt, tcb.snd_una, tcb.snd_nxt), (Seq(0), Seq(u32::MAX), Seq(0)));
        assert_eq!((tcb.negotiated.send_shift(), tcb.ts_recent), (14, 5));
    }
}
