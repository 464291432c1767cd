//! The highest rate that holds, in the manner of RFC 9411 7.2 (TCP connections per second): each
//! step ramps up, sustains, ramps down; what a step came to decides the next one's rate.

/// What counts as holding, and how finely to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// The first rate, connections per second.
    pub start: u64,
    /// Never more than this.
    pub most: u64,
    /// Share of connections that may fail, 0 to 1.
    pub loss: f64,
    /// How far below the asked rate the achieved one may be, 0 to 1.
    pub shortfall: f64,
    /// How far below it what was completed in the measured time may be, 0 to 1. More than the
    /// shortfall: a pause of the machine at the end of a step shifts connections beyond it.
    pub late: f64,
    /// The search ends when the rate is known to within this share, 0 to 1.
    pub resolution: f64,
}

impl Default for Search {
    fn default() -> Search {
        Search { start: 10_000, most: 10_000_000, loss: 0.001, shortfall: 0.01, late: 0.05, resolution: 0.02 }
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Connections per second.
    pub asked: u64,
    /// Completed connections per second, of those that were due in the measured time, whenever they
    /// were completed.
    pub achieved: f64,
    /// Completed per second while it was measured: what is left over when the load ends is not held.
    pub meanwhile: f64,
    /// Share of the attempted that failed, 0 to 1: [`super::Tally::loss`].
    pub loss: f64,
}

/// The end of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// The highest rate that held, and the lowest one that twice did not.
    Found { held: Outcome, failed_at: u64, by: Option<Limit> },
    /// [`Search::most`] holds: the limit is beyond it.
    BeyondMost(Outcome),
    /// Not even one connection per second held.
    Nothing(Outcome, Option<Limit>),
}

/// Why a step does not hold, shares from 0 to 1: what it came to, and what it may.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// More of the connections failed.
    Loss { failed: f64, most: f64 },
    /// Less of the asked rate was completed.
    Shortfall { completed: f64, least: f64 },
    /// Less of it was completed while it was asked for.
    Late { completed: f64, least: f64 },
}

/// Doubles while the rate holds, halves while none has held, then bisects. A step that fails is
/// tried a second time before it counts, since one hiccup of the machine is no limit.
#[derive(Clone, Copy, Debug)]
pub struct FindMax {
    search: Search,
    held: Option<Outcome>,
    /// The lowest rate that failed twice.
    failed_at: Option<u64>,
    /// Why it did.
    by: Option<Limit>,
    trying: u64,
    /// It has failed once.
    again: bool,
    verdict: Option<Verdict>,
}

impl FindMax {
    pub fn new(search: Search) -> FindMax {
        let most = search.most.max(1);
        FindMax {
            search: Search { most, ..search },
            held: None,
            failed_at: None,
            by: None,
            trying: search.start.clamp(1, most),
            again: false,
            verdict: None,
        }
    }

    /// The rate of the next step; `None`: there is a verdict.
    pub fn rate(&self) -> Option<u64> {
        if self.verdict.is_some() { None } else { Some(self.trying) }
    }

    /// The step is being tried for the second time.
    pub fn is_again(&self) -> bool {
        self.again
    }

    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Whether a step that came to this holds.
    pub fn holds(&self, outcome: &Outcome) -> bool {
        self.limit(outcome).is_none()
    }

    /// Why a step that came to this does not hold; `None`: it does.
    pub fn limit(&self, outcome: &Outcome) -> Option<Limit> {
        let Search { loss, shortfall, late, .. } = self.search;
        let asked = outcome.asked as f64;
        let falls_short = |rate: f64, short: f64| rate < asked * (1.0 - short);
        let share = |rate: f64| rate / asked.max(1.0);
        if outcome.loss > loss {
            return Some(Limit::Loss { failed: outcome.loss, most: loss });
        }
        if falls_short(outcome.achieved, shortfall) {
            return Some(Limit::Shortfall { completed: share(outcome.achieved), least: 1.0 - shortfall });
        }
        falls_short(outcome.meanwhile, late)
            .then(|| Limit::Late { completed: share(outcome.meanwhile), least: 1.0 - late })
    }

    /// What the step at [`FindMax::rate`] came to.
    pub fn tell(&mut self, outcome: Outcome) {
        if self.verdict.is_some() {
            return;
        }
        if self.holds(&outcome) {
            self.held = Some(outcome);
        } else if !self.again {
            self.again = true;
            return;
        } else {
            (self.failed_at, self.by) = (Some(self.trying), self.limit(&outcome));
        }
        self.again = false;
        self.go_on(outcome);
    }

    fn go_on(&mut self, last: Outcome) {
        let most = self.search.most;
        match (self.held, self.failed_at) {
            (Some(held), None) if self.trying >= most => self.verdict = Some(Verdict::BeyondMost(held)),
            (Some(_), None) => self.trying = self.trying.saturating_mul(2).min(most),
            (None, _) if self.trying <= 1 => self.verdict = Some(Verdict::Nothing(last, self.by)),
            (None, _) => self.trying /= 2,
            (Some(held), Some(failed_at)) => {
                let gap = failed_at.saturating_sub(held.asked);
                if gap <= 1 || gap as f64 <= held.asked as f64 * self.search.resolution {
                    self.verdict = Some(Verdict::Found { held, failed_at, by: self.by });
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

    /// A target that does `limit` a second, and loses the rest.
    fn target(asked: u64, limit: u64) -> Outcome {
        let achieved = asked.min(limit) as f64;
        Outcome { asked, achieved, meanwhile: achieved, loss: 1.0 - achieved / asked as f64 }
    }

    fn search(find: &mut FindMax, mut step: impl FnMut(u64) -> Outcome) -> (Verdict, usize) {
        for steps in 0..200 {
            match find.rate() {
                Some(rate) => find.tell(step(rate)),
                None => return (find.verdict().unwrap(), steps),
            }
        }
        panic!("the search does not end");
    }

    #[test]
    fn one_hiccup_is_no_limit() {
        let mut find = FindMax::new(Search { start: 1000, most: 4000, ..Search::default() });
        let mut asked = Vec::new();
        let (verdict, _) = search(&mut find, |rate| {
            asked.push(rate);
            target(rate, if asked.len() == 2 { 10 } else { u64::MAX })
        });
        assert_eq!(asked, [1000, 2000, 2000, 4000]);
        assert_eq!(verdict, Verdict::BeyondMost(target(4000, 4000)));
    }

    #[test]
    fn both_loss_and_shortfall_count() {
        let find = FindMax::new(Search::default());
        for (loss, achieved, holds) in
            [(0.0, 1000.0, true), (0.001, 990.0, true), (0.0011, 1000.0, false), (0.0, 989.0, false)]
        {
            let outcome = Outcome { asked: 1000, achieved, meanwhile: achieved, loss };
            assert_eq!(find.holds(&outcome), holds, "{loss} {achieved}");
        }
    }

    #[test]
    fn the_limit_that_stopped_it_is_named_with_its_number() {
        let find = FindMax::new(Search::default());
        let outcome = |achieved, meanwhile, loss| Outcome { asked: 1000, achieved, meanwhile, loss };
        for (outcome, limit) in [
            (outcome(1000.0, 1000.0, 0.0), None),
            (outcome(900.0, 900.0, 0.05), Some(Limit::Loss { failed: 0.05, most: 0.001 })),
            (outcome(900.0, 900.0, 0.0), Some(Limit::Shortfall { completed: 0.9, least: 0.99 })),
            (outcome(1000.0, 940.0, 0.0), Some(Limit::Late { completed: 0.94, least: 0.95 })),
        ] {
            assert_eq!(find.limit(&outcome), limit);
        }
    }

    /// What a target has only put off is no rate that it holds, though all were completed in the end.
    #[test]
    fn what_is_completed_afterwards_is_not_held() {
        let find = FindMax::new(Search::default());
        for (meanwhile, holds) in [(522.0, false), (949.0, false), (950.0, true), (1010.0, true)] {
            let outcome = Outcome { asked: 1000, achieved: 1000.0, meanwhile, loss: 0.0 };
            assert_eq!(find.holds(&outcome), holds, "{meanwhile}");
        }
    }

    #[test]
    fn a_target_that_does_nothing_ends_the_search() {
        let mut find = FindMax::new(Search::default());
        let (verdict, steps) = search(&mut find, |rate| target(rate, 0));
        assert!(
            matches!(verdict, Verdict::Nothing(_, Some(Limit::Loss { failed: 1.0, .. }))) && steps < 40,
            "{verdict:?} after {steps}"
        );
    }

    proptest! {
        /// Whatever the limit and wherever it begins: the rate found holds, is within the
        /// resolution of the limit, and takes few steps.
        #[test]
        fn the_limit_is_found(limit in 1u64..5_000_000, start in 1u64..1_000_000) {
            let most = 10_000_000;
            let mut find = FindMax::new(Search { start, most, shortfall: 0.0, late: 0.0, loss: 0.0, resolution: 0.02 });
            let (verdict, steps) = search(&mut find, |rate| target(rate, limit));
            let Verdict::Found { held, failed_at, by: Some(_) } = verdict else { panic!("{verdict:?}") };
            prop_assert!(held.asked <= limit && failed_at > limit);
            prop_assert!((failed_at - held.asked) as f64 <= (held.asked as f64 * 0.02).max(1.0));
            prop_assert!(steps <= 80, "{steps}");
        }

        /// Every tenth step fails for no reason: the result is as good.
        #[test]
        fn noise_does_not_mislead(limit in 1000u64..5_000_000, phase in 0usize..10) {
            let mut find = FindMax::new(Search { start: 1000, ..Search::default() });
            let mut count = phase;
            let (verdict, _) = search(&mut find, |rate| {
                count += 1;
                target(rate, if count % 10 == 0 { 1 } else { limit })
            });
            let Verdict::Found { held, .. } = verdict else { panic!("{verdict:?}") };
            prop_assert!(held.asked as f64 >= limit as f64 * 0.97, "{held:?} of {limit}");
        }
    }
}
