//! `handfast lab bench`: the contestants and their ceilings side by side, with the bare client.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use super::lab_bench::stop_on_signals;
use super::stage::grouped;
use super::{Failure, values};
use crate::lab::bench::contest::{BareClient, Contest, ContestError, Contestant, Cores, Row};
use crate::lab::bench::workload::{Pattern, Workload};
use crate::xdp::Mode;

/// What a shell reports of a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Compare the kernel's stack, handfast and their ceilings on one veth pair.
///
/// Makes a lab of its own and removes it. Each round runs everything once, in another order each
/// time; ratios are those of one round's runs, and medians are over the rounds. Figures from veth are
/// not NIC figures.
#[derive(Debug, Args)]
pub struct LabBenchArgs {
    /// The lab's name; a lab of that name is replaced
    #[arg(long, default_value = "bench")]
    name: String,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of each run
    #[arg(long, value_name = "SECS", default_value = "3", value_parser = values::seconds)]
    seconds: Duration,
    /// Who takes part, as in kernel,handfast [default: all:
    /// kernel,kernel-rps,handfast,replay,reflector,xdp-tx]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    contestants: Vec<Contestant>,
    /// What each connection does [default: handshake,lifecycle,request]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    workloads: Vec<Workload>,
    /// Where the eBPF programs run: generic, native or both
    #[arg(long, default_value = "both", value_parser = ["generic", "native", "both"])]
    mode: String,
    /// Over IPv6
    #[arg(long)]
    ipv6: bool,
    /// With TCP timestamps
    #[arg(long)]
    timestamps: bool,
    /// Connections under way at a time
    #[arg(long, default_value_t = 256)]
    window: u32,
    /// The client's core and the server's
    #[arg(long, value_name = "CLIENT,SERVER", default_value = "0,1")]
    cores: values::Cores,
    /// Write every run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl LabBenchArgs {
    fn contest(&self) -> Result<Contest, Failure> {
        let program =
            env::current_exe().map_err(|error| Failure::new(format!("cannot find myself: {error}")))?;
        let [client, server] = self.cores.0[..] else {
            return Err(Failure::new("--cores names two cores").fix("--cores 0,1"));
        };
        let usual = Contest::new(&self.name, program);
        let workloads = match &self.workloads[..] {
            [] => &Workload::COMPARED[..],
            given => given,
        };
        let pattern =
            |workload: &Workload| Pattern { timestamps: self.timestamps, ..Pattern::new(*workload) };
        Ok(Contest {
            contestants: match &self.contestants[..] {
                [] => usual.contestants,
                given => given.to_vec(),
            },
            patterns: workloads.iter().map(pattern).collect(),
            modes: match self.mode.as_str() {
                "generic" => vec![Mode::Generic],
                "native" => vec![Mode::Native],
                _ => usual.modes,
            },
            rounds: self.rounds,
            duration: self.seconds,
            cores: Cores { client, server },
            ipv6: self.ipv6,
            window: self.window,
            ..usual
        })
    }
}

pub(super) fn run(arguments: &LabBenchArgs) -> Result<ExitCode, Failure> {
    let stop = stop_on_signals()?;
    let contest = arguments.contest()?;
    let json = arguments.json.as_ref().map(|path| {
        File::create(path).map_err(|error| Failure::new(format!("cannot write {}: {error}", path.display())))
    });
    let json = json.transpose()?;
    let finished = contest.run(&BareClient, &stop, &mut |row| {
        eprintln!(
            "round {}  {:8} {:10} {:10} {:>9} /s  {} failed",
            row.round,
            row.mode,
            row.workload,
            row.contestant,
            grouped(row.rate as u64),
            row.failures
        );
    })?;
    print!("{}", table(&finished.rows));
    if let Some(file) = json {
        serde_json::to_writer_pretty(file, &finished.rows)
            .map_err(|error| Failure::new(format!("cannot write the JSON: {error}")))?;
    }
    Ok(if finished.interrupted { ExitCode::from(INTERRUPTED) } else { ExitCode::SUCCESS })
}

/// One contestant's, by round.
type Runs<'a> = BTreeMap<u32, &'a Row>;

/// Medians over the rounds; ratios to the kernel and to the ceiling of the same packets.
fn table(rows: &[Row]) -> String {
    let mut groups: BTreeMap<(&str, &str), BTreeMap<&str, Runs<'_>>> = BTreeMap::new();
    for row in rows {
        let group = groups.entry((&row.mode, &row.workload)).or_default();
        group.entry(row.contestant).or_default().insert(row.round, row);
    }
    let mut text = format!(
        "{:8} {:10} {:10} {:>9}  {:>9} {:>9}  {:>10} {:>8}  {:>6}\n",
        "mode", "workload", "answers", "median/s", "least", "most", "of kernel", "of ceil.", "failed"
    );
    for ((mode, workload), contestants) in &groups {
        for (name, runs) in contestants {
            let rates: Vec<f64> = runs.values().map(|row| row.rate).collect();
            let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
            let most = rates.iter().copied().fold(0.0, f64::max);
            let of = |other: &str| {
                let other = contestants.get(other)?;
                let ratios = runs.iter().filter_map(|(round, row)| Some(row.rate / other.get(round)?.rate));
                median(ratios.collect()).map(|ratio| format!("{:.0} %", ratio * 100.0))
            };
            let failed: u64 = runs.values().map(|row| row.failures).sum();
            text += &format!(
                "{mode:8} {workload:10} {name:10} {:>9}  {:>9} {:>9}  {:>10} {:>8}  {failed:>6}\n",
                grouped(median(rates).unwrap_or(0.0) as u64),
                grouped(least as u64),
                grouped(most as u64),
                of("kernel").unwrap_or_default(),
                of("replay").unwrap_or_default(),
            );
        }
    }
    text
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

impl From<ContestError> for Failure {
    fn from(error: ContestError) -> Failure {
        match error {
            ContestError::Lab(error) => error.into(),
            other => Failure::new(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_one_round() {
        let row = |contestant, round, rate| Row {
            contestant,
            ceiling: contestant == "replay",
            workload: "lifecycle".into(),
            closer: "client".into(),
            mode: "native".into(),
            round,
            rate,
            completed: 1,
            failures: 1,
            client: serde_json::Value::Null,
            server: serde_json::Value::Null,
        };
        let rows = [
            row("kernel", 0, 100.0),
            row("handfast", 0, 300.0),
            row("replay", 0, 400.0),
            row("kernel", 1, 10.0),
            row("handfast", 1, 40.0),
            row("replay", 1, 50.0),
            row("kernel", 2, 1000.0),
            row("handfast", 2, 2000.0),
        ];
        let text = table(&rows);
        let line = text.lines().find(|line| line.contains("handfast")).expect("a line");
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = ["native", "lifecycle", "handfast", "300", "40", "2,000", "300", "%", "80", "%", "3"];
        assert_eq!(words, expected, "{text}");
    }
}
