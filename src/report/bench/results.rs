//! The JSON of a benchmark; `docs/bench-schema.md` documents its fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::NetworkPath;
use super::bottleneck::Bottleneck;
use super::counted::Counted;
use super::cpu::Cpu;
use super::figures::{Connections, Histograms, Latencies, Load, Packets, Rate, Second};
use super::outcome::Outcome;
use super::stats::Stats;
use crate::ActiveReport;

/// The name of this layout. Fields may be added to it, but not changed or removed.
pub const SCHEMA: &str = "handfast-bench/1";

/// The results of a benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub schema: String,
    /// The program's version.
    pub handfast: String,
    pub kernel: String,
    pub host: String,
    /// RFC 3339.
    pub started_at: String,
    pub command: String,
    pub target: String,
    pub workload: String,
    /// Numbers as numbers; durations in seconds.
    pub options: BTreeMap<String, Value>,
    pub load: Load,
    /// `native` or `generic`.
    pub mode: String,
    pub active: ActiveReport,
    pub duration_s: f64,
    /// 0: not known.
    #[serde(default)]
    pub opening_s: f64,
    #[serde(default)]
    pub path: NetworkPath,
    pub connections: Connections,
    pub rate: Rate,
    pub latency_us: Latencies,
    pub packets: Packets,
    /// `None` if none was completed.
    pub packets_per_connection: Option<f64>,
    pub retransmissions: u64,
    /// Of these: data and FIN.
    #[serde(default)]
    pub data_retransmissions: u64,
    /// Segments that the target retransmitted although they had arrived.
    #[serde(default)]
    pub target_retransmissions: u64,
    pub drops: BTreeMap<String, u64>,
    pub cpu: Cpu,
    pub bottleneck: Bottleneck,
    #[serde(default)]
    pub outcome: Outcome,
    pub notes: Vec<String>,
    /// The merged runs; empty for a single run.
    pub parts: Vec<MergedRun>,
    pub series: Vec<Second>,
    pub histograms: Histograms,
}

/// The drop reason of a segment that had arrived before.
pub(super) const SENT_TWICE: &str = "out_of_window";

/// One of several runs that were merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MergedRun {
    /// Its file.
    pub source: String,
    pub host: String,
    pub started_at: String,
    pub command: String,
    pub duration_s: f64,
    pub connections: Connections,
    pub mean_rate: f64,
    pub bottleneck: Bottleneck,
}

/// The minimum number of whole seconds for statistics of a rate.
const ENOUGH_SECONDS: usize = 5;

impl Results {
    /// The time in which connections were opened, seconds.
    pub fn opening(&self) -> f64 {
        if self.opening_s > 0.0 { self.opening_s } else { self.duration_s }
    }

    /// Connections completed per second while connections were opened. `None` for less than a second.
    pub fn meanwhile(&self) -> Option<f64> {
        let seconds = Counted::of(&self.workload).seconds(&self.series, self.opening_s);
        let completed = seconds.iter().fold(0, |sum: u64, second| sum.saturating_add(second.completed));
        (!seconds.is_empty()).then(|| completed as f64 / seconds.len() as f64)
    }

    /// The completed share of the requested rate of an open loop: of the connections due, or of those completed
    /// in time, whichever is smaller. `None` without a requested rate.
    pub fn reached(&self) -> Option<f64> {
        let asked = self.load.rate.filter(|_| self.workload != "hold")?;
        let due = if self.opening() > 0.0 { self.connections.completed as f64 / self.opening() } else { 0.0 };
        Some(self.meanwhile().map_or(due, |meanwhile| meanwhile.min(due)) / asked.max(f64::MIN_POSITIVE))
    }
}

impl Rate {
    /// The rate of `results`; `series` has the seconds to use.
    pub fn of(results: &Results, series: &[Second]) -> Rate {
        let counted = Counted::of(&results.workload);
        let within = |second| counted.within(second) as f64;
        let seconds: Vec<f64> = counted.seconds(series, results.opening_s).iter().map(within).collect();
        let over_s = match counted {
            // Without the time in which connections are held.
            Counted::Established => results.opening(),
            Counted::Completed | Counted::Sent => results.duration_s,
        };
        let all = counted.total(&results.connections) as f64;
        let stats = Stats::of(&seconds).filter(|_| seconds.len() >= ENOUGH_SECONDS);
        let of = |value: fn(&Stats) -> f64| stats.as_ref().map(value);
        Rate {
            mean: if over_s > 0.0 { all / over_s } else { 0.0 },
            over_s,
            median: of(|stats| stats.median),
            min: of(|stats| stats.min),
            max: of(|stats| stats.max),
            stddev: stats.as_ref().and_then(|stats| stats.stddev),
            ci95: stats.as_ref().and_then(|stats| stats.ci95),
            unit: counted.unit().to_owned(),
            seconds: seconds.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_rate_is_count_over_time_and_its_spread_that_of_five_seconds_or_more() {
        let second = |completed| Second { completed, ..Second::default() };
        let mut results = sample::results();
        (results.connections.completed, results.duration_s, results.opening_s) = (45, 2.5, 2.5);
        let rate = Rate::of(&results, &[second(0), second(30)]);
        assert_eq!((rate.mean, rate.over_s, rate.seconds), (18.0, 2.5, 2));
        assert_eq!((rate.median, rate.min, rate.max, rate.stddev, rate.ci95), (None, None, None, None, None));
        (results.connections.completed, results.duration_s, results.opening_s) = (120, 5.5, 5.5);
        let seconds = [10, 20, 30, 20, 10].map(second);
        let rate = Rate::of(&results, &seconds);
        assert_eq!((rate.median, rate.min, rate.max, rate.seconds), (Some(20.0), Some(10.0), Some(30.0), 5));
        assert!((rate.mean - 120.0 / 5.5).abs() < 1e-9 && rate.ci95.is_some());
        // No connections are opened in the last two.
        results.opening_s = 3.9;
        assert_eq!((Rate::of(&results, &seconds).seconds, Rate::of(&results, &seconds).min), (3, None));
        results.duration_s = 0.0;
        assert_eq!(Rate::of(&results, &[]).mean, 0.0);
    }

    #[test]
    fn the_rate_of_what_is_held_is_that_of_opening() {
        let second = |established, completed| Second { established, completed, ..Second::default() };
        let mut results = sample::results();
        results.workload = "hold".to_owned();
        (results.connections.established, results.duration_s, results.opening_s) = (450, 9.0, 2.5);
        let series = [second(100, 0), second(300, 0), second(50, 0), second(0, 400)];
        let rate = Rate::of(&results, &series);
        assert_eq!((rate.mean, rate.over_s, rate.seconds), (180.0, 2.5, 2));
        assert_eq!(rate.unit, "established connections per second");
        // Written before there was an `opening_s`.
        results.opening_s = 0.0;
        assert_eq!(Rate::of(&results, &series).seconds, 3);
    }
}
