use super::syn::{Goal, SynFigures};
use super::tests::run;
use super::{Comparison, Run, Setting};
use crate::bench::write_json;

/// A run of SYNs alone; `machine_ns`: processor time for each.
fn syns(round: u32, server: &str, workload: &str, rate: f64, machine_ns: f64) -> Run {
    let syn = SynFigures {
        sent: rate,
        replies: rate,
        replies_per_syn: 1.0,
        out_per_in: (server != "kernel-cookies").then_some(0.875),
        client_busy: 1.0,
        server_busy: if server == "handfast-engine" { 0.98 } else { 0.02 },
        client_ns: machine_ns * 0.75,
        server_ns: machine_ns * 0.25,
        machine_ns,
    };
    Run { syn: Some(syn), failures: 0, ..run(round, server, workload, rate) }
}

/// Two rounds, of which the second is slower; `tier`: rate and time of the tier, relative to the ceiling.
pub(in crate::bench) fn compared((rate, time): (f64, f64)) -> Comparison {
    let mut runs = Vec::new();
    for (round, speed) in [(1, 1.0), (2, 0.8)] {
        for workload in ["syn", "syn-150k", "syn-ipv6", "syn-150k-ipv6"] {
            let at_a_rate = workload.contains("150k");
            let full = if at_a_rate { 150_000.0 } else { 1_000_000.0 * speed };
            let own = if at_a_rate { full } else { full * rate };
            runs.push(syns(round, "xdp-tx", workload, full, 1_000.0 / speed));
            runs.push(syns(round, "handfast-ebpf", workload, own, 1_000.0 * time / speed));
            runs.push(syns(round, "handfast-engine", workload, full * 1.2, 2_000.0 / speed));
            runs.push(syns(round, "kernel-cookies", workload, full * 0.3, 3_000.0 / speed));
        }
    }
    Comparison::new(Setting::default(), &["xdp-tx"], runs)
}

fn met(goals: &[Goal]) -> Vec<(&str, &str, bool)> {
    goals.iter().map(|goal| (goal.workload.as_str(), goal.figure.as_str(), goal.met)).collect()
}

#[test]
fn the_goals_are_of_the_same_round_and_easier_over_ipv6() {
    let comparison = compared((0.93, 1.08));
    assert_eq!(
        met(&comparison.goals),
        [
            ("syn", "rate", false),
            ("syn-150k", "busy", true),
            ("syn-150k", "machine", true),
            ("syn-ipv6", "rate", true),
            ("syn-150k-ipv6", "busy", true),
            ("syn-150k-ipv6", "machine", true),
        ]
    );
    assert_eq!(
        comparison.verdict,
        "handfast-ebpf answers 93 % of the SYNs per second that xdp-tx answers. handfast-engine answers 120 % \
         of the SYNs per second that xdp-tx answers. Goals of handfast-ebpf: 1 of 6 missed."
    );
    assert!(compared((0.95, 1.1)).goals.iter().all(|goal| goal.met));
    let slow = compared((0.89, 1.11));
    assert_eq!(slow.goals.iter().filter(|goal| goal.met).count(), 2, "{:?}", slow.goals);
}

/// The engine works on another core, so it may be faster; a program in eBPF may not.
#[test]
fn only_the_tier_can_be_above_its_ceiling_by_mistake() {
    assert_eq!(compared((0.95, 1.0)).doubts, Vec::<String>::new());
    let doubts = compared((1.2, 1.0)).doubts;
    assert!(doubts.len() == 1 && doubts[0].contains("handfast-ebpf, syn"), "{doubts:?}");
}

#[test]
fn the_tables_have_packets_time_and_goals() {
    let comparison = compared((0.96, 1.05));
    let text = comparison.text();
    let squeezed: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "syn, generic mode: packets, and processor time per SYN",
        "server SYNs/s answered out/in client ns server ns all ns of xdp-tx busy",
        "handfast-ebpf 864,000 100.0 % 0.875 886 295 1,181 1.05 x 2.0 %",
        "kernel-cookies 270,000 100.0 % - 2,531 844 3,375 3.00 x 2.0 %",
        "syn-150k-ipv6, generic mode, 2 runs each",
    ] {
        assert!(squeezed.iter().any(|shown| shown == line), "{line:?}: {text}");
    }
    let line = text.lines().find(|line| line.contains("syn: SYNs/s of xdp-tx")).expect("a goal");
    assert!(line.contains("96.0 %  at least 95.0 %  yes"), "{line}");
    let markdown = comparison.markdown();
    assert!(markdown.contains("| handfast-ebpf | 864,000 | 100.0 % | 0.875 |"), "{markdown}");
    assert!(markdown.contains("| syn-150k: server's core busy | generic | 2.0 % | at most 5.0 % | yes |"));
    let page = comparison.html();
    for part in ["<h1>SYNs answered per second, side by side", "<h2>Goals", "1,181", "at least 95.0 %"] {
        assert!(page.contains(part), "{part:?}: {page}");
    }
}

#[test]
fn json_is_read_back() {
    let (mut text, comparison) = (Vec::new(), compared((0.96, 1.05)));
    write_json(&mut text, &comparison).expect("JSON");
    assert_eq!(
        Comparison::parse(&String::from_utf8(text).expect("UTF-8")).expect("a comparison"),
        comparison
    );
}

#[test]
fn beside_connections_both_are_said_and_the_rest_stays() {
    let mut runs = vec![run(1, "kernel", "lifecycle", 100.0), run(1, "handfast", "lifecycle", 285.0)];
    runs.push(syns(1, "xdp-tx", "syn", 100.0, 10.0));
    runs.push(syns(1, "handfast-engine", "syn", 50.0, 10.0));
    let comparison = Comparison::new(Setting::default(), &["kernel", "xdp-tx"], runs);
    let verdict = "handfast completes 2.85 times as many connections a second as the kernel. handfast-engine \
                   answers 50 % of the SYNs per second that xdp-tx answers.";
    assert_eq!((comparison.verdict.as_str(), comparison.goals.len()), (verdict, 0));
}
