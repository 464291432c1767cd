//! The harness: every contestant gets its run, in changing order, and nothing is left behind.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use handfast::lab::bench::contest::{
    BareClient, ClientCommand, Contest, ContestError, Contestant, Outcome, Row, Run,
};
use handfast::lab::bench::workload::{Pattern, Workload};
use handfast::lab::{Lab, LabError};
use handfast::xdp::Mode;
use serde_json::Value;

use crate::stage;

#[test]
fn every_contestant_gets_its_run_and_none_fails() {
    let Some(()) = stage::root() else { return };
    let contest = Contest { modes: vec![Mode::Generic, Mode::Native], ..short() };
    let mut seen = 0;
    let finished = contest.run(&BareClient, &AtomicBool::new(false), &mut |_| seen += 1).expect("a contest");
    // Four contestants play three workloads, two answer SYNs, in two modes.
    assert_eq!((finished.rows.len(), seen, finished.interrupted), (28, 28, false));
    for row in &finished.rows {
        assert!(row.completed > 0 && row.failures == 0, "{row:?}");
        assert_eq!(row.client["mode"], row.mode.as_str(), "{row:?}");
        served_what_was_called(row);
    }
    let distinct: BTreeSet<_> =
        finished.rows.iter().map(|row| (row.contestant, row.workload.clone(), row.mode.clone())).collect();
    assert_eq!(distinct.len(), 28);
    assert_gone(&contest);
}

/// Both sides count the same connections.
fn served_what_was_called(row: &Row) {
    let served = match row.contestant {
        "kernel" | "kernel-rps" => &row.server["closed"],
        "handfast" => &row.server["total"]["established"],
        "replay" => &row.server["syns"],
        "reflector" => &row.server["received"],
        _ => &row.server["answered"],
    };
    assert_eq!(served.as_u64(), Some(row.completed), "{} {} {}", row.contestant, row.workload, row.mode);
}

#[test]
fn over_ipv6_as_well() {
    let Some(()) = stage::root() else { return };
    let contestants = vec![Contestant::Kernel, Contestant::Handfast, Contestant::Replay, Contestant::XdpTx];
    let patterns = vec![Pattern::new(Workload::Lifecycle)];
    let contest = Contest { ipv6: true, contestants, patterns, ..short() };
    let finished = contest.run(&BareClient, &AtomicBool::new(false), &mut |_| {}).expect("a contest");
    assert_eq!(finished.rows.len(), 4);
    finished.rows.iter().for_each(|row| assert!(row.completed > 0 && row.failures == 0, "{row:?}"));
}

#[test]
fn the_order_changes_from_round_to_round_and_every_round_is_whole() {
    let contest = Contest::new("order", "handfast");
    let place = |round: u32| -> Vec<String> {
        let runs = contest.round(round);
        runs.iter().map(|run| format!("{} {} {}", run.contestant, run.pattern.workload, run.mode)).collect()
    };
    let whole: BTreeSet<String> = place(0).into_iter().collect();
    assert_eq!(whole.len(), 28);
    let rounds: Vec<Vec<String>> = (0..28).map(place).collect();
    let distinct: BTreeSet<&Vec<String>> = rounds.iter().collect();
    assert_eq!(distinct.len(), 28, "no two rounds have one order");
    assert!(rounds.iter().all(|round| round.iter().cloned().collect::<BTreeSet<_>>() == whole));
    let comes_first = |round: &&Vec<String>| {
        let at = |name: &str| round.iter().position(|run| run == name);
        at("kernel lifecycle generic") < at("handfast lifecycle generic")
    };
    let first = rounds.iter().filter(comes_first).count();
    assert!((10..=18).contains(&first), "each is first about half of the time: {first} of 28");
}

#[test]
fn an_interruption_keeps_the_rows_and_removes_the_lab() {
    let Some(()) = stage::root() else { return };
    let contest = Contest { rounds: 100, ..short() };
    let stop = AtomicBool::new(false);
    let finished = contest.run(&BareClient, &stop, &mut |_| stop.store(true, Ordering::Relaxed));
    let finished = finished.expect("no error");
    assert_eq!((finished.rows.len(), finished.interrupted), (1, true));
    assert_gone(&contest);
}

#[test]
fn an_error_is_told_with_what_was_printed_and_the_lab_is_gone() {
    let Some(()) = stage::root() else { return };
    struct Broken;
    impl ClientCommand for Broken {
        fn command(&self, _run: &Run<'_>, lab: &Lab) -> Command {
            let mut command = lab.client().command("sh");
            command.args(["-c", "echo cannot find the wire >&2; exit 7"]);
            command
        }

        fn read(&self, _report: &Value) -> Option<Outcome> {
            None
        }
    }
    let contest = Contest { contestants: vec![Contestant::Kernel], ..short() };
    let error = contest.run(&Broken, &AtomicBool::new(false), &mut |_| {}).expect_err("it cannot run");
    assert!(matches!(error, ContestError::Failed { who: "client", .. }), "{error}");
    assert!(error.to_string().contains("cannot find the wire"), "{error}");
    assert_gone(&contest);

    let missing = Contest { program: "/nowhere/handfast".into(), ..contest };
    let error = missing.run(&BareClient, &AtomicBool::new(false), &mut |_| {}).expect_err("it cannot run");
    assert!(error.to_string().contains("kernel"), "{error}");
    assert_gone(&missing);
}

/// One quick round of everything in generic mode.
fn short() -> Contest {
    Contest {
        modes: vec![Mode::Generic],
        rounds: 1,
        duration: Duration::from_millis(200),
        settle: Duration::ZERO,
        window: 32,
        ..Contest::new(stage::name(), stage::PROGRAM)
    }
}

fn assert_gone(contest: &Contest) {
    assert!(matches!(Lab::open(&contest.name), Err(LabError::Absent { .. })));
    let namespaces = Command::new("ip").args(["netns", "list"]).output().expect("ip");
    let text = String::from_utf8_lossy(&namespaces.stdout).into_owned();
    assert!(!text.contains(&format!("hf-{}-", contest.name)), "{text}");
}
