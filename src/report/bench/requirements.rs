//! What a run is required to reach, and whether it did.

use super::counted::Counted;
use super::diagnosis::is_local;
use super::format::{count, spoken};
use super::outcome::{Figure, Outcome, Requirement, Status};
use super::results::Results;

/// The required figures of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Requirements {
    pub rate: Option<f64>,
    pub success: Option<f64>,
    pub p99_us: Option<f64>,
}

impl Outcome {
    /// `early`: why the run ended early. `held`: false for a search that found no rate: its figures are of a
    /// rate that did not hold.
    pub fn of(results: &Results, required: &Requirements, early: Option<&str>, held: bool) -> Outcome {
        let requirements = required.of(results, held);
        let unmet: Vec<String> = requirements.iter().filter(|one| !one.met).map(Requirement::text).collect();
        let unreachable = unreachable(results);
        let (status, sentence) = match (early, unreachable) {
            (Some(why), _) => (Status::EndedEarly, format!("ended early: {why}")),
            (None, Some(why)) => (Status::Unreachable, format!("unreachable: {why}")),
            (None, None) if !unmet.is_empty() => {
                (Status::RequirementsFailed, format!("requirements failed: {}", unmet.join("; ")))
            }
            (None, None) if requirements.is_empty() => (Status::Ok, String::new()),
            (None, None) => {
                let met: Vec<String> = requirements.iter().map(Requirement::text).collect();
                (Status::Ok, format!("requirements met: {}", met.join("; ")))
            }
        };
        Outcome { status, sentence, requirements }
    }
}

impl Requirements {
    fn of(&self, results: &Results, held: bool) -> Vec<Requirement> {
        let connections = &results.connections;
        let latency = match Counted::of(&results.workload) {
            Counted::Established => &results.latency_us.connect,
            Counted::Completed | Counted::Sent => &results.latency_us.completion,
        };
        let attempted = connections.attempted > 0;
        let figures = [
            (Figure::Rate, self.rate, held.then_some(results.rate.mean)),
            (Figure::Success, self.success, attempted.then(|| connections.share(connections.completed))),
            (Figure::P99Us, self.p99_us, latency.p99.map(|p99| p99 as f64)),
        ];
        let requirement = |(figure, required, measured): (Figure, Option<f64>, Option<f64>)| {
            let required = required?;
            let met = measured.is_some_and(|measured| match figure {
                Figure::P99Us => measured <= required,
                Figure::Rate | Figure::Success => measured >= required,
            });
            Some(Requirement { figure, required, measured, met })
        };
        figures.into_iter().filter_map(requirement).collect()
    }
}

/// The reason, if no connection was established although the client could open them.
fn unreachable(results: &Results) -> Option<String> {
    let connections = &results.connections;
    let counted = Counted::of(&results.workload);
    if counted == Counted::Sent || connections.attempted == 0 || connections.established > 0 {
        return None;
    }
    let theirs = connections.failed.iter().filter(|(name, _)| !is_local(name));
    let (reason, failed) = theirs.max_by_key(|(_, failed)| **failed)?;
    Some(format!(
        "none of {} connections was established, {} failed by {}",
        count(connections.attempted),
        count(*failed),
        spoken(reason)
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{merge, sample};
    use super::*;

    fn failed(results: Results, reason: &str) -> Results {
        let mut results = results;
        results.connections.established = 0;
        results.connections.completed = 0;
        results.connections.in_flight = 0;
        results.connections.failed = BTreeMap::from([(reason.to_owned(), results.connections.attempted)]);
        results
    }

    #[test]
    fn each_requirement_is_met_or_named() {
        // 123,456/s; 987,648 of 987,685; p99 in microseconds.
        let results = sample::results();
        let p99 = results.latency_us.completion.p99.unwrap() as f64;
        for (required, status, part) in [
            (Requirements::default(), Status::Ok, ""),
            (
                Requirements { rate: Some(123_456.0), ..Default::default() },
                Status::Ok,
                "requirements met: rate 123,456/s",
            ),
            (
                Requirements { rate: Some(123_457.0), ..Default::default() },
                Status::RequirementsFailed,
                "rate 123,456/s, required at least 123,457/s",
            ),
            (Requirements { success: Some(0.9999), ..Default::default() }, Status::Ok, "success >99.99 %"),
            (
                Requirements { success: Some(1.0), ..Default::default() },
                Status::RequirementsFailed,
                "at least 100.00 %",
            ),
            (Requirements { p99_us: Some(p99), ..Default::default() }, Status::Ok, "p99"),
            (
                Requirements { p99_us: Some(p99 - 1.0), ..Default::default() },
                Status::RequirementsFailed,
                "at most",
            ),
        ] {
            let outcome = Outcome::of(&results, &required, None, true);
            assert_eq!(outcome.status, status, "{outcome:?}");
            assert!(outcome.sentence.contains(part), "{outcome:?}");
            assert!(outcome.requirements.iter().all(|one| one.met == (status == Status::Ok)), "{outcome:?}");
        }
        let all = Requirements { rate: Some(1e9), success: Some(1.0), p99_us: Some(1.0) };
        let outcome = Outcome::of(&results, &all, None, true);
        assert_eq!(outcome.sentence.matches("required").count(), 3, "{outcome:?}");
        let outcome = Outcome::of(&results, &Requirements { rate: Some(1.0), ..all }, None, false);
        assert!(outcome.sentence.contains("rate not measured"), "no rate held: {outcome:?}");
    }

    #[test]
    fn what_was_not_measured_meets_nothing() {
        let mut empty = sample::results();
        empty.connections = Default::default();
        empty.latency_us = Default::default();
        let all = Requirements { rate: Some(0.0), success: Some(0.0), p99_us: Some(1e9) };
        let outcome = Outcome::of(&empty, &all, None, true);
        let unmet = outcome.requirements.iter().filter(|one| !one.met).count();
        assert_eq!((outcome.status, unmet), (Status::RequirementsFailed, 2), "{outcome:?}");
    }

    #[test]
    fn an_early_end_and_a_target_that_is_not_there_have_their_own_codes() {
        let none = Requirements::default();
        let gone = failed(sample::results(), "connect-timeout");
        let outcome = Outcome::of(&gone, &none, None, true);
        assert_eq!((outcome.status, outcome.status.exit_code()), (Status::Unreachable, 5));
        assert!(outcome.sentence.contains("none of 987,685") && outcome.sentence.contains("connect timeout"));
        let outcome = Outcome::of(&gone, &none, Some("by a signal"), true);
        assert_eq!((outcome.status.exit_code(), outcome.sentence.as_str()), (4, "ended early: by a signal"));
        // A lack on the client's side does not mean unreachable, and a flood establishes no connections.
        assert_eq!(Outcome::of(&failed(sample::results(), "no-tuple"), &none, None, true).status, Status::Ok);
        let flood = Results { workload: "flood".into(), ..gone };
        assert_eq!(Outcome::of(&flood, &none, None, true).status, Status::Ok);
    }

    #[test]
    fn a_sum_is_as_good_as_its_worst_part() {
        let (good, mut bad) = (sample::results(), sample::results());
        bad.outcome = Outcome::of(&bad, &Requirements { rate: Some(1e9), ..Default::default() }, None, true);
        let sum = merge(&[("a".to_owned(), good), ("b".to_owned(), bad)], false).unwrap();
        assert_eq!(sum.outcome.status, Status::RequirementsFailed);
        assert!(sum.outcome.sentence.starts_with("b: requirements failed"), "{:?}", sum.outcome);
        assert_eq!(sum.outcome.requirements.len(), 1);
        assert!(sum.text().contains("\n  result              b: requirements failed"), "{}", sum.text());
    }
}
