use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::figures::Second;
use super::super::sample::{active, measured, open_loop, run};
use super::super::{Measured, Traffic};
use super::*;

fn one(name: &str, measured: &Measured) -> (String, Results) {
    (name.to_owned(), Results::new(&run(), &active(), measured))
}

/// As if one client had done both.
fn together(a: &Measured, b: &Measured) -> Measured {
    let add = |a: &BTreeMap<String, u64>, b: &BTreeMap<String, u64>| added(a, b).unwrap();
    let histogram = |a: &hdrhistogram::Histogram<u64>, b| {
        let mut sum = a.clone();
        sum.add(b).unwrap();
        sum
    };
    let zipped = a.series.iter().zip(&b.series);
    Measured {
        duration_s: a.duration_s,
        series: zipped
            .map(|(a, b)| Second {
                completed: a.completed + b.completed,
                established: a.established + b.established,
                failed: a.failed + b.failed,
                in_flight: a.in_flight + b.in_flight,
            })
            .collect(),
        attempted: a.attempted + b.attempted,
        established: a.established + b.established,
        completed: a.completed + b.completed,
        in_flight: a.in_flight + b.in_flight,
        failed: add(&a.failed, &b.failed),
        connect_us: histogram(&a.connect_us, &b.connect_us),
        completion_us: histogram(&a.completion_us, &b.completion_us),
        traffic: Traffic {
            packets_received: a.traffic.packets_received + b.traffic.packets_received,
            packets_sent: a.traffic.packets_sent + b.traffic.packets_sent,
            retransmissions: a.traffic.retransmissions + b.traffic.retransmissions,
            data_retransmissions: a.traffic.data_retransmissions + b.traffic.data_retransmissions,
            drops: add(&a.traffic.drops, &b.traffic.drops),
        },
        ..a.clone()
    }
}

/// A run of 4 s with these completed in each second and these times.
fn random(seconds: &[u64], times: &[u64], failed: u64) -> Measured {
    let mut run = measured(4, 0);
    run.series = seconds.iter().map(|&completed| Second { completed, failed, ..Second::default() }).collect();
    run.completed = seconds.iter().sum();
    run.failed = BTreeMap::from([(format!("reason-{}", failed % 3), failed)]);
    run.attempted = run.completed + run.in_flight + failed;
    run.traffic.packets_sent = 7 * run.completed;
    times.iter().for_each(|&time| run.connect_us.saturating_record(time));
    times.iter().for_each(|&time| run.completion_us.saturating_record(2 * time));
    run
}

fn runs() -> impl Strategy<Value = Measured> {
    let seconds = prop::collection::vec(0u64..500_000, 4..=4);
    let times = prop::collection::vec(1u64..1 << 29, 0..100);
    (seconds, times, 0u64..1000).prop_map(|(seconds, times, failed)| random(&seconds, &times, failed))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn two_merged_are_one_run_of_both(a in runs(), b in runs()) {
        let merged = merge(&[one("a", &a), one("b", &b)], false).unwrap();
        let expected = one("both", &together(&a, &b)).1;
        prop_assert_eq!(&merged.connections, &expected.connections);
        prop_assert_eq!(&merged.rate, &expected.rate);
        prop_assert_eq!(&merged.latency_us, &expected.latency_us);
        prop_assert_eq!(&merged.histograms, &expected.histograms);
        prop_assert_eq!(&merged.series, &expected.series);
        prop_assert_eq!(&merged.packets, &expected.packets);
        prop_assert_eq!(merged.packets_per_connection, expected.packets_per_connection);
        prop_assert_eq!(&merged.drops, &expected.drops);
        prop_assert_eq!(merged.retransmissions, expected.retransmissions);
        prop_assert_eq!(merged.duration_s, expected.duration_s);
    }

    #[test]
    fn the_order_of_merging_does_not_matter(a in runs(), b in runs(), c in runs()) {
        let all = merge(&[one("a", &a), one("b", &b), one("c", &c)], false).unwrap();
        let two = merge(&[one("a", &a), one("b", &b)], false).unwrap();
        let again = merge(&[("ab".to_owned(), two), one("c", &c)], false).unwrap();
        prop_assert_eq!(&again.connections, &all.connections);
        prop_assert_eq!(&again.rate, &all.rate);
        prop_assert_eq!(&again.histograms, &all.histograms);
        let sources: Vec<&str> = again.parts.iter().map(|part| part.source.as_str()).collect();
        prop_assert_eq!(sources, ["ab: a", "ab: b", "c"]);
        let cores: Vec<&str> = again.cpu.per_core.iter().map(|core| core.source.as_str()).collect();
        prop_assert_eq!(cores, ["ab: a", "ab: a", "ab: b", "ab: b", "c", "c"]);
    }
}

#[test]
fn the_sum_names_its_parts_and_adds_what_was_asked() {
    let merged = merge(&[one("a", &measured(4, 100)), one("b", &measured(4, 300))], false).unwrap();
    assert_eq!(merged.load.concurrency, Some(1024));
    assert_eq!(merged.parts.iter().map(|part| part.mean_rate).collect::<Vec<_>>(), [100.0, 300.0]);
    assert_eq!(merged.rate.mean, 400.0);
    // Twice 4 s, four fifths of them busy.
    assert!((merged.cpu.client_busy_core_seconds - 6.4).abs() < 0.1);
    let per_core_second = 1600.0 / merged.cpu.client_busy_core_seconds;
    assert_eq!(merged.cpu.connections_per_core_second, Some(per_core_second));
    assert_eq!(merged.active.devices.len(), 2);
    assert_eq!(merged.mode, "generic");
    assert!(merged.notes.iter().any(|note| note == "a: no hugepages <b>here</b>"), "{:?}", merged.notes);
}

#[test]
fn runs_of_different_length_have_the_rate_of_the_seconds_they_share() {
    let merged = merge(&[one("a", &measured(4, 100)), one("b", &measured(9, 100))], false).unwrap();
    assert_eq!((merged.rate.seconds, merged.rate.mean), (4, 200.0));
    assert_eq!((merged.series.len(), merged.duration_s), (9, 9.0));
    assert!(merged.notes.iter().any(|note| note.contains("5.0 s apart")), "{:?}", merged.notes);
}

#[test]
fn runs_that_began_apart_are_told() {
    let mut late = one("b", &measured(4, 100));
    late.1.started_at = "2026-09-21T14:13:30Z".into();
    let merged = merge(&[one("a", &measured(4, 100)), late], false).unwrap();
    assert!(merged.notes.iter().any(|note| note.contains("began 9.8 s apart")), "{:?}", merged.notes);
}

#[test]
fn different_benchmarks_are_refused_by_name_unless_forced() {
    let first = one("a.json", &measured(4, 100));
    type Change = fn(&mut Results);
    let changes: [(Change, &str); 5] = [
        (|r| r.workload = "request".into(), "workload: a.json has `lifecycle`, b.json has `request`"),
        (|r| r.target = "[::1]:80".into(), "target"),
        (|r| r.handfast = "0.0.9".into(), "0.0.9"),
        (|r| _ = r.options.insert("closer".into(), "server".into()), "closer"),
        (|r| _ = r.options.remove("msl"), "msl: a.json has `1 s`, b.json has ``"),
    ];
    for (change, part) in changes {
        let mut second = one("b.json", &measured(4, 100));
        change(&mut second.1);
        let both = [first.clone(), second];
        let error = merge(&both, false).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
        let forced = merge(&both, true).unwrap();
        assert!(forced.notes.iter().any(|note| note.contains(part)), "{:?}", forced.notes);
    }
    let open = Results::new(&open_loop(10.0), &active(), &measured(4, 100));
    assert!(merge(&[first.clone(), ("open".into(), open)], false).unwrap_err().to_string().contains("loop"));
    let mut seeded = one("b.json", &measured(4, 100));
    seeded.1.options.insert("seed".into(), "7".into());
    assert!(merge(&[first, seeded], false).is_ok());
    assert!(matches!(merge(&[], true), Err(MergeError::Nothing)));
}

#[test]
fn the_sums_verdict_is_the_worst_for_belief() {
    let part = |name: &str, verdict| {
        let mut part = one(name, &measured(4, 100));
        part.1.bottleneck = Bottleneck { verdict, sentence: "because".into() };
        part
    };
    use Verdict::{Client, Neither, Target, Unknown};
    for (verdicts, expected, sentence) in [
        ([Neither, Target, Client], Client, "2: because"),
        ([Neither, Target, Target], Target, "1 (and 1 more): because"),
        ([Unknown, Neither, Unknown], Neither, "1: because"),
        ([Unknown, Unknown, Unknown], Unknown, "because"),
    ] {
        let parts: Vec<_> = verdicts.iter().zip(["0", "1", "2"]).map(|(v, name)| part(name, *v)).collect();
        let found = merge(&parts, false).unwrap().bottleneck;
        assert_eq!((found.verdict, found.sentence.as_str()), (expected, sentence));
    }
}

#[test]
fn counts_beyond_64_bits_are_refused() {
    let mut huge = one("huge", &measured(4, 100));
    huge.1.retransmissions = u64::MAX;
    let error = merge(&[one("a", &measured(4, 100)), huge], false).unwrap_err();
    assert_eq!(error.to_string(), "the counts of huge are too large to add up");
}
