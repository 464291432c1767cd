//! SYNs alone: packets and processor time of each run, and the goals of the cookie tier.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::data::{Comparison, Row, Run, Spread};
use crate::bench::format::{percent, rate};

/// The reference of all servers: a reply in the driver or the stack, without user space.
const CEILING: &str = "xdp-tx";
/// The server with goals: SYNs answered by the eBPF program.
const TIER: &str = "handfast-ebpf";
/// The end of a workload's name over IPv6.
const IPV6: &str = "-ipv6";

/// Minimum share of the ceiling's rate, by family.
const RATE: f64 = 0.95;
const RATE_IPV6: f64 = 0.90;
/// At a fixed rate: maximum busy share of the server's core, and of the ceiling's processor time per SYN.
const BUSY: f64 = 0.05;
const MACHINE: f64 = 1.1;

/// Figures of one run of SYNs alone. Processor time is that of the processors, with the kernel's work in
/// interrupts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SynFigures {
    /// SYNs per second.
    pub sent: f64,
    /// SYN-ACKs per second that the client received.
    pub replies: f64,
    /// SYN-ACKs received for each SYN sent.
    pub replies_per_syn: f64,
    /// Packets sent for each one received, by the server's own counts.
    pub out_per_in: Option<f64>,
    /// Busy share of the client's core, 0 to 1.
    pub client_busy: f64,
    /// The same for the server's core.
    pub server_busy: f64,
    /// Processor time for each SYN, nanoseconds: the client's core, the server's core, the whole machine.
    pub client_ns: f64,
    pub server_ns: f64,
    pub machine_ns: f64,
}

/// [`SynFigures`] over the runs of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SynRow {
    pub sent: Spread,
    pub replies_per_syn: Spread,
    pub out_per_in: Option<Spread>,
    pub client_busy: Spread,
    pub server_busy: Spread,
    pub client_ns: Spread,
    pub server_ns: Spread,
    pub machine_ns: Spread,
    /// `machine_ns` divided by that of xdp-tx of the same round.
    pub machine_of_ceiling: Option<Spread>,
}

/// A goal of the cookie tier in one workload and mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Goal {
    pub workload: String,
    pub mode: String,
    /// `rate`: share of the rate of xdp-tx, at least; `busy`: busy share of the server's core, at most;
    /// `machine`: time of all processors for each SYN, relative to xdp-tx, at most.
    pub figure: String,
    pub required: f64,
    /// The median.
    pub measured: f64,
    pub met: bool,
}

impl SynRow {
    /// Of these runs of one server; `ceiling`: those of xdp-tx in the same workload and mode.
    pub(super) fn of(own: &[&Run], ceiling: &[&Run]) -> Option<SynRow> {
        let syns: Vec<&SynFigures> = own.iter().filter_map(|run| run.syn.as_ref()).collect();
        let spread =
            |of: fn(&SynFigures) -> f64| Spread::of(&syns.iter().map(|syn| of(syn)).collect::<Vec<_>>());
        let out_per_in: Vec<f64> = syns.iter().filter_map(|syn| syn.out_per_in).collect();
        let ratios = own.iter().filter_map(|run| {
            let other = ceiling.iter().find(|other| other.round == run.round)?.syn.as_ref()?;
            (other.machine_ns > 0.0).then(|| Some(run.syn.as_ref()?.machine_ns / other.machine_ns))?
        });
        Some(SynRow {
            sent: spread(|syn| syn.sent)?,
            replies_per_syn: spread(|syn| syn.replies_per_syn)?,
            out_per_in: Spread::of(&out_per_in),
            client_busy: spread(|syn| syn.client_busy)?,
            server_busy: spread(|syn| syn.server_busy)?,
            client_ns: spread(|syn| syn.client_ns)?,
            server_ns: spread(|syn| syn.server_ns)?,
            machine_ns: spread(|syn| syn.machine_ns)?,
            machine_of_ceiling: Spread::of(&ratios.collect::<Vec<_>>()),
        })
    }
}

/// Whether a server is the ceiling of SYNs alone.
pub(super) fn is_ceiling(server: &str) -> bool {
    server == CEILING
}

/// Whether a row may be compared with the ceiling: nothing in an eBPF program is faster. A server in user
/// space does its part on another core, while that of the ceiling is on the client's.
pub(super) fn has_ceiling(row: &Row) -> bool {
    row.syn.is_none() || row.server == TIER
}

/// `syn-150k`, `syn-150k-ipv6`: a fixed rate. `syn`, `syn-ipv6`: as many as possible.
fn is_at_a_rate(workload: &str) -> bool {
    workload.strip_suffix(IPV6).unwrap_or(workload).contains('-')
}

/// The goals of the tier, in the measured rows.
pub(super) fn goals(rows: &[Row]) -> Vec<Goal> {
    rows.iter().filter(|row| row.server == TIER).flat_map(goals_of).collect()
}

fn goals_of(row: &Row) -> Vec<Goal> {
    let Some(syn) = &row.syn else { return Vec::new() };
    let goal = |figure: &str, required: f64, measured: Option<f64>, met: fn(&f64, &f64) -> bool| {
        let measured = measured?;
        Some(Goal {
            workload: row.workload.clone(),
            mode: row.mode.clone(),
            figure: figure.to_owned(),
            required,
            measured,
            met: met(&measured, &required),
        })
    };
    let least = if row.workload.ends_with(IPV6) { RATE_IPV6 } else { RATE };
    let goals = match is_at_a_rate(&row.workload) {
        false => vec![goal("rate", least, row.ratios.get(CEILING).map(|ratio| ratio.median), f64::ge)],
        true => vec![
            goal("busy", BUSY, Some(syn.server_busy.median), f64::le),
            goal("machine", MACHINE, syn.machine_of_ceiling.map(|ratio| ratio.median), f64::le),
        ],
    };
    goals.into_iter().flatten().collect()
}

/// The verdict on SYNs alone; `None`: there are none of handfast.
pub(super) fn sentence(comparison: &Comparison) -> Option<String> {
    let own = |row: &&Row| row.syn.is_some() && row.server.starts_with(super::data::SUBJECT);
    if !comparison.rows.iter().any(|row| own(&row)) {
        return comparison.rows.iter().any(|row| row.syn.is_some()).then(String::new);
    }
    let mut rates: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in comparison.rows.iter().filter(own) {
        let Some(ratio) = row.ratios.get(CEILING) else { continue };
        if !is_at_a_rate(&row.workload) {
            let (min, max) = rates.entry(&row.server).or_insert((f64::INFINITY, 0.0));
            (*min, *max) = (min.min(ratio.median), max.max(ratio.median));
        }
    }
    let reached = rates.iter().map(|(server, (min, max))| {
        let (min, max) = (percent(*min), percent(*max));
        let range = if min == max { min } else { format!("{min} to {max}") };
        format!("{server} answers {range} of the SYNs per second that {CEILING} answers.")
    });
    let missed = comparison.goals.iter().filter(|goal| !goal.met).count();
    let goals = match (comparison.goals.len(), missed) {
        (0, _) => None,
        (all, 0) => Some(format!("Goals of {TIER}: {all} of {all} met.")),
        (all, missed) => Some(format!("Goals of {TIER}: {missed} of {all} missed.")),
    };
    Some(reached.chain(goals).collect::<Vec<_>>().join(" "))
}

/// The header of [`cells`]; times are nanoseconds of processor time for each SYN.
pub(super) const HEADER: [&str; 9] =
    ["server", "SYNs/s", "answered", "out/in", "client ns", "server ns", "all ns", "of xdp-tx", "busy"];

/// The caption of that table, after workload and mode.
pub(super) const CAPTION: &str = "packets, and processor time per SYN";

/// The figures of these rows, if they are of SYNs alone.
pub(super) fn cells(rows: &[Row]) -> Vec<Vec<String>> {
    let maybe = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let cells = |row: &Row| {
        let syn = row.syn.as_ref()?;
        Some(vec![
            row.server.clone(),
            rate(syn.sent.median),
            format!("{:.1} %", 100.0 * syn.replies_per_syn.median),
            maybe(syn.out_per_in.map(|ratio| format!("{:.3}", ratio.median))),
            rate(syn.client_ns.median),
            rate(syn.server_ns.median),
            rate(syn.machine_ns.median),
            maybe(syn.machine_of_ceiling.map(|ratio| format!("{:.2} x", ratio.median))),
            format!("{:.1} %", 100.0 * syn.server_busy.median),
        ])
    };
    rows.iter().filter_map(cells).collect()
}

/// The header of [`goal_cells`].
pub(super) const GOAL_HEADER: [&str; 5] = ["goal of handfast-ebpf", "mode", "measured", "required", "met"];

/// The goals, one line each.
pub(super) fn goal_cells(goals: &[Goal]) -> Vec<Vec<String>> {
    let cells = |goal: &Goal| {
        let (what, limit) = match goal.figure.as_str() {
            "rate" => ("SYNs/s of xdp-tx", "at least"),
            "busy" => ("server's core busy", "at most"),
            _ => ("all processors, of xdp-tx", "at most"),
        };
        let value = |value: f64| format!("{:.1} %", 100.0 * value);
        vec![
            format!("{}: {what}", goal.workload),
            goal.mode.clone(),
            value(goal.measured),
            format!("{limit} {}", value(goal.required)),
            if goal.met { "yes".to_owned() } else { "no".to_owned() },
        ]
    };
    goals.iter().map(cells).collect()
}
