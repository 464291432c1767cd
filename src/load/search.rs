//! The search for the highest rate that holds, after RFC 9411 7.2 (TCP connections per second): each step
//! ramps up, sustains, ramps down; its outcome decides the rate of the next one.

/// Which rates count as holding, and the resolution of the search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SearchConfig {
    /// The first rate, connections per second.
    pub start: u64,
    /// The maximum rate.
    pub max: u64,
    /// Share of connections that may fail, 0 to 1.
    pub loss: f64,
    /// How far below the asked rate the achieved rate may be, 0 to 1.
    pub shortfall: f64,
    /// How far below it the rate completed within the measured time may be, 0 to 1. Larger than the
    /// shortfall: a pause of the host at the end of a step moves connections out of it.
    pub late: f64,
    /// The search ends when the rate is known to within this share, 0 to 1.
    pub resolution: f64,
}

impl Default for SearchConfig {
    fn default() -> SearchConfig {
        SearchConfig {
            start: 10_000,
            max: 10_000_000,
            loss: 0.001,
            shortfall: 0.01,
            late: 0.05,
            resolution: 0.02,
        }
    }
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Connections per second.
    pub asked: u64,
    /// Completed connections per second, of those due in the measured time, also if completed after it.
    pub achieved: f64,
    /// Connections completed per second within the measured time.
    pub meanwhile: f64,
    /// Share of the attempted connections that failed, 0 to 1: [`super::Tally::loss`].
    pub loss: f64,
}

/// The result of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SearchVerdict {
    /// The highest rate that held, and the lowest rate that failed twice.
    Found { held: StepOutcome, failed_at: u64, by: Option<Limit> },
    /// [`SearchConfig::max`] holds: the limit is above it.
    AboveMax(StepOutcome),
    /// Not even one connection per second held.
    Nothing(StepOutcome, Option<Limit>),
}

/// Why a step does not hold: the measured share and the required one, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// Too many connections failed.
    Loss { failed: f64, max: f64 },
    /// Too little of the asked rate was completed.
    Shortfall { completed: f64, min: f64 },
    /// Too little of it was completed within the measured time.
    Late { completed: f64, min: f64 },
}

/// Doubles the rate while it holds, halves it while none has held, then bisects. A step that fails is
/// repeated once before it counts, since a single pause of the host is not a limit.
#[derive(Clone, Copy, Debug)]
pub struct FindMax {
    search: SearchConfig,
    held: Option<StepOutcome>,
    /// The lowest rate that failed twice.
    failed_at: Option<u64>,
    /// Why it did.
    by: Option<Limit>,
    trying: u64,
    /// The step has failed once.
    repeated: bool,
    verdict: Option<SearchVerdict>,
}

impl FindMax {
    pub fn new(search: SearchConfig) -> FindMax {
        let max = search.max.max(1);
        FindMax {
            search: SearchConfig { max, ..search },
            held: None,
            failed_at: None,
            by: None,
            trying: search.start.clamp(1, max),
            repeated: false,
            verdict: None,
        }
    }

    /// The rate of the next step; `None` once there is a verdict.
    pub fn rate(&self) -> Option<u64> {
        if self.verdict.is_some() { None } else { Some(self.trying) }
    }

    pub fn verdict(&self) -> Option<SearchVerdict> {
        self.verdict
    }

    /// Whether a step with this outcome holds.
    pub fn holds(&self, outcome: &StepOutcome) -> bool {
        self.limit(outcome).is_none()
    }

    /// Why a step with this outcome does not hold; `None` if it does.
    pub fn limit(&self, outcome: &StepOutcome) -> Option<Limit> {
        let SearchConfig { loss, shortfall, late, .. } = self.search;
        let asked = outcome.asked as f64;
        let falls_short = |rate: f64, short: f64| rate < asked * (1.0 - short);
        let share = |rate: f64| rate / asked.max(1.0);
        if outcome.loss > loss {
            return Some(Limit::Loss { failed: outcome.loss, max: loss });
        }
        if falls_short(outcome.achieved, shortfall) {
            return Some(Limit::Shortfall { completed: share(outcome.achieved), min: 1.0 - shortfall });
        }
        falls_short(outcome.meanwhile, late)
            .then(|| Limit::Late { completed: share(outcome.meanwhile), min: 1.0 - late })
    }

    /// Records the outcome of the step at [`FindMax::rate`].
    pub fn record(&mut self, outcome: StepOutcome) {
        if self.verdict.is_some() {
            return;
        }
        if self.holds(&outcome) {
            self.held = Some(outcome);
        } else if !self.repeated {
            self.repeated = true;
            return;
        } else {
            (self.failed_at, self.by) = (Some(self.trying), self.limit(&outcome));
        }
        self.repeated = false;
        self.next_step(outcome);
    }

    fn next_step(&mut self, last: StepOutcome) {
        let max = self.search.max;
        match (self.held, self.failed_at) {
            (Some(held), None) if self.trying >= max => self.verdict = Some(SearchVerdict::AboveMax(held)),
            (Some(_), None) => self.trying = self.trying.saturating_mul(2).min(max),
            (None, _) if self.trying <= 1 => self.verdict = Some(SearchVerdict::Nothing(last, self.by)),
            (None, _) => self.trying /= 2,
            (Some(held), Some(failed_at)) => {
                let gap = failed_at.saturating_sub(held.asked);
                if gap <= 1 || gap as f64 <= held.asked as f64 * self.search.resolution {
                    self.verdict = Some(SearchVerdict::Found { held, failed_at, by: self.by });
                } else {
                    self.trying = held.asked + gap / 2;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A target that completes `limit` per second and loses the rest.
    fn target(asked: u64, limit: u64) -> StepOutcome {
        let achieved = asked.min(limit) as f64;
        StepOutcome { asked, achieved, meanwhile: achieved, loss: 1.0 - achieved / asked as f64 }
    }

    fn search(find: &mut FindMax, mut step: impl FnMut(u64) -> StepOutcome) -> (SearchVerdict, usize) {
        for steps in 0..200 {
            match find.rate() {
                Some(rate) => find.record(step(rate)),
                None => return (find.verdict().unwrap(), steps),
            }
        }
        panic!("the search does not end");
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let mut find = FindMax::new(SearchConfig { start: 1000, max: 4000, ..SearchConfig::default() });
        let mut asked = Vec::new();
        let (verdict, _) = search(&mut find, |rate| {
            asked.push(rate);
            target(rate, if asked.len() == 2 { 10 } else { u64::MAX })
        });
        assert_eq!(asked, [1000, 2000, 2000, 4000]);
        assert_eq!(verdict, SearchVerdict::AboveMax(target(4000, 4000)));
    }

    #[test]
    fn both_loss_and_shortfall_count() {
        let find = FindMax::new(SearchConfig::default());
        for (loss, achieved, holds) in
            [(0.0, 1000.0, true), (0.001, 990.0, true), (0.0011, 1000.0, false), (0.0, 989.0, false)]
        {
            let outcome = StepOutcome { asked: 1000, achieved, meanwhile: achieved, loss };
            assert_eq!(find.holds(&outcome), holds, "{loss} {achieved}");
        }
    }

    #[test]
    fn the_limit_that_stopped_it_is_named_with_its_number() {
        let find = FindMax::new(SearchConfig::default());
        let outcome = |achieved, meanwhile, loss| StepOutcome { asked: 1000, achieved, meanwhile, loss };
        for (outcome, limit) in [
            (outcome(1000.0, 1000.0, 0.0), None),
            (outcome(900.0, 900.0, 0.05), Some(Limit::Loss { failed: 0.05, max: 0.001 })),
            (outcome(900.0, 900.0, 0.0), Some(Limit::Shortfall { completed: 0.9, min: 0.99 })),
            (outcome(1000.0, 940.0, 0.0), Some(Limit::Late { completed: 0.94, min: 0.95 })),
        ] {
            assert_eq!(find.limit(&outcome), limit);
        }
    }

    /// A rate does not hold if the target only delays connections, even if all complete in the end.
    #[test]
    fn what_is_completed_afterwards_is_not_held() {
        let find = FindMax::new(SearchConfig::default());
        for (meanwhile, holds) in [(522.0, false), (949.0, false), (950.0, true), (1010.0, true)] {
            let outcome = StepOutcome { asked: 1000, achieved: 1000.0, meanwhile, loss: 0.0 };
            assert_eq!(find.holds(&outcome), holds, "{meanwhile}");
        }
    }

    #[test]
    fn a_target_that_does_nothing_ends_the_search() {
        let mut find = FindMax::new(SearchConfig::default());
        let (verdict, steps) = search(&mut find, |rate| target(rate, 0));
        assert!(
            matches!(verdict, SearchVerdict::Nothing(_, Some(Limit::Loss { failed: 1.0, .. }))) && steps < 40,
            "{verdict:?} after {steps}"
        );
    }

    proptest! {
        /// Whatever the limit and wherever it begins: the rate found holds, is within the
        /// resolution of the limit, and takes few steps.
        #[test]
        fn the_limit_is_found(limit in 1u64..5_000_000, start in 1u64..1_000_000) {
            let max = 10_000_000;
            let mut find = FindMax::new(SearchConfig { start, max, shortfall: 0.0, late: 0.0, loss: 0.0, resolution: 0.02 });
            let (verdict, steps) = search(&mut find, |rate| target(rate, limit));
            let SearchVerdict::Found { held, failed_at, by: Some(_) } = verdict else { panic!("{verdict:?}") };
            prop_assert!(held.asked <= limit && failed_at > limit);
            prop_assert!((failed_at - held.asked) as f64 <= (held.asked as f64 * 0.02).max(1.0));
            prop_assert!(steps <= 80, "{steps}");
        }

        /// Every tenth step fails for no reason: the result is as good.
        #[test]
        fn noise_does_not_mislead(limit in 1000u64..5_000_000, phase in 0usize..10) {
            let mut find = FindMax::new(SearchConfig { start: 1000, ..SearchConfig::default() });
            let mut count = phase;
            let (verdict, _) = search(&mut find, |rate| {
                count += 1;
                target(rate, if count % 10 == 0 { 1 } else { limit })
            });
            let SearchVerdict::Found { held, .. } = verdict else { panic!("{verdict:?}") };
            prop_assert!(held.asked as f64 >= limit as f64 * 0.97, "{held:?} of {limit}");
        }
    }
}
