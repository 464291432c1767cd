//! State of the probing of held connections.

/// Probes sent in one poll at most.
pub(super) const PROBE_BATCH: u64 = 128;

/// Probes without a reply at a time. Sent faster than the peer replies, they would overflow its rings, and
/// live connections would count as lost.
const WINDOW: u64 = 1024;
/// Without any reply for this long, all outstanding probes are given up until the next round.
const PROBE_TIMEOUT_US: u64 = 50_000;

/// Rounds over all connections; from the second round on only those without a reply are probed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Complete rounds.
    pub(super) rounds: u8,
    pub(super) cursor: u32,
    /// When the round began, and probes sent in it.
    pub(super) began_us: u64,
    pub(super) sent: u64,
    /// Replies in the step when the round began, replies in the round, and when the last one was seen.
    pub(super) base: u64,
    pub(super) replied: u64,
    pub(super) replied_us: u64,
    /// Probes given up, and when that was decided.
    pub(super) given_up: u64,
    pub(super) given_up_us: u64,
    /// Until when replies are waited for, once the round's last probe is sent.
    pub(super) wait_until: Option<u64>,
}

impl Probing {
    /// `replies`: in the step so far.
    pub(super) fn new(first: u32, replies: u64, elapsed: u64) -> Probing {
        Probing {
            rounds: 0,
            cursor: first,
            began_us: elapsed,
            sent: 0,
            base: replies,
            replied: 0,
            replied_us: elapsed,
            given_up: 0,
            given_up_us: elapsed,
            wait_until: None,
        }
    }

    /// Records the number of replies, `replies` in the step so far.
    pub(super) fn record_replies(&mut self, replies: u64, elapsed: u64) {
        let replied = replies.saturating_sub(self.base);
        if replied > self.replied {
            (self.replied, self.replied_us, self.given_up_us) = (replied, elapsed, elapsed);
        } else if elapsed - self.given_up_us >= PROBE_TIMEOUT_US {
            self.given_up = self.sent.saturating_sub(replied);
            self.given_up_us = elapsed;
        }
    }

    /// Returns how many probes may be sent now.
    pub(super) fn allowance(&self, per_second: u32, elapsed: u64) -> u64 {
        let by_now = u128::from(elapsed - self.began_us) * u128::from(per_second) / 1_000_000 + 1;
        let out = self.sent.saturating_sub(self.replied + self.given_up);
        (by_now as u64).saturating_sub(self.sent).min(WINDOW.saturating_sub(out)).min(PROBE_BATCH)
    }

    /// Replies per second in this round.
    pub(super) fn pace(&self) -> u64 {
        let took = u128::from(self.replied_us.saturating_sub(self.began_us).max(1));
        (u128::from(self.replied) * 1_000_000 / took) as u64
    }
}
