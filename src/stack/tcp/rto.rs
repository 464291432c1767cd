/// The retransmission timer's estimator (RFC 6298), in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rto {
    srtt: u32,
    rttvar: u32,
    rto: u32,
}

/// RFC 6298 2.1 and 2.4.
const INITIAL_MS: u32 = 1000;
/// RFC 6298 5.7: when the SYN or SYN-ACK was retransmitted.
const AFTER_SYN_LOSS_MS: u32 = 3000;
/// RFC 6298 2.5.
const MAX_MS: u32 = 60_000;

impl Rto {
    /// `srtt_ms` 0: no round trip was measured yet.
    pub(super) fn new(srtt_ms: u16, syn_was_lost: bool) -> Rto {
        if syn_was_lost && srtt_ms == 0 {
            return Rto { srtt: 0, rttvar: 0, rto: AFTER_SYN_LOSS_MS };
        }
        let mut rto = Rto { srtt: 0, rttvar: 0, rto: INITIAL_MS };
        if srtt_ms > 0 {
            rto.sample(u32::from(srtt_ms));
        }
        rto
    }

    /// A round trip of a segment sent once (Karn's rule, MUST-18).
    pub(super) fn sample(&mut self, rtt_ms: u32) {
        let rtt = rtt_ms.clamp(1, MAX_MS);
        if self.srtt == 0 {
            self.srtt = rtt;
            self.rttvar = rtt / 2;
        } else {
            self.rttvar = (3 * self.rttvar + self.srtt.abs_diff(rtt)) / 4;
            self.srtt = (7 * self.srtt + rtt) / 8;
        }
        self.rto = (self.srtt + (4 * self.rttvar).max(1)).clamp(INITIAL_MS, MAX_MS);
    }

    /// The time-out of transmission number `retries` (0: the first), with back-off.
    pub(super) fn timeout(&self, retries: u8) -> u32 {
        backed_off(self.rto, retries)
    }

    pub(super) fn srtt_ms(&self) -> u16 {
        self.srtt.min(u32::from(u16::MAX)) as u16
    }
}

/// The time-out of SYN or SYN-ACK number `retries`, milliseconds (RFC 6298 2.1, 5.5).
pub(super) const fn syn_timeout(retries: u8) -> u32 {
    backed_off(INITIAL_MS, retries)
}

/// `base` doubled `retries` times, at most [`MAX_MS`] (RFC 6298 5.5).
const fn backed_off(base: u32, retries: u8) -> u32 {
    let times = 1 << if retries < 16 { retries } else { 16 };
    let timeout = base.saturating_mul(times);
    if timeout < MAX_MS { timeout } else { MAX_MS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_sample_follows_2_2_and_the_floor_2_4() {
        assert_eq!(Rto::new(10, false).timeout(0), 1000);
        assert_eq!(Rto::new(1000, false).timeout(0), 3000, "SRTT + 4 * RTTVAR = R + 2R");
    }

    #[test]
    fn backs_off_to_the_ceiling() {
        let rto = Rto::new(0, false);
        let waits: Vec<_> = (0..8).map(|n| rto.timeout(n)).collect();
        assert_eq!(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    }

    #[test]
    fn a_lost_syn_ack_makes_the_first_data_patient() {
        assert_eq!(Rto::new(0, true).timeout(0), 3000);
        assert_eq!(Rto::new(5, true).timeout(0), 1000, "until a round trip has been measured");
    }

    #[test]
    fn converges_on_a_steady_path() {
        let mut rto = Rto::new(0, false);
        for _ in 0..100 {
            rto.sample(2000);
        }
        assert_eq!(rto.srtt_ms(), 2000);
        assert!(rto.timeout(0) < 2100);
    }
}
