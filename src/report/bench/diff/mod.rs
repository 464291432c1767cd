//! Changes from one run or set of runs to another, compared with the noise.
//!
//! With several runs the noise is the variation between runs: the 95 % interval of the difference of the means
//! (Welch). With one run on one side, the other side's deviation is taken for both. With one run on each
//! side, only the variation between its seconds is known, which is smaller than that between runs.

mod noise;
mod text;

use serde::Serialize;

use super::comparison::Comparison;
use super::figures::Second;
use super::merge::differences;
use super::results::Results;
use super::stats::Stats;
use noise::half_width;

/// The name of this layout.
pub const SCHEMA: &str = "handfast-diff/1";

/// The minimum number of whole seconds for the noise of a run.
const ENOUGH_SECONDS: usize = 5;

/// The changes from A to B.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Diff {
    pub schema: String,
    /// The program's version.
    pub handfast: String,
    pub a: RunSet,
    pub b: RunSet,
    /// Settings that differ: the figures are then not comparable.
    pub differences: Vec<String>,
    pub rows: Vec<FigureChange>,
    /// Notes for the reader, one sentence each.
    pub notes: Vec<String>,
}

/// One side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSet {
    /// The file or folder.
    pub source: String,
    pub runs: usize,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FigureChange {
    /// The field of the results, or a server's name with workload and mode.
    pub figure: String,
    pub unit: String,
    pub a: FigureSample,
    pub b: FigureSample,
    /// B relative to A: 0.05 is five percent more. `None` if A is 0.
    pub change: Option<f64>,
    /// Half of the 95 % interval of `change`; `None` if it is not known.
    pub noise: Option<f64>,
    /// The source of the noise: `runs`, `seconds` or `unknown`.
    pub noise_of: NoiseOf,
    pub verdict: ChangeVerdict,
}

/// A figure over the runs of one side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FigureSample {
    pub mean: f64,
    /// Of a sample (n - 1); `None` for one run.
    pub stddev: Option<f64>,
    pub runs: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum NoiseOf {
    Runs,
    /// Within one run each: smaller than between runs.
    Seconds,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeVerdict {
    Better,
    Worse,
    /// Beyond the noise, for a figure that is neither good nor bad.
    Changed,
    WithinNoise,
    NoiseUnknown,
}

/// Which direction is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Good {
    More,
    Less,
    Neither,
}

/// A figure of a run; `None` if it was not measured.
type FigureDef = fn(&Results) -> Option<f64>;

/// Named as in `docs/bench-schema.md`.
const FIGURES: [(&str, &str, Good, FigureDef); 9] = [
    ("rate.mean", "connections/s", Good::More, |run| Some(run.rate.mean)),
    ("success", "share", Good::More, |run| {
        let connections = &run.connections;
        (connections.attempted > 0).then(|| connections.share(connections.completed))
    }),
    ("latency_us.connect.p50", "µs", Good::Less, |run| run.latency_us.connect.p50.map(|us| us as f64)),
    ("latency_us.connect.p99", "µs", Good::Less, |run| run.latency_us.connect.p99.map(|us| us as f64)),
    ("latency_us.completion.p50", "µs", Good::Less, |run| run.latency_us.completion.p50.map(|us| us as f64)),
    ("latency_us.completion.p99", "µs", Good::Less, |run| run.latency_us.completion.p99.map(|us| us as f64)),
    ("packets_per_connection", "frames", Good::Neither, |run| run.packets_per_connection),
    ("retransmissions", "segments", Good::Less, |run| Some(run.retransmissions as f64)),
    ("cpu.connections_per_core_second", "connections/s", Good::More, |run| {
        run.cpu.connections_per_core_second
    }),
];

impl Diff {
    /// The changes between results of `bench`, with the names of their files. No side is empty.
    pub fn of_runs(a: (&str, &[(String, Results)]), b: (&str, &[(String, Results)])) -> Diff {
        let ((a_source, a), (b_source, b)) = (a, b);
        let values = |runs: &[(String, Results)], figure: FigureDef| {
            runs.iter().filter_map(|(_, run)| figure(run)).collect::<Vec<f64>>()
        };
        let mut rows: Vec<FigureChange> = FIGURES
            .iter()
            .filter_map(|(name, unit, good, of)| {
                FigureChange::new((name, unit), *good, &values(a, *of), &values(b, *of))
            })
            .collect();
        if let ([(_, a)], [(_, b)], Some(rate)) = (a, b, rows.first_mut()) {
            rate.by_seconds(&whole_seconds(a), &whole_seconds(b), Good::More);
        }
        let all: Vec<(String, Results)> = a.iter().chain(b).cloned().collect();
        Diff::new((a_source, a.len()), (b_source, b.len()), differences(&all), rows)
    }

    /// Of comparisons: each server's runs in each workload and mode that both have.
    pub fn of_comparisons(a: (&str, &Comparison), b: (&str, &Comparison)) -> Diff {
        let ((a_source, a), (b_source, b)) = (a, b);
        let rates = |of: &Comparison, row: &super::comparison::Row| -> Vec<f64> {
            let same = |run: &&super::comparison::Run| {
                (&run.server, &run.workload, &run.mode) == (&row.server, &row.workload, &row.mode)
            };
            of.runs.iter().filter(same).map(|run| run.rate).collect()
        };
        let row = |row: &super::comparison::Row| {
            let name = format!("{} {} {}", row.workload, row.mode, row.server);
            FigureChange::new((&name, "connections/s"), Good::More, &rates(a, row), &rates(b, row))
        };
        let rows = a.rows.iter().filter_map(row).collect();
        let mut differences = Vec::new();
        if a.setting.machine != b.setting.machine {
            differences
                .push(format!("machine: A has `{}`, B has `{}`", a.setting.machine, b.setting.machine));
        }
        let rounds = |of: &Comparison| of.runs.iter().map(|run| run.round).max().unwrap_or(0) as usize;
        Diff::new((a_source, rounds(a)), (b_source, rounds(b)), differences, rows)
    }

    fn new(a: (&str, usize), b: (&str, usize), differences: Vec<String>, rows: Vec<FigureChange>) -> Diff {
        let set = |(source, runs): (&str, usize)| RunSet { source: source.to_owned(), runs };
        let (a, b) = (set(a), set(b));
        let mut notes = Vec::new();
        match (a.runs, b.runs) {
            (1, 1) => notes.push(
                "One run each: the noise between runs is not known. That of the seconds within a run is \
                 smaller. Five runs or more on each side say more."
                    .to_owned(),
            ),
            (1, _) | (_, 1) => notes.push(
                "One run on one side: it is taken to be as noisy as the runs of the other side.".to_owned(),
            ),
            (a, b) if a.min(b) < ENOUGH_SECONDS => notes.push(
                "Few runs: the noise is an upper bound, and smaller changes than it may be real.".to_owned(),
            ),
            _ => {}
        }
        if !differences.is_empty() {
            notes.push("The runs differ in what they measured: the figures are of different things.".into());
        }
        Diff {
            schema: SCHEMA.to_owned(),
            handfast: env!("CARGO_PKG_VERSION").to_owned(),
            a,
            b,
            differences,
            rows,
            notes,
        }
    }
}

/// The count of each whole second of a run.
fn whole_seconds(run: &Results) -> Vec<f64> {
    let counted = super::counted::Counted::of(&run.workload);
    let within = |second: &Second| counted.within(second) as f64;
    counted.seconds(&run.series, run.opening_s).iter().map(within).collect()
}

impl FigureChange {
    /// `None` if one side has no value.
    fn new((name, unit): (&str, &str), good: Good, a: &[f64], b: &[f64]) -> Option<FigureChange> {
        let sample = |values: &[f64]| {
            let stats = Stats::of(values)?;
            Some(FigureSample { mean: stats.mean, stddev: stats.stddev, runs: values.len() })
        };
        let mut row = FigureChange {
            figure: name.to_owned(),
            unit: unit.to_owned(),
            a: sample(a)?,
            b: sample(b)?,
            change: None,
            noise: None,
            noise_of: NoiseOf::Unknown,
            verdict: ChangeVerdict::NoiseUnknown,
        };
        row.change = row.relative(row.b.mean - row.a.mean);
        if let Some(half) = half_width(a, b) {
            row.judge(half, NoiseOf::Runs, good);
        }
        Some(row)
    }

    /// For one run each: from their seconds, if there are enough.
    fn by_seconds(&mut self, a: &[f64], b: &[f64], good: Good) {
        if a.len().min(b.len()) >= ENOUGH_SECONDS
            && let Some(half) = half_width(a, b)
        {
            self.judge(half, NoiseOf::Seconds, good);
        }
    }

    fn judge(&mut self, half: f64, of: NoiseOf, good: Good) {
        let change = self.b.mean - self.a.mean;
        (self.noise, self.noise_of) = (self.relative(half), of);
        self.verdict = match good {
            _ if change.abs() <= half => ChangeVerdict::WithinNoise,
            Good::Neither => ChangeVerdict::Changed,
            Good::More if change > 0.0 => ChangeVerdict::Better,
            Good::Less if change < 0.0 => ChangeVerdict::Better,
            Good::More | Good::Less => ChangeVerdict::Worse,
        };
    }

    fn relative(&self, difference: f64) -> Option<f64> {
        (self.a.mean != 0.0).then(|| difference / self.a.mean)
    }
}

#[cfg(test)]
mod tests;
