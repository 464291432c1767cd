//! The JSON of a benchmark: `docs/bench-schema.md` says what each field means.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bottleneck::Bottleneck;
use super::counted::Counted;
use super::cpu::{self, Cpu};
use super::latency::{Encoded, Latency};
use super::outcome::Outcome;
use super::stats::Stats;
use super::{Measured, Path, Run};
use crate::{ActiveReport, machine};
use handfast_stack::engine::stack::Effective;

/// Of this layout: fields are added under the same name, never changed or removed.
pub const SCHEMA: &str = "handfast-bench/1";

/// What a benchmark came to.
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
    pub path: Path,
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
    /// Segments that the target sent again, though they had arrived.
    #[serde(default)]
    pub target_retransmissions: u64,
    pub drops: BTreeMap<String, u64>,
    pub cpu: Cpu,
    pub bottleneck: Bottleneck,
    #[serde(default)]
    pub outcome: Outcome,
    pub notes: Vec<String>,
    /// The runs that this is the sum of; empty for a single one.
    pub parts: Vec<Part>,
    pub series: Vec<Second>,
    pub histograms: Histograms,
}

/// The drop that shows a segment which had arrived before.
pub const SENT_TWICE: &str = "out_of_window";

/// How much was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    #[serde(rename = "loop")]
    pub kind: Loop,
    /// Connections at a time; of a closed loop.
    pub concurrency: Option<u64>,
    /// Asked rate, connections per second; of an open loop.
    pub rate: Option<f64>,
    /// `steady` or `poisson`; of an open loop.
    pub arrivals: Option<String>,
    pub ramp_s: f64,
    pub warmup_s: f64,
    pub lag_us: Option<Lag>,
    /// 4-tuples to open connections from.
    #[serde(default)]
    pub tuples: u64,
    /// Connections per second that these allow, each resting behind its connection's end.
    #[serde(default)]
    pub tuples_per_second: Option<f64>,
    #[serde(default)]
    pub waited_s: Waited,
}

/// What decides when the next connection is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Loop {
    /// The end of one before it.
    #[default]
    Closed,
    /// A schedule.
    Open,
}

/// By how much connections were opened later than intended, microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    pub mean: f64,
    pub p50: u64,
    pub max: u64,
}

/// How long a connection was due and could not be opened for want of something of the client's own,
/// seconds of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Waited {
    pub tuple: f64,
    pub slot: f64,
}

/// Connections of the measured time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    pub attempted: u64,
    pub established: u64,
    pub completed: u64,
    pub in_flight: u64,
    pub failed: BTreeMap<String, u64>,
    /// Of those that failed by `http-status`: by status, the first few.
    #[serde(default)]
    pub http_statuses: BTreeMap<String, u64>,
}

/// How many connections per second were completed, or what else the workload counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// Count over time.
    pub mean: f64,
    /// The time, seconds.
    #[serde(default)]
    pub over_s: f64,
    /// Of the whole seconds in which connections were opened; `None`: of too few.
    pub median: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub stddev: Option<f64>,
    pub ci95: Option<[f64; 2]>,
    pub unit: String,
    /// How many whole seconds.
    pub seconds: usize,
}

/// Fewer whole seconds say nothing about how steady a rate is.
const ENOUGH_SECONDS: usize = 5;

/// Microseconds from the intended start; of held connections, `completion` is from a probe to its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies {
    pub connect: Latency,
    pub completion: Latency,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    pub received: u64,
    pub sent: u64,
}

/// One second of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Second {
    pub completed: u64,
    pub established: u64,
    pub failed: u64,
    /// At its end.
    pub in_flight: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histograms {
    pub connect: Encoded,
    pub completion: Encoded,
}

/// One of several runs that were merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// The file it came from.
    pub source: String,
    pub host: String,
    pub started_at: String,
    pub command: String,
    pub duration_s: f64,
    pub connections: Connections,
    pub mean_rate: f64,
    pub bottleneck: Bottleneck,
}

impl Results {
    pub fn new(run: &Run, active: &Effective, measured: &Measured) -> Results {
        let cpu = Cpu::over(&measured.cpu, &active.cpus, cpu::ticks_per_second());
        let packets =
            Packets { received: measured.traffic.packets_received, sent: measured.traffic.packets_sent };
        let (kernel, host) = machine();
        let mut results = Results {
            schema: SCHEMA.to_owned(),
            handfast: env!("CARGO_PKG_VERSION").to_owned(),
            kernel,
            host,
            started_at: humantime::format_rfc3339_millis(run.started_at).to_string(),
            command: run.command.clone(),
            target: run.target.clone(),
            workload: run.workload.clone(),
            options: run.options.clone(),
            load: Load { lag_us: measured.lag, waited_s: measured.waited, ..run.load.clone() },
            mode: mode(active),
            active: ActiveReport::new(active),
            duration_s: measured.duration_s,
            opening_s: measured.opening_s,
            path: measured.path.clone(),
            connections: Connections {
                attempted: measured.attempted,
                established: measured.established,
                completed: measured.completed,
                in_flight: measured.in_flight,
                failed: measured.failed.clone(),
                http_statuses: measured.http_statuses.clone(),
            },
            rate: Rate::default(),
            latency_us: Latencies {
                connect: Latency::of(&measured.connect_us),
                completion: Latency::of(&measured.completion_us),
            },
            packets,
            packets_per_connection: packets.per(measured.completed),
            retransmissions: measured.traffic.retransmissions,
            data_retransmissions: measured.traffic.data_retransmissions,
            target_retransmissions: measured.traffic.drops.get(SENT_TWICE).copied().unwrap_or(0),
            drops: measured.traffic.drops.clone(),
            cpu: Cpu { client_spare: measured.spare, ..cpu }.completing(measured.completed),
            bottleneck: Bottleneck::default(),
            outcome: Outcome::default(),
            notes: active.notes.iter().chain(&run.notes).cloned().collect(),
            parts: Vec::new(),
            series: measured.series.clone(),
            histograms: Histograms {
                connect: Encoded::of(&measured.connect_us),
                completion: Encoded::of(&measured.completion_us),
            },
        };
        results.rate = Rate::of(&results, &results.series);
        results.bottleneck = Bottleneck::find(&results);
        results
    }
}

/// One word if all devices agree.
fn mode(active: &Effective) -> String {
    let mut modes: Vec<String> = active.devices.iter().map(|device| device.mode.to_string()).collect();
    modes.sort();
    modes.dedup();
    modes.join("+")
}

impl Loop {
    pub fn name(self) -> &'static str {
        match self {
            Loop::Closed => "closed",
            Loop::Open => "open",
        }
    }
}

impl Connections {
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Attempts that are in none of the counts: a fault of whoever counted, if not 0.
    pub fn unaccounted(&self) -> u64 {
        let known = self.completed.saturating_add(self.in_flight).saturating_add(self.failures());
        self.attempted.abs_diff(known)
    }

    /// `part` of those attempted, from 0 to 1.
    pub fn share(&self, part: u64) -> f64 {
        if self.attempted == 0 { 0.0 } else { part as f64 / self.attempted as f64 }
    }
}

impl Packets {
    /// For each completed connection.
    pub fn per(&self, completed: u64) -> Option<f64> {
        (completed > 0).then(|| (self.received + self.sent) as f64 / completed as f64)
    }
}

impl Results {
    /// For how long connections were opened, seconds.
    pub fn opening(&self) -> f64 {
        if self.opening_s > 0.0 { self.opening_s } else { self.duration_s }
    }

    /// Connections completed per second while they were opened, whenever they were due; `None`: for less
    /// than a second.
    pub fn meanwhile(&self) -> Option<f64> {
        let seconds = Counted::of(&self.workload).seconds(&self.series, self.opening_s);
        let completed = seconds.iter().fold(0, |sum: u64, second| sum.saturating_add(second.completed));
        (!seconds.is_empty()).then(|| completed as f64 / seconds.len() as f64)
    }

    /// Of the asked rate of an open loop, what was completed of what was due, and in time: the smaller
    /// one. `None`: none was asked for.
    pub fn reached(&self) -> Option<f64> {
        let asked = self.load.rate.filter(|_| self.workload != "hold")?;
        let due = if self.opening() > 0.0 { self.connections.completed as f64 / self.opening() } else { 0.0 };
        Some(self.meanwhile().map_or(due, |meanwhile| meanwhile.min(due)) / asked.max(f64::MIN_POSITIVE))
    }
}

impl Rate {
    /// Of the connections of `results`; `series` has the seconds to look at.
    pub fn of(results: &Results, series: &[Second]) -> Rate {
        let counted = Counted::of(&results.workload);
        let within = |second| counted.within(second) as f64;
        let seconds: Vec<f64> = counted.seconds(series, results.opening_s).iter().map(within).collect();
        let over_s = match counted {
            // The time for which they are held is not one of opening.
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
        // Nothing is opened in the last two any more.
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

    #[test]
    fn every_attempt_is_accounted_for() {
        let failed = BTreeMap::from([("reset".to_owned(), 3)]);
        let mut connections = Connections {
            attempted: 10,
            established: 8,
            completed: 6,
            in_flight: 1,
            failed,
            ..Connections::default()
        };
        assert_eq!((connections.failures(), connections.unaccounted()), (3, 0));
        connections.completed = 5;
        assert_eq!(connections.unaccounted(), 1);
        assert_eq!(connections.share(5), 0.5);
        assert_eq!(Connections::default().share(0), 0.0);
    }
}
