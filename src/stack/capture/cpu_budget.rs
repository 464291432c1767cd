/// Nanoseconds. Long enough for a period to contain whole connections, short enough not to leave long gaps.
const PERIOD: u64 = 100_000_000;
/// Maximum number of periods to which an excess is charged: a batch during which the thread was
/// preempted looks longer than it was.
const MAX_EXCESS: u64 = 10;

/// The CPU time that copying may take on a core: when the budget of a period is used up, nothing is
/// copied until the next period.
///
/// One batch may exceed the budget; the excess is charged to the next periods.
#[derive(Debug)]
pub(super) struct CpuBudget {
    /// Nanoseconds per period.
    budget: u64,
    began: u64,
    spent: u64,
}

impl CpuBudget {
    pub(super) fn new(percent: u8, now: u64) -> CpuBudget {
        CpuBudget { budget: PERIOD / 100 * u64::from(percent), began: now, spent: 0 }
    }

    /// Whether there is time left.
    #[inline]
    pub(super) fn allows(&mut self, now: u64) -> bool {
        let periods = now.saturating_sub(self.began) / PERIOD;
        if periods > 0 {
            self.began += periods * PERIOD;
            let excess = self.spent.min(MAX_EXCESS * self.budget);
            self.spent = excess.saturating_sub(periods.saturating_mul(self.budget));
        }
        self.spent < self.budget
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
    fn the_budget_of_a_period_is_renewed_with_the_next() {
        let mut budget = CpuBudget::new(10, 0);
        assert!(budget.allows(0));
        budget.spend(9 * MS);
        assert!(budget.allows(50 * MS));
        budget.spend(MS);
        assert!(!budget.allows(50 * MS) && !budget.allows(99 * MS));
        assert!(budget.allows(100 * MS));
    }

    #[test]
    fn an_excess_is_charged_to_a_limited_number_of_periods() {
        let mut budget = CpuBudget::new(10, 0);
        budget.spend(13 * MS);
        assert!(budget.allows(100 * MS));
        budget.spend(7 * MS);
        assert!(!budget.allows(100 * MS), "3 of the last period and 7 of this one");
        budget.spend(5_000 * MS);
        assert!(!budget.allows(1_000 * MS));
        assert!(budget.allows(1_100 * MS));
    }

    /// For any batch size, copying takes at most the budget and one batch.
    #[test]
    fn over_ten_seconds_it_is_kept() {
        for (percent, batch) in [(1, 3 * MS), (10, MS / 7), (50, 20 * MS), (100, MS)] {
            let (mut budget, mut now, mut copied) = (CpuBudget::new(percent, 0), 0, 0);
            while now < 10_000 * MS {
                if budget.allows(now) {
                    budget.spend(batch);
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
