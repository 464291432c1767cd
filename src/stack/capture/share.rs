/// Nanoseconds. Long enough that a stretch holds whole conversations, short enough to be no pause.
const PERIOD: u64 = 100_000_000;
/// Periods that pay for what was overdrawn, at most: a batch in which the core was taken away looks
/// long, and was not.
const MOST_OWED: u64 = 10;

/// How much of a core's time copying may take: once a period's part of it is used up, nothing is
/// copied until the next period.
///
/// The part is overdrawn by at most one batch, and the next periods pay it back.
#[derive(Debug)]
pub(super) struct Share {
    /// Nanoseconds of each period.
    part: u64,
    began: u64,
    spent: u64,
}

impl Share {
    pub(super) fn new(percent: u8, now: u64) -> Share {
        Share { part: PERIOD / 100 * u64::from(percent), began: now, spent: 0 }
    }

    /// Whether there is time left.
    #[inline]
    pub(super) fn allows(&mut self, now: u64) -> bool {
        let periods = now.saturating_sub(self.began) / PERIOD;
        if periods > 0 {
            self.began += periods * PERIOD;
            let owed = self.spent.min(MOST_OWED * self.part);
            self.spent = owed.saturating_sub(periods.saturating_mul(self.part));
        }
        self.spent < self.part
    }

    #[inline]
    pub(super) fn spend(&mut self, nanos: u64) {
        self.spent += nanos;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_period_s_part_is_used_once_and_comes_back_with_the_next() {
        let mut share = Share::new(10, 0);
        assert!(share.allows(0));
        share.spend(9 * MS);
        assert!(share.allows(50 * MS));
        share.spend(MS);
        assert!(!share.allows(50 * MS) && !share.allows(99 * MS));
        assert!(share.allows(100 * MS));
    }

    #[test]
    fn what_is_overdrawn_is_paid_back_but_never_for_long() {
        let mut share = Share::new(10, 0);
        share.spend(13 * MS);
        assert!(share.allows(100 * MS));
        share.spend(7 * MS);
        assert!(!share.allows(100 * MS), "3 of the last period and 7 of this one");
        share.spend(5_000 * MS);
        assert!(!share.allows(1_000 * MS));
        assert!(share.allows(1_100 * MS));
    }

    /// Whatever the batches, at most the share and one batch.
    #[test]
    fn over_ten_seconds_it_is_kept() {
        for (percent, batch) in [(1, 3 * MS), (10, MS / 7), (50, 20 * MS), (100, MS)] {
            let (mut share, mut now, mut copied) = (Share::new(percent, 0), 0, 0);
            while now < 10_000 * MS {
                if share.allows(now) {
                    share.spend(batch);
                    copied += batch;
                    now += batch;
                } else {
                    now += MS / 10;
                }
            }
            let asked = 100 * MS * u64::from(percent);
            assert!(copied <= asked + batch, "{percent} %: {copied} ns");
            assert!(copied + 101 * batch >= asked.min(9_900 * MS), "{percent} %: {copied} ns are too few");
        }
    }
}
