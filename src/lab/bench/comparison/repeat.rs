use super::{ComparisonError, RunResult};

/// So often at most is one run made again.
const REPEATS: u32 = 2;

/// A run that was not disturbed, or the one that was least. `spare`: how often any run may still be made
/// again; `spoilt` is told each time.
pub(super) fn least_disturbed(
    spare: &mut u32,
    mut attempt: impl FnMut() -> Result<RunResult, ComparisonError>,
    mut spoilt: impl FnMut(&RunResult),
) -> Result<RunResult, ComparisonError> {
    let mut best = attempt()?;
    while best.disturbance.is_spoilt() && best.attempts <= REPEATS && *spare > 0 {
        *spare -= 1;
        spoilt(&best);
        let attempts = best.attempts + 1;
        match attempt() {
            Ok(row) if row.disturbance.sum() < best.disturbance.sum() => best = row,
            Err(ComparisonError::Interrupted) => return Err(ComparisonError::Interrupted),
            // What there is, is better than nothing.
            Ok(_) | Err(_) => {}
        }
        best.attempts = attempts;
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::Disturbance;
    use super::*;

    fn row(others: f64) -> RunResult {
        RunResult {
            server: "kernel",
            ceiling: false,
            workload: "lifecycle".into(),
            closer: "client".into(),
            mode: "generic".into(),
            round: 0,
            rate: 100.0 * (1.0 - others),
            completed: 1,
            failures: 0,
            client_report: Value::Null,
            server_report: Value::Null,
            disturbance: Disturbance { others: Some(others), busiest: None, steal: Some(0.0) },
            attempts: 1,
        }
    }

    /// What comes of these runs, in this order: the share that others took, the attempts, and how often
    /// it was told.
    fn run(spare: &mut u32, others: &[f64]) -> (f64, u32, u32) {
        let (mut runs, mut told) = (others.iter(), 0);
        let attempt = || Ok(row(*runs.next().expect("not that many")));
        let row = least_disturbed(spare, attempt, |_| told += 1).expect("a run");
        (row.disturbance.others.expect("known"), row.attempts, told)
    }

    #[test]
    fn a_disturbed_run_is_made_again_and_the_least_disturbed_kept() {
        let mut spare = 10;
        assert_eq!(run(&mut spare, &[0.01]), (0.01, 1, 0));
        assert_eq!(run(&mut spare, &[0.4, 0.02]), (0.02, 2, 1));
        assert_eq!(run(&mut spare, &[0.4, 0.3, 0.5]), (0.3, 3, 2), "not for ever");
        assert_eq!(spare, 7);
    }

    #[test]
    fn repetitions_are_bounded_over_all_runs() {
        let mut spare = 1;
        assert_eq!(run(&mut spare, &[0.4, 0.5]), (0.4, 2, 1));
        assert_eq!(run(&mut spare, &[0.4]), (0.4, 1, 0));
    }

    #[test]
    fn a_failure_after_a_run_leaves_that_run_and_an_interruption_nothing() {
        let mut results = vec![Err(ComparisonError::Interrupted), Ok(row(0.4))];
        let interrupted = least_disturbed(&mut 5, || results.pop().expect("two"), |_| {});
        assert!(matches!(interrupted, Err(ComparisonError::Interrupted)));
        let broken = || ComparisonError::Report { who: "client", text: String::new() };
        let mut results = vec![Ok(row(0.3)), Err(broken()), Ok(row(0.4))];
        let kept = least_disturbed(&mut 5, || results.pop().expect("three"), |_| {}).expect("a run");
        assert_eq!((kept.disturbance.others, kept.attempts), (Some(0.3), 3));
        assert!(least_disturbed(&mut 5, || Err(broken()), |_| {}).is_err());
    }
}
