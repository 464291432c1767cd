//! SYNs alone: every server answers them, at the highest rate and at a fixed one; by counts, not by times.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use handfast_lab::bench::comparison::{CeilingClient, ComparisonPlan, RunResult, ServerKind};
use handfast_lab::bench::workload::{Pattern, Workload};
use handfast_report::bench::comparison::Comparison;
use handfast_stack::xdp::Mode;

/// SYNs per second that a debug build answers on a busy machine.
const RATE: u32 = 2_000;

fn plan(timestamps: bool) -> ComparisonPlan {
    let syn = Pattern { timestamps, ..Pattern::new(Workload::Syn) };
    ComparisonPlan {
        servers: ServerKind::OF_SYNS.to_vec(),
        patterns: vec![syn, Pattern { rate: Some(RATE), ..syn }],
        modes: vec![Mode::Generic],
        rounds: 1,
        duration: Duration::from_millis(300),
        settle: Duration::ZERO,
        window: 32,
        ..ComparisonPlan::new(support::lab_name(), support::program())
    }
}

#[test]
fn every_server_answers_syns_over_ipv4_in_generic_mode() {
    every_server_answers(Mode::Generic, false);
}

#[test]
fn every_server_answers_syns_over_ipv6_in_native_mode() {
    every_server_answers(Mode::Native, true);
}

fn every_server_answers(mode: Mode, ipv6: bool) {
    let Some(()) = support::root() else { return };
    let plan = ComparisonPlan { modes: vec![mode], ipv6, ..plan(true) };
    let finished = plan.run(&CeilingClient, &AtomicBool::new(false), &mut |_| {}).expect("a lab");
    assert!(finished.failed.is_empty(), "{:?}", finished.failed);
    let distinct: BTreeSet<_> =
        finished.results.iter().map(|row| (row.server, row.workload.clone())).collect();
    assert_eq!((finished.results.len(), distinct.len()), (10, 10));
    assert!(finished.results.iter().all(|row| row.workload.ends_with("-ipv6") == ipv6), "{distinct:?}");
    finished.results.iter().for_each(answered);
}

/// A packet in, a packet out, of the length of Linux's.
fn answered(row: &RunResult) {
    let work = row.syn.unwrap_or_else(|| panic!("no figures: {row:?}"));
    let report = &row.client_report;
    let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("no {name}: {report}"));
    assert!(count("sent") > 0 && row.completed > 0, "{row:?}");
    assert_eq!(count("sent"), row.completed + count("lost") + count("in_flight"), "{row:?}");
    assert_eq!(count("rst"), 0, "{row:?}");
    assert!(work.replies_per_syn > 0.9 && work.replies_per_syn <= 1.0, "{row:?}");
    let out_per_in = work.out_per_in.unwrap_or_else(|| panic!("no counts: {row:?}"));
    // The kernel, and handfast, also answer to questions for addresses.
    assert!((0.9..=1.01).contains(&out_per_in), "{out_per_in} in {row:?}");
    assert!(work.machine_ns > 0.0 && work.machine_ns >= work.client_ns, "{row:?}");
    if row.workload.starts_with("syn-2k") {
        assert!(work.sent <= f64::from(RATE) * 1.01, "{row:?}");
    }
    if row.server == "handfast-ebpf" {
        let verdicts = &row.server_report["steering"][0]["verdicts"];
        assert_eq!(verdicts["tx_syn_ack"].as_u64(), Some(count("sent") - count("lost")), "{row:?}");
        assert_eq!(row.server_report["total"]["syns"], 0, "none reaches user space: {row:?}");
    }
    if row.server == "handfast-engine" {
        let total = &row.server_report["total"];
        assert_eq!(total["syn_acks_cookie"].as_u64(), Some(count("sent") - count("lost")), "{row:?}");
        assert_eq!(total["syn_acks"], 0, "no state: {row:?}");
    }
}

#[test]
fn the_tier_that_is_not_there_is_said_to_be_missing() {
    let Some(()) = support::root() else { return };
    let syn = Pattern::new(Workload::Syn);
    let servers = vec![ServerKind::HandfastEbpf, ServerKind::XdpTx];
    let plan = ComparisonPlan { servers, patterns: vec![syn], cookie_tier: false, ..plan(false) };
    let finished = plan.run(&CeilingClient, &AtomicBool::new(false), &mut |_| {}).expect("a lab");
    assert_eq!((finished.results.len(), finished.failed.len()), (1, 1));
    assert!(finished.failed[0].reason.contains("--cookie-tier"), "{:?}", finished.failed);
}

#[test]
fn beside_connections_the_link_is_measured_once() {
    let patterns = vec![
        Pattern::new(Workload::Lifecycle),
        Pattern::new(Workload::Syn),
        Pattern { rate: Some(RATE), ..Pattern::new(Workload::Syn) },
    ];
    let servers = [&ServerKind::ALL[..], &ServerKind::OF_SYNS[..3]].concat();
    let plan =
        ComparisonPlan { patterns, servers, both_families: true, ..ComparisonPlan::new("mixed", "handfast") };
    let runs = plan.round(0);
    let names: BTreeSet<String> =
        runs.iter().map(|run| format!("{} {} {}", run.server, run.workload(), run.mode)).collect();
    // In each family and mode four servers of lifecycles, and five of SYNs alone, in two ways.
    assert_eq!((runs.len(), names.len()), (56, 56));
    assert!(names.contains("kernel lifecycle-ipv6 native"), "{names:?}");
    assert!(names.contains("xdp-tx syn generic") && !names.contains("xdp-tx lifecycle generic"));
}

/// The command: both parts, their tables, and the figures in the JSON.
#[test]
fn the_command_reports_packets_and_processor_time() {
    let Some(()) = support::root() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let json = folder.path().join("syn.json");
    let name = support::lab_name();
    let output = std::process::Command::new(support::program())
        .args(["lab", "bench", "--name", &name, "--rounds", "1", "--seconds", "1", "--mode", "generic"])
        .args(["--servers", "xdp-tx,handfast-engine", "--workloads", "syn", "--syn-rate", "2k"])
        .args(["--ipv6", "--json"])
        .arg(&json)
        .output()
        .expect("runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for part in [
        "syn-ipv6, generic mode",
        "syn-2k-ipv6, generic mode: packets, and processor time per SYN",
        "handfast-engine answers",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let written = std::fs::read_to_string(&json).expect("written");
    let comparison = Comparison::parse(&written).expect("a comparison");
    let row = comparison.row("syn-2k-ipv6", "generic", "handfast-engine").expect("a row");
    let syn = row.syn.as_ref().expect("figures");
    assert!(syn.machine_ns.median > 0.0 && syn.machine_of_ceiling.is_some(), "{row:?}");
    assert!(row.ratios.contains_key("xdp-tx") && comparison.goals.is_empty(), "{row:?}");
}
