//! Converts the results of a comparison's runs to the report.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use handfast_lab::bench::comparison::{
    ComparisonPlan, Disturbance, FailedRun, FinishedRuns, KERNEL_TIME_WAIT_S, MSL_S, RunResult,
    SOURCE_ROTATION, ServerKind, SynWork,
};
use handfast_lab::bench::workload::{Pattern, Workload};
use handfast_report::bench::comparison::{Comparison, Run, Setting, SynFigures};
use handfast_report::bench::median;
use handfast_text::counted;

/// The reference among the ceilings in round trips.
const REFLECTOR: &str = ServerKind::Reflector.name();

/// `command`: the command line; `started_at`: RFC 3339.
pub(super) fn comparison(
    plan: &ComparisonPlan,
    finished: &FinishedRuns,
    command: String,
    started_at: String,
) -> Comparison {
    let mut references = vec![ServerKind::Replay.name().to_owned(), ServerKind::Kernel.name().to_owned()];
    if plan.patterns.iter().any(Pattern::is_syn) {
        references.push(ServerKind::XdpTx.name().to_owned());
    }
    let shares = connections(plan).map(|pattern| share_name(REFLECTOR, pattern));
    // Workloads with the same number of packets share one.
    for share in shares {
        if !references.contains(&share) {
            references.push(share);
        }
    }
    let references: Vec<&str> = references.iter().map(String::as_str).collect();
    let notes = notes(plan, finished);
    let setting = Setting { command, started_at, machine: machine(), notes };
    Comparison::new(setting, &references, runs(plan, &finished.results))
}

/// Returns the runs, and those of the ceilings in round trips converted to connections.
fn runs(plan: &ComparisonPlan, rows: &[RunResult]) -> Vec<Run> {
    let run = |row: &RunResult| Run {
        round: row.round + 1,
        server: row.server.to_owned(),
        workload: row.workload.clone(),
        mode: row.mode.clone(),
        rate: row.rate,
        failures: row.failures,
        syn: row.syn.map(syn_figures),
        others: row.disturbance.others,
        busiest: row.disturbance.busiest.clone(),
        steal: row.disturbance.steal,
        disturbed: row.disturbance.is_excessive(),
        attempts: row.attempts,
        outlier: false,
    };
    let mut runs: Vec<Run> = rows.iter().map(run).collect();
    for pattern in connections(plan) {
        runs.extend(rows.iter().filter(|row| row.is_round_trip()).map(|row| Run {
            server: share_name(row.server, pattern),
            workload: pattern.name() + row.workload.trim_start_matches(&Workload::Syn.to_string()),
            rate: row.rate / round_trips_of(pattern),
            syn: None,
            ..run(row)
        }));
    }
    runs
}

/// Returns the patterns that are of connections.
fn connections(plan: &ComparisonPlan) -> impl Iterator<Item = &Pattern> {
    plan.patterns.iter().filter(|pattern| !pattern.is_syn())
}

fn syn_figures(work: SynWork) -> SynFigures {
    let SynWork { sent, replies, replies_per_syn, out_per_in, client_busy, server_busy, .. } = work;
    let SynWork { client_ns, server_ns, machine_ns, .. } = work;
    SynFigures {
        sent,
        replies,
        replies_per_syn,
        out_per_in,
        client_busy,
        server_busy,
        client_ns,
        server_ns,
        machine_ns,
    }
}

/// Returns a name such as `reflector/3`: round trips converted to connections of three each.
fn share_name(server: &str, pattern: &Pattern) -> String {
    format!("{server}/{}", round_trips_of(pattern))
}

/// Returns the minimum round trips of a connection.
fn round_trips_of(pattern: &Pattern) -> f64 {
    f64::from(pattern.workload.packets()) / 2.0
}

fn notes(plan: &ComparisonPlan, finished: &FinishedRuns) -> Vec<String> {
    let ComparisonPlan { rounds, duration, cores, ipv6, both_families, window, .. } = plan;
    let full = plan.patterns.iter().any(|pattern| pattern.timestamps);
    let mut notes = vec![
        format!(
            "{}; each run takes {} s; the order differs from round to round. Ratios are of runs in the same \
             round; the tables show medians.",
            counted((*rounds).into(), "round"),
            duration.as_secs_f64()
        ),
        format!(
            "One veth pair, {}; client on core {}, server on core {}; {} in flight; SYNs offer {}. The mode \
             applies to every eBPF program on both ends; the kernel's server has none.",
            match (both_families, ipv6) {
                (true, _) => "IPv4 and IPv6",
                (false, true) => "IPv6",
                (false, false) => "IPv4",
            },
            cores.client,
            cores.server,
            counted((*window).into(), "connection"),
            if full { "MSS, window scale, SACK and timestamps" } else { "MSS only" },
        ),
    ];
    if connections(plan).next().is_some() {
        notes.push(format!(
            "The MSL of handfast is {MSL_S} s on either side, so its TIME-WAIT lasts {} s; the kernel's lasts \
             {KERNEL_TIME_WAIT_S} s. No SYN meets a 4-tuple in TIME-WAIT: each run uses \
             addresses that the {} runs before it did not use.",
            2 * MSL_S,
            SOURCE_ROTATION - 1,
        ));
    }
    notes.push("handfast allocates its tables before a run begins (--prefault).".to_owned());
    notes.extend(of_syns(plan));
    notes.extend(divided(plan, &finished.results));
    notes.extend(packets(&finished.results));
    notes.extend(finished.failed.iter().map(failed));
    if finished.interrupted {
        notes.push("Interrupted: rounds are missing.".into());
    }
    notes.push("Figures from veth are not NIC figures.".into());
    notes
}

/// Explains the figures of SYNs alone.
fn of_syns(plan: &ComparisonPlan) -> Option<String> {
    plan.patterns.iter().any(Pattern::is_syn).then(|| {
        "syn: SYNs of new 4-tuples, answered by SYN-ACKs, and nothing after them; with a rate (syn-150k) in an \
         open loop whose client sleeps between batches. Processor time is that of the processors, with \
         interrupts: on veth the client's core receives for the server, and a server in user space sends the \
         replies from its own. `out/in`: packets sent for each one received, by the server's counts."
            .to_owned()
    })
}

fn divided(plan: &ComparisonPlan, rows: &[RunResult]) -> Option<String> {
    let row = rows.iter().find(|row| row.is_round_trip())?;
    let example = connections(plan).next()?;
    Some(format!(
        "{} is the ceiling's rate of round trips in `syn`, divided by half of the {} packets of a {} \
         connection; the others likewise.",
        share_name(row.server, example),
        example.workload.packets(),
        example.workload,
    ))
}

/// Returns the median packets of a connection, as counted by `handfast bench`.
fn packets(rows: &[RunResult]) -> Vec<String> {
    let mut found: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for row in rows {
        if let Some(packets) = row.client_report.get("packets_per_connection").and_then(Value::as_f64) {
            found.entry(&row.workload).or_default().entry(row.server).or_default().push(packets);
        }
    }
    let list = |servers: &BTreeMap<&str, Vec<f64>>| {
        let each =
            servers.iter().map(|(name, values)| format!("{name} {:.2}", median(values).unwrap_or_default()));
        each.collect::<Vec<_>>().join(", ")
    };
    found
        .iter()
        .map(|(workload, servers)| format!("Packets for each {workload}: {}.", list(servers)))
        .collect()
}

/// Formats a disturbed run, which is repeated, on one line.
pub(super) fn disturbed(row: &RunResult) -> String {
    let Disturbance { others, busiest, steal } = &row.disturbance;
    let by = busiest.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
    // At most 80 columns in the demo.
    format!(
        "round {}  {} again: others took {:.0} %{by}, steal {:.0} %",
        row.round + 1,
        row.server,
        100.0 * others.unwrap_or_default(),
        100.0 * steal.unwrap_or_default()
    )
}

/// Formats a failed run on one line.
pub(super) fn failed(run: &FailedRun) -> String {
    let reason: Vec<&str> = run.reason.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!(
        "No run of {} ({}, {} mode, round {}): {}",
        run.server,
        run.workload,
        run.mode,
        run.round + 1,
        reason.join("; ")
    )
}

/// Returns processor, cores and kernel.
pub(super) fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{name}, {}, Linux {}", counted(cores as u64, "core"), kernel.trim())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(server: &'static str, workload: &str, round: u32, rate: f64) -> RunResult {
        RunResult {
            server,
            ceiling: server != "handfast",
            workload: workload.into(),
            closer: "client".into(),
            mode: "generic".into(),
            round,
            rate,
            completed: 1,
            failures: 1,
            syn: None,
            client_report: json!({"packets_per_connection": 6.001}),
            server_report: Value::Null,
            disturbance: Disturbance::default(),
            attempts: 1,
        }
    }

    fn finished() -> FinishedRuns {
        let rows = [(0, 1.0), (1, 0.5)].map(|(round, speed)| {
            [
                row("handfast", "lifecycle", round, 280.0 * speed),
                row("reflector", "syn", round, 900.0 * speed),
            ]
        });
        let reason = "the kernel ended with 1:\nno port\n\n  fix: another\n".to_owned();
        let failed = FailedRun {
            server: "kernel",
            workload: "lifecycle".into(),
            mode: "generic".into(),
            round: 0,
            reason,
        };
        FinishedRuns { results: rows.concat(), failed: vec![failed], interrupted: false }
    }

    #[test]
    fn round_trips_are_set_beside_the_connections_they_would_make() {
        let plan = ComparisonPlan::new("x", "handfast");
        let comparison = comparison(&plan, &finished(), "handfast lab bench".into(), "now".into());
        let handfast = comparison.row("lifecycle", "generic", "handfast").expect("a row");
        assert!((handfast.ratios["reflector/3"].median - 280.0 / 300.0).abs() < 1e-9, "{handfast:?}");
        for (workload, server, rate) in [
            ("lifecycle", "reflector/3", 225.0),
            ("handshake", "reflector/2", 337.5),
            ("request", "reflector/3.5", 675.0 / 3.5),
            ("syn", "reflector", 675.0),
        ] {
            let row = comparison.row(workload, "generic", server).expect(server);
            assert!((row.rate.median - rate).abs() < 1e-9, "{row:?}");
        }
    }

    #[test]
    fn what_could_not_run_and_what_was_set_are_said() {
        let mut finished = finished();
        finished.interrupted = true;
        let text =
            comparison(&ComparisonPlan::new("x", "handfast"), &finished, String::new(), String::new()).text();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "No run of kernel (lifecycle, generic mode, round 1): the kernel ended with 1:; no port; fix: another",
            "Packets for each lifecycle: handfast 6.00.",
            "The MSL of handfast is 1 s",
            "10 rounds; each run takes 3 s",
            "client on core 0, server on core 1; 256 connections in flight",
            "Interrupted",
            "not NIC figures",
        ] {
            assert!(text.contains(part), "{part:?} in {text}");
        }
    }
}
