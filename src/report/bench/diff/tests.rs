use super::super::comparison::tests::comparison;
use super::super::sample::{active, measured, run};
use super::super::write_json;
use super::*;

/// Runs with these rates a second.
fn set(rates: &[u64]) -> Vec<(String, Results)> {
    let run = |(index, rate): (usize, &u64)| {
        (format!("{index}.json"), Results::new(&run(), &active(), &measured(8, *rate)))
    };
    rates.iter().enumerate().map(run).collect()
}

fn row<'a>(diff: &'a Diff, name: &str) -> &'a FigureChange {
    diff.rows.iter().find(|row| row.figure == name).unwrap_or_else(|| panic!("{name}: {diff:?}"))
}

#[test]
fn a_change_beyond_the_noise_between_runs_is_told_from_one_within() {
    let a = set(&[1000, 1010, 990, 1005, 995]);
    let diff = Diff::of_runs(("before", &a), ("after", &set(&[1100, 1110, 1090, 1105, 1095])));
    let rate = row(&diff, "rate.mean");
    assert!((rate.change.unwrap() - 0.1).abs() < 1e-9, "{rate:?}");
    // Deviations of 7.9 each: t(8) * 7.9 * sqrt(2/5) is 11.5 of 1,000.
    assert!((rate.noise.unwrap() - 0.0115).abs() < 1e-4, "{rate:?}");
    assert_eq!((rate.verdict, rate.noise_of), (ChangeVerdict::Better, NoiseOf::Runs));
    assert!(
        diff.text().starts_with("rate.mean of B is 10.0 % higher, more than the noise of 1.2 %."),
        "{}",
        diff.text()
    );
    let diff = Diff::of_runs(("before", &a), ("after", &set(&[1005, 1015, 985, 1010, 990])));
    assert_eq!(row(&diff, "rate.mean").verdict, ChangeVerdict::WithinNoise, "{}", diff.text());
    let diff = Diff::of_runs(("before", &a), ("after", &set(&[900, 910, 890])));
    assert_eq!(row(&diff, "rate.mean").verdict, ChangeVerdict::Worse);
    assert!(diff.notes[0].starts_with("Few runs"), "{:?}", diff.notes);
}

#[test]
fn one_run_each_says_what_is_not_known() {
    let diff = Diff::of_runs(("a.json", &set(&[1000])), ("b.json", &set(&[1100])));
    let rate = row(&diff, "rate.mean");
    // Every second of these runs counted the same.
    assert_eq!(
        (rate.noise, rate.noise_of, rate.verdict),
        (Some(0.0), NoiseOf::Seconds, ChangeVerdict::Better)
    );
    assert_eq!(row(&diff, "packets_per_connection").verdict, ChangeVerdict::NoiseUnknown);
    let text = diff.text();
    assert!(text.contains("One run each: the noise between runs is not known"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let short = |rate| vec![("x".to_owned(), Results::new(&run(), &active(), &measured(4, rate)))];
    let diff = Diff::of_runs(("a.json", &short(1000)), ("b.json", &short(2000)));
    assert_eq!(row(&diff, "rate.mean").verdict, ChangeVerdict::NoiseUnknown);
    assert!(diff.sentence().ends_with("is not known."), "{}", diff.sentence());
}

#[test]
fn one_run_beside_a_set_is_as_noisy_as_the_set() {
    let a = set(&[1000, 1010, 990, 1005, 995]);
    // Five and one: t(4) * 7.9 * sqrt(6/5) is 24.0.
    for (rate, verdict) in
        [(1020, ChangeVerdict::WithinNoise), (1030, ChangeVerdict::Better), (970, ChangeVerdict::Worse)]
    {
        let diff = Diff::of_runs(("a", &a), ("b", &set(&[rate])));
        assert_eq!(row(&diff, "rate.mean").verdict, verdict, "{rate}");
        let back = Diff::of_runs(("b", &set(&[rate])), ("a", &a));
        let other = match verdict {
            ChangeVerdict::Better => ChangeVerdict::Worse,
            ChangeVerdict::Worse => ChangeVerdict::Better,
            same => same,
        };
        assert_eq!(row(&back, "rate.mean").verdict, other, "{rate}");
    }
}

#[test]
fn less_is_better_for_times_and_differences_are_named() {
    let (a, mut slow) = (set(&[1000, 1000, 1000]), set(&[1000, 1000, 1000]));
    for (index, (_, run)) in slow.iter_mut().enumerate() {
        run.latency_us.connect.p99 = Some(100_000 + index as u64);
        run.target = "198.18.255.2:80".into();
    }
    let diff = Diff::of_runs(("a", &a), ("b", &slow));
    assert_eq!(row(&diff, "latency_us.connect.p99").verdict, ChangeVerdict::Worse);
    assert!(diff.differences[0].contains("target"), "{:?}", diff.differences);
    assert!(diff.text().contains("different: target"), "{}", diff.text());
    assert!(diff.html().contains("198.18.255.2") && !diff.html().contains("http"), "{}", diff.html());
}

#[test]
fn comparisons_are_compared_server_by_server() {
    let (a, mut b) = (comparison(), comparison());
    b.runs.iter_mut().filter(|run| run.server == "handfast").for_each(|run| run.rate *= 20.0);
    let diff = Diff::of_comparisons(("a.json", &a), ("b.json", &b));
    assert_eq!(diff.rows.len(), a.rows.len());
    assert_eq!(row(&diff, "lifecycle generic kernel").verdict, ChangeVerdict::WithinNoise);
    let handfast = row(&diff, "lifecycle generic handfast");
    assert!((handfast.change.unwrap() - 19.0).abs() < 1e-9 && handfast.a.runs == 3, "{handfast:?}");
}

#[test]
fn figures_that_were_not_measured_or_are_zero_are_no_nonsense() {
    let (mut a, b) = (set(&[1000, 1000]), set(&[1000, 1000]));
    for (_, run) in &mut a {
        run.latency_us = Default::default();
        run.packets_per_connection = None;
        run.retransmissions = 0;
        run.cpu.connections_per_core_second = None;
    }
    let diff = Diff::of_runs(("a", &a), ("b", &b));
    assert!(!diff.rows.iter().any(|row| row.figure.starts_with("latency")), "{diff:?}");
    assert_eq!(row(&diff, "retransmissions").change, None);
    let mut json = Vec::new();
    write_json(&mut json, &diff).unwrap();
    let text = String::from_utf8(json).unwrap() + &diff.text() + &diff.html();
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    let none =
        Diff::of_comparisons(("a", &comparison()), ("b", &Comparison { runs: Vec::new(), ..comparison() }));
    assert!(none.rows.is_empty() && none.text().contains("no figure in common"), "{}", none.text());
}
