//! The harness: every server gets its run, in changing order, and nothing is left behind.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use handfast_lab::bench::comparison::{
    BenchClient, CeilingClient, ClientCommand, ClientOutcome, ComparisonPlan, Run, RunEvent, RunResult,
    ServerKind,
};
use handfast_lab::bench::workload::{Pattern, Workload};
use handfast_lab::{Lab, LabError};
use handfast_report::bench::comparison::Comparison;
use handfast_stack::xdp::Mode;
use serde_json::Value;

#[test]
fn every_server_gets_its_run_and_none_fails() {
    let Some(()) = support::root() else { return };
    let plan = ComparisonPlan { modes: vec![Mode::Generic, Mode::Native], ..short() };
    let mut seen = 0;
    let each = &mut |news: RunEvent<'_>| seen += u32::from(matches!(news, RunEvent::Done(_)));
    let finished = plan.run(&CeilingClient, &AtomicBool::new(false), each).expect("a comparison");
    // Four servers play three workloads, two answer SYNs, in two modes.
    assert_eq!((finished.results.len(), seen, finished.interrupted), (28, 28, false));
    for row in &finished.results {
        // A reflector that does not get to run loses frames of the window, for want of room in its ring.
        let lost = if row.workload == "syn" { u64::from(plan.window) } else { 0 };
        assert!(row.completed > 0 && row.failures <= lost, "{row:?}");
        assert_eq!(row.client_report["mode"], row.mode.as_str(), "{row:?}");
        served_what_was_called(row);
    }
    let distinct: BTreeSet<_> =
        finished.results.iter().map(|row| (row.server, row.workload.clone(), row.mode.clone())).collect();
    assert_eq!(distinct.len(), 28);
    assert_gone(&plan);
}

/// Both sides count the same connections.
fn served_what_was_called(row: &RunResult) {
    let served = match row.server {
        "kernel" | "kernel-rps" => &row.server_report["closed"],
        "handfast" => &row.server_report["total"]["established"],
        "replay" => &row.server_report["syns"],
        "reflector" => &row.server_report["received"],
        _ => &row.server_report["answered"],
    };
    assert_eq!(served.as_u64(), Some(row.completed), "{} {} {}", row.server, row.workload, row.mode);
}

#[test]
fn over_ipv6_as_well() {
    let Some(()) = support::root() else { return };
    let servers = vec![ServerKind::Kernel, ServerKind::Handfast, ServerKind::Replay, ServerKind::XdpTx];
    let patterns = vec![Pattern::new(Workload::Lifecycle)];
    let plan = ComparisonPlan { ipv6: true, servers, patterns, ..short() };
    let finished = plan.run(&CeilingClient, &AtomicBool::new(false), &mut |_| {}).expect("a comparison");
    assert_eq!(finished.results.len(), 4);
    finished.results.iter().for_each(|row| assert!(row.completed > 0 && row.failures == 0, "{row:?}"));
}

#[test]
fn the_order_changes_from_round_to_round_and_every_round_is_whole() {
    let plan = ComparisonPlan::new("order", "handfast");
    let place = |round: u32| -> Vec<String> {
        let runs = plan.round(round);
        runs.iter().map(|run| format!("{} {} {}", run.server, run.pattern.workload, run.mode)).collect()
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
    let Some(()) = support::root() else { return };
    let plan = ComparisonPlan { rounds: 100, ..short() };
    let stop = AtomicBool::new(false);
    let first = &mut |news: RunEvent<'_>| {
        if matches!(news, RunEvent::Done(_)) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let finished = plan.run(&CeilingClient, &stop, first);
    let finished = finished.expect("no error");
    assert_eq!((finished.results.len(), finished.interrupted), (1, true));
    assert_gone(&plan);
}

#[test]
fn what_cannot_run_is_told_and_the_others_go_on() {
    let Some(()) = support::root() else { return };
    struct Broken;
    impl ClientCommand for Broken {
        fn command(&self, _run: &Run<'_>, lab: &Lab) -> Command {
            let mut command = lab.client().command("sh");
            command.args(["-c", "echo cannot find the wire >&2; exit 7"]);
            command
        }

        fn read(&self, _report: &Value) -> Option<ClientOutcome> {
            None
        }
    }
    let servers = vec![ServerKind::Kernel, ServerKind::Replay];
    let patterns = vec![Pattern::new(Workload::Lifecycle)];
    let plan = ComparisonPlan { servers, patterns, rounds: 3, ..short() };
    let mut reported = 0;
    let on_event = &mut |event: RunEvent<'_>| reported += u32::from(matches!(event, RunEvent::Failed(_)));
    let finished = plan.run(&Broken, &AtomicBool::new(false), on_event).expect("the others run");
    // The ceiling has a client of its own.
    let ran: Vec<&str> = finished.results.iter().map(|row| row.server).collect();
    assert_eq!(ran, ["replay"; 3]);
    let lost: Vec<_> = finished.failed.iter().map(|lost| (lost.server, lost.round)).collect();
    assert_eq!((lost, reported), (vec![("kernel", 0), ("kernel", 1)], 2), "not tried a third time");
    let reason = &finished.failed[0].reason;
    assert!(reason.contains("the client ended with") && reason.contains("cannot find the wire"), "{reason}");
    assert_gone(&plan);

    let missing = ComparisonPlan { program: "/nowhere/handfast".into(), ..plan };
    let finished = missing.run(&CeilingClient, &AtomicBool::new(false), &mut |_| {}).expect("a comparison");
    assert!(finished.results.is_empty() && finished.failed[0].reason.contains("kernel"), "{finished:?}");
    assert_gone(&missing);
}

#[test]
fn runs_are_numbered_through() {
    let plan = ComparisonPlan { rounds: 3, ..ComparisonPlan::new("numbers", "handfast") };
    let numbers: Vec<u32> = (0..3).flat_map(|round| plan.round(round)).map(|run| run.number).collect();
    assert_eq!(numbers, (0..84).collect::<Vec<_>>());
}

/// With `handfast bench` as the client: every server completes the connections.
#[test]
fn the_real_client_completes_what_it_opens_with_every_server_that_is_a_tcp() {
    let Some(()) = support::root() else { return };
    for timestamps in [true, false] {
        let patterns = Workload::COMPARED.map(|workload| Pattern { timestamps, ..Pattern::new(workload) });
        let servers = vec![ServerKind::Kernel, ServerKind::KernelRps, ServerKind::Handfast];
        // Longer than pauses of the host: a bench that is not scheduled in it opens nothing.
        let duration = Duration::from_millis(500);
        let plan = ComparisonPlan { servers, patterns: patterns.to_vec(), duration, ..short() };
        let finished = plan.run(&BenchClient, &AtomicBool::new(false), &mut |_| {}).expect("a comparison");
        assert_eq!((finished.results.len(), &finished.failed[..]), (9, &[][..]));
        for row in &finished.results {
            assert!(row.completed > 0 && row.failures == 0, "{row:?}");
            served_what_was_called(row);
        }
        assert_gone(&plan);
    }
}

/// The command: the tables, the reason for a failed run, every file.
#[test]
fn the_command_reports_what_it_ran() {
    let Some(()) = support::root() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (json, html, raw) = (file("c.json"), file("c.html"), file("raw.json"));
    let name = support::lab_name();
    let output = Command::new(support::program())
        .args(["lab", "bench", "--name", &name, "--rounds", "1", "--seconds", "1", "--mode", "generic"])
        .args(["--servers", "kernel,handfast,replay,reflector", "--workloads", "lifecycle"])
        .args(["--json", &json, "--html", &html, "--raw", &raw])
        .output()
        .expect("runs");
    let (text, messages) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{messages}");
    assert!(messages.starts_with("4 runs in one round: about"), "{messages}");
    let header = text.lines().find(|line| line.trim_start().starts_with("server ")).expect("a table");
    for column in ["of replay", "of kernel", "of reflector/3", "median/s"] {
        assert!(header.contains(column), "{column}: {text}");
    }
    for row in ["  kernel ", "  handfast ", "  replay ", "  reflector/3 "] {
        let line = text.lines().find(|line| line.starts_with(row)).unwrap_or_else(|| panic!("{row}: {text}"));
        // See above of reflectors.
        assert!(line.trim_end().ends_with(" 0") || row == "  reflector/3 ", "no failures: {line}");
        assert_eq!(
            line.matches('%').count() + line.matches(" x").count(),
            4,
            "three ratios, a spread: {line}"
        );
    }
    for part in ["Linux ", " core", "The MSL of handfast is 1 s", "not NIC figures", "syn, generic mode"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let read = |path: &str| std::fs::read_to_string(path).expect("written");
    let comparison = Comparison::parse(&read(&json)).expect("a comparison");
    let handfast = comparison.row("lifecycle", "generic", "handfast").expect("a row");
    assert_eq!((handfast.failures, handfast.ratios.len()), (0, 3), "{handfast:?}");
    assert!(read(&html).contains("<svg"));
    let raw: Value = serde_json::from_str(&read(&raw)).expect("JSON");
    let ours = raw.as_array().expect("rows").iter().find(|row| row["server"] == "handfast").expect("ours");
    let packets = ours["client_report"]["packets_per_connection"].as_f64().expect("a number");
    assert!((5.9..6.1).contains(&packets), "six packets each: {packets}");
}

/// One quick round of everything in generic mode.
fn short() -> ComparisonPlan {
    ComparisonPlan {
        modes: vec![Mode::Generic],
        rounds: 1,
        duration: Duration::from_millis(200),
        settle: Duration::ZERO,
        window: 32,
        ..ComparisonPlan::new(support::lab_name(), support::program())
    }
}

fn assert_gone(plan: &ComparisonPlan) {
    assert!(matches!(Lab::open(&plan.name), Err(LabError::Absent { .. })));
    let namespaces = Command::new("ip").args(["netns", "list"]).output().expect("ip");
    let text = String::from_utf8_lossy(&namespaces.stdout).into_owned();
    assert!(!text.contains(&format!("hf-{}-", plan.name)), "{text}");
}
