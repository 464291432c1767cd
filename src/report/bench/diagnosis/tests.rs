use std::collections::BTreeMap;

use super::super::figures::{Lag, Waited};
use super::super::sample::{active, lag, measured, open_loop as poisson, run, samples};
use super::super::{Measured, NetworkPath, Results, Run};
use super::*;

/// A run that shows no limit: 10 s, 1,000/s.
fn quiet() -> Measured {
    Measured { failed: BTreeMap::new(), attempted: 10_030, cpu: samples(10, 60), ..measured(10, 1000) }
}

fn failed(reason: &str, count: u64) -> Measured {
    let mut measured = quiet();
    measured.completed -= count;
    measured.failed = BTreeMap::from([(reason.to_owned(), count)]);
    measured
}

/// On a schedule, not at random.
fn open_loop(asked: f64) -> Run {
    let mut run = poisson(asked);
    run.load.arrivals = Some("steady".to_owned());
    run
}

fn verdict(run: &Run, measured: &Measured) -> Bottleneck {
    Results::new(run, &active(), measured).bottleneck
}

#[test]
fn each_limit_is_known_by_what_was_measured() {
    let series = |of: fn(u64) -> Second| (0..10).map(of).collect::<Vec<_>>();
    let growing = |n| Second { completed: 1000, in_flight: 100 + 100 * n, ..Second::default() };
    let falling = |n| Second { completed: 1500 - 100 * n, in_flight: 512, ..Second::default() };
    let mut ring_full = quiet();
    ring_full.traffic.drops = BTreeMap::from([("kernel_rx_ring_full".into(), 400)]);
    let (closed, asked) = (run(), open_loop(1000.0));
    let busy = Measured { cpu: samples(10, 1), ..quiet() };
    let paused = Some(Lag { mean: 14_000.0, p50: 100, max: 258_000 });
    let slow = Measured { series: series(falling), cpu: samples(10, 1), ..quiet() };
    let waited = |tuple, slot| Measured { waited: Waited { tuple, slot }, ..slow.clone() };
    let cases: [(&str, &Run, Measured, Verdict, &str); 27] = [
        (
            "no tuple left",
            &closed,
            waited(8.5, 0.0),
            Verdict::Client,
            "for 8.5 of 10.0 s no 4-tuple was free: there are 36,280, each rests 60 s",
        ),
        (
            "what tuples allow",
            &closed,
            waited(0.6, 0.0),
            Verdict::Client,
            "allows 605 connections/s; use more source",
        ),
        ("no slot left", &closed, waited(0.0, 8.5), Verdict::Client, "raise --max-connections"),
        ("a short wait", &closed, waited(0.4, 0.0), Verdict::Client, "had no idle time"),
        ("nothing", &closed, Measured { attempted: 0, ..quiet() }, Verdict::Unknown, "no connection"),
        ("no tuple", &closed, failed("no-tuple", 100), Verdict::Client, "--source"),
        ("no slot", &asked, failed("no_slot", 100), Verdict::Client, "--max-connections"),
        ("no buffer", &closed, failed("no-buffer", 100), Verdict::Client, "no free buffer for a request"),
        ("no time", &asked, failed("client-late", 9000), Verdict::Client, "no time to open them"),
        ("too few opened", &open_loop(1020.0), quiet(), Verdict::Client, "1,003 of the asked 1,020"),
        ("opened late", &asked, Measured { lag: lag(2500.0), ..quiet() }, Verdict::Client, "2.5 ms late"),
        (
            "a little late",
            &asked,
            Measured { lag: lag(900.0), ..quiet() },
            Verdict::Neither,
            "1,000 of 1,000",
        ),
        (
            "one pause",
            &asked,
            Measured { lag: paused, ..failed("timeout", 9000) },
            Verdict::Target,
            "89.73 %",
        ),
        (
            "late and unanswered",
            &asked,
            Measured { lag: lag(2500.0), ..failed("connect-timeout", 9000) },
            Verdict::Target,
            "89.73 %",
        ),
        (
            "late, some unanswered",
            &asked,
            Measured { lag: lag(2500.0), ..failed("connect-timeout", 2000) },
            Verdict::Client,
            "2.5 ms late",
        ),
        ("ring full", &closed, ring_full, Verdict::Client, "400 of 30,400 packets"),
        ("busy", &closed, busy.clone(), Verdict::Client, "core 0 was busy for 99 %"),
        ("busy, on schedule", &asked, busy.clone(), Verdict::Neither, "was reached"),
        ("spins", &closed, Measured { idle: Some(0.4), ..busy.clone() }, Verdict::Neither, "512"),
        ("works", &closed, Measured { idle: Some(0.04), ..quiet() }, Verdict::Client, "no idle time"),
        ("unanswered", &closed, failed("connect-timeout", 9000), Verdict::Target, "89.73 %"),
        (
            "unanswered and spins",
            &closed,
            Measured { cpu: samples(10, 0), ..failed("refused", 9000) },
            Verdict::Target,
            "nothing listens",
        ),
        ("some failed", &asked, failed("reset", 50), Verdict::Target, "by reset"),
        ("few failed", &asked, failed("reset", 5), Verdict::Neither, "was reached"),
        ("slower", &asked, Measured { series: series(growing), ..quiet() }, Verdict::Target, "150 to 950"),
        ("falling", &closed, Measured { series: series(falling), ..quiet() }, Verdict::Target, "fell from"),
        ("quiet", &closed, quiet(), Verdict::Neither, "--concurrency"),
    ];
    for (name, run, measured, expected, part) in cases {
        let found = verdict(run, &measured);
        assert_eq!(found.verdict, expected, "{name}: {}", found.sentence);
        assert!(found.sentence.contains(part), "{name}: {}", found.sentence);
    }
}

#[test]
fn completed_too_late_is_the_targets_fault() {
    let slow = Measured { completed: 9000, in_flight: 1030, ..quiet() };
    let found = verdict(&open_loop(1000.0), &slow);
    assert_eq!(found.verdict, Verdict::Target);
    assert!(found.sentence.contains("900 of the asked 1,000"), "{}", found.sentence);
}

/// 1,003 instead of the expected 1,020 per second is random variation.
#[test]
fn random_variation_is_not_a_limit() {
    let found = verdict(&poisson(1020.0), &quiet());
    assert_eq!(found.verdict, Verdict::Neither, "{}", found.sentence);
    let late = verdict(&poisson(1020.0), &Measured { lag: lag(2500.0), ..quiet() });
    assert!(late.sentence.contains("it opened half of the connections 2.5 ms late"), "{}", late.sentence);
}

#[test]
fn completed_after_the_measured_time_is_not_reached() {
    let second = |_| Second { completed: 500, in_flight: 5, ..Second::default() };
    let found = verdict(&open_loop(1000.0), &Measured { series: (0..3).map(second).collect(), ..quiet() });
    assert_eq!(found.verdict, Verdict::Target, "{}", found.sentence);
    assert!(found.sentence.contains("500 of the asked 1,000"), "{}", found.sentence);
}

#[test]
fn what_an_earlier_run_left_behind_is_named() {
    let mut left = failed("connect-timeout", 5000);
    assert!(verdict(&run(), &left).sentence.contains("address, route, next hop and firewall"));
    left.traffic.drops.insert("ack_unacceptable".into(), 80);
    let found = verdict(&run(), &left);
    assert!(found.sentence.contains("TIME-WAIT") && found.sentence.contains("--seed"), "{}", found.sentence);
}

#[test]
fn shared_cores_and_steal_are_told() {
    let found = verdict(&run(), &quiet());
    assert!(
        found.sentence.contains("Cores are shared") && found.sentence.contains("softirq 20 %"),
        "{found:?}"
    );
    let mut nic = active();
    nic.devices.iter_mut().for_each(|device| device.driver = "ixgbe".into());
    let found = Results::new(&run(), &nic, &quiet()).bottleneck;
    assert!(!found.sentence.contains("shared"), "{found:?}");

    let mut stolen = Measured { cpu: samples(10, 0), ..quiet() };
    for (second, sample) in stolen.cpu.iter_mut().enumerate() {
        sample.cores.values_mut().for_each(|ticks| ticks.steal = 50 * second as u64);
    }
    let found = verdict(&run(), &stolen);
    assert!(found.sentence.contains("hypervisor used 33 %"), "{found:?}");
}

#[test]
fn short_runs_are_judged_without_a_trend() {
    for seconds in 0..4 {
        let mut short =
            Measured { failed: BTreeMap::new(), cpu: samples(seconds, 60), ..measured(seconds, 1000) };
        short.duration_s += 0.5;
        let found = verdict(&run(), &short);
        assert_eq!(found.verdict, Verdict::Neither, "{seconds} s: {found:?}");
    }
}

#[test]
fn what_is_held_or_flooded_is_not_judged_by_what_it_is_not() {
    let held = Run { workload: "hold".to_owned(), ..open_loop(20_000.0) };
    let Bottleneck { verdict: found, sentence } = verdict(&held, &quiet());
    assert_eq!(found, Verdict::Neither, "{sentence}");
    assert!(sentence.contains("answered their probe"), "{sentence}");
    let late = verdict(&held, &Measured { lag: lag(2500.0), ..quiet() });
    assert!(late.verdict == Verdict::Client && late.sentence.contains("2.5 ms late"), "{}", late.sentence);

    let flood = Run { workload: "flood".to_owned(), ..open_loop(1000.0) };
    let mut answers_lost = quiet();
    answers_lost.traffic.drops = BTreeMap::from([("kernel_rx_ring_full".into(), 400)]);
    let results = Results::new(&flood, &active(), &answers_lost);
    assert_eq!(results.bottleneck.verdict, Verdict::Neither, "{}", results.bottleneck.sentence);
    assert_eq!(results.rate.unit, "SYNs sent per second");
}

/// A number of connections ends in seconds in which only the last ones are left.
#[test]
fn the_tail_of_a_number_of_connections_is_no_slow_target() {
    let at = |n: u64| Second {
        completed: if n < 6 { 1600 } else { 3 },
        in_flight: 500 - 40 * n,
        ..Second::default()
    };
    let tail =
        |opening_s| Measured { series: (0..12).map(at).collect(), duration_s: 12.2, opening_s, ..quiet() };
    for run in [run(), open_loop(1670.0)] {
        let found = verdict(&run, &tail(6.0));
        assert_eq!(found.verdict, Verdict::Neither, "{}", found.sentence);
        let slow = verdict(&run, &tail(12.2));
        assert_eq!(slow.verdict, if run.load.rate.is_some() { Verdict::Client } else { Verdict::Target });
    }
}

/// `none` of the SYNs is answered.
fn unanswered(change: impl Fn(&mut NetworkPath)) -> Measured {
    let mut measured = Measured { completed: 0, established: 0, in_flight: 0, ..quiet() };
    measured.failed = BTreeMap::from([("connect-timeout".to_owned(), measured.attempted)]);
    measured.path.received = Some(0);
    change(&mut measured.path);
    measured
}

#[test]
fn sources_without_a_way_back_are_named_with_the_command() {
    let command = "198.18.255.1 needs a route back to it; there: ip route add 10.78.0.0/16 via 198.18.0.1";
    let none = unanswered(|_| {});
    for measured in [none.clone(), Measured { failed: BTreeMap::new(), in_flight: none.attempted, ..none }] {
        let found = verdict(&run(), &measured);
        assert_eq!(found.verdict, Verdict::Target, "{}", found.sentence);
        assert!(
            found.sentence.contains("none of 10,030 SYNs") && found.sentence.contains(command),
            "{found:?}"
        );
    }
    let routed = verdict(&run(), &unanswered(|path| path.router = Some("198.18.0.254".into())));
    assert!(routed.sentence.contains("the router 198.18.0.254 needs a route back"), "{routed:?}");
    for known in [
        unanswered(|path| {
            (path.on_link, path.off_link) = (path.off_link.clone(), Vec::new());
            path.sources = 1;
        }),
        unanswered(|path| path.mac_requests = 3),
        unanswered(|path| path.received = Some(8)),
    ] {
        let found = verdict(&run(), &known);
        assert!(found.sentence.contains("address, route, next hop and firewall"), "{found:?}");
    }
}

#[test]
fn a_full_neighbour_table_is_named_with_its_cures() {
    let mut full = failed("connect-timeout", 8900);
    full.path.on_link = vec!["198.18.16.0/20".into()];
    (full.path.off_link, full.path.sources, full.path.mac_requests) = (Vec::new(), 4096, 1130);
    let found = verdict(&run(), &full);
    for part in [
        "sent 1,130 requests for the MAC of a source",
        "ip route add 198.18.16.0/20 via 198.18.0.1",
        "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192",
    ] {
        assert!(found.sentence.contains(part), "{part}: {}", found.sentence);
    }
    full.path.mac_requests = 100;
    assert!(verdict(&run(), &full).sentence.contains("address, route, next hop and firewall"));
    // All of it is full already.
    let full = unanswered(|path| (path.on_link, path.off_link) = (path.off_link.clone(), Vec::new()));
    assert!(verdict(&run(), &full).sentence.contains("or its neighbour table is full"));
}

#[test]
fn answers_that_were_dropped_for_their_checksum_are_no_silence() {
    let mut partial = unanswered(|path| path.received = Some(30_000));
    partial.traffic.drops = BTreeMap::from([("tcp_partial_checksum".to_owned(), 30_000)]);
    let found = verdict(&run(), &partial);
    assert_eq!(found.verdict, Verdict::Client, "{}", found.sentence);
    assert!(found.sentence.contains("--accept-partial-checksums"), "{}", found.sentence);
}

#[test]
fn what_is_known_of_a_failure_is_said() {
    let mut status = failed("http-status", 5000);
    status.http_statuses = BTreeMap::from([("404".to_owned(), 4000), ("503".to_owned(), 1000)]);
    let found = verdict(&run(), &status);
    assert!(
        found.sentence.contains("by http status: by status, 404: 4,000, 503: 1,000"),
        "{}",
        found.sentence
    );

    let mut queue = failed("timeout", 5000);
    assert!(verdict(&run(), &queue).sentence.contains("or its accept queue is full"));
    queue.traffic.drops.insert("out_of_window".into(), 9000);
    let found = verdict(&run(), &queue);
    assert!(
        found.sentence.contains("after the handshake: most likely its accept queue is full"),
        "{found:?}"
    );
}

#[test]
fn loss_is_said_beside_every_verdict() {
    let mut lossy = quiet();
    lossy.traffic.retransmissions = 300;
    lossy.traffic.drops.insert("out_of_window".into(), 200);
    let found = verdict(&run(), &lossy);
    assert_eq!(found.verdict, Verdict::Neither);
    let wanted =
        "segments 500 were retransmitted (200 by the target): packets were lost or delayed on the way";
    assert!(found.sentence.contains(wanted), "{}", found.sentence);
    assert!(!verdict(&run(), &quiet()).sentence.contains("retransmitted"), "13 of 60,000 are too few");
    // None of these was lost.
    let silent = Measured { traffic: lossy.traffic.clone(), ..failed("connect-timeout", 9000) };
    assert!(!verdict(&run(), &silent).sentence.contains("packets were lost"));
}
