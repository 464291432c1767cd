//! A walk over the held connections that asks each whether it still lives: data alone.

/// Probes sent in one poll at most.
pub(super) const PROBE_BATCH: u64 = 128;

/// Probes without an answer at a time. Faster than the peer answers they would be lost in its rings,
/// and what lives would be taken for dead.
const WINDOW: u64 = 1024;
/// No answer for so long: those that are out are given up, until the next round.
const PROBE_TIMEOUT_US: u64 = 50_000;

/// Rounds over all connections; from the second one on only the silent ones are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Rounds that are over.
    pub(super) rounds: u8,
    pub(super) cursor: u32,
    /// When the round began, and probes sent in it.
    pub(super) began_us: u64,
    pub(super) sent: u64,
    /// Answers in the step when the round began, answers in the round, and when the last was seen.
    pub(super) base: u64,
    pub(super) answered: u64,
    pub(super) answered_us: u64,
    /// Of those sent: no longer waited for, and when that was looked at.
    pub(super) given_up: u64,
    pub(super) given_up_us: u64,
    /// The round's last probe is out: until then answers have time.
    pub(super) pause: Option<u64>,
}

impl Probing {
    /// `answers`: in the step so far.
    pub(super) fn new(first: u32, answers: u64, elapsed: u64) -> Probing {
        Probing {
            rounds: 0,
            cursor: first,
            began_us: elapsed,
            sent: 0,
            base: answers,
            answered: 0,
            answered_us: elapsed,
            given_up: 0,
            given_up_us: elapsed,
            pause: None,
        }
    }

    /// Looks at how many have answered.
    pub(super) fn see(&mut self, answers: u64, elapsed: u64) {
        let answered = answers.saturating_sub(self.base);
        if answered > self.answered {
            (self.answered, self.answered_us, self.given_up_us) = (answered, elapsed, elapsed);
        } else if elapsed - self.given_up_us >= PROBE_TIMEOUT_US {
            self.given_up = self.sent.saturating_sub(answered);
            self.given_up_us = elapsed;
        }
    }

    /// How many more may be sent by now.
    pub(super) fn allowance(&self, per_second: u32, elapsed: u64) -> u64 {
        let by_now = u128::from(elapsed - self.began_us) * u128::from(per_second) / 1_000_000 + 1;
        let out = self.sent.saturating_sub(self.answered + self.given_up);
        (by_now as u64).saturating_sub(self.sent).min(WINDOW.saturating_sub(out)).min(PROBE_BATCH)
    }

    /// Probes a second that were answered in time.
    pub(super) fn pace(&self) -> u64 {
        let took = u128::from(self.answered_us.saturating_sub(self.began_us).max(1));
        (u128::from(self.answered) * 1_000_000 / took) as u64
    }
}
