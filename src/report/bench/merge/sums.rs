//! Sums of the parts of results.

use std::collections::BTreeMap;

use crate::ActiveReport;
use crate::bench::NetworkPath;
use crate::bench::cpu::Cpu;
use crate::bench::figures::{Connections, Lag, Load, Packets, Second, Waited};

impl Connections {
    pub(super) fn plus(&self, other: &Connections) -> Option<Connections> {
        Some(Connections {
            attempted: self.attempted.checked_add(other.attempted)?,
            established: self.established.checked_add(other.established)?,
            completed: self.completed.checked_add(other.completed)?,
            in_flight: self.in_flight.checked_add(other.in_flight)?,
            failed: added(&self.failed, &other.failed)?,
            http_statuses: added(&self.http_statuses, &other.http_statuses)?,
        })
    }
}

impl NetworkPath {
    /// The local address and the router are those of the first.
    pub(super) fn plus(&self, other: &NetworkPath) -> NetworkPath {
        let both_of = |a: &[String], b: &[String]| {
            let more = b.iter().filter(|net| !a.contains(net));
            a.iter().chain(more).cloned().collect()
        };
        NetworkPath {
            on_link: both_of(&self.on_link, &other.on_link),
            off_link: both_of(&self.off_link, &other.off_link),
            sources: self.sources.saturating_add(other.sources),
            mac_requests: self.mac_requests.saturating_add(other.mac_requests),
            received: both(self.received, other.received, u64::saturating_add),
            ..self.clone()
        }
    }
}

impl Packets {
    pub(super) fn plus(&self, other: &Packets) -> Option<Packets> {
        let sum = Packets {
            received: self.received.checked_add(other.received)?,
            sent: self.sent.checked_add(other.sent)?,
        };
        sum.received.checked_add(sum.sent).map(|_| sum)
    }
}

impl Load {
    /// The larger lag: a mean would hide which client was late.
    pub(super) fn plus(&self, other: &Load) -> Load {
        let lag = match (self.lag_us, other.lag_us) {
            (Some(a), Some(b)) => {
                Some(Lag { mean: a.mean.max(b.mean), p50: a.p50.max(b.p50), max: a.max.max(b.max) })
            }
            (one, none) => one.or(none),
        };
        Load {
            concurrency: both(self.concurrency, other.concurrency, u64::saturating_add),
            rate: both(self.rate, other.rate, |a, b| a + b),
            ramp_s: self.ramp_s.max(other.ramp_s),
            warmup_s: self.warmup_s.max(other.warmup_s),
            lag_us: lag,
            tuples: self.tuples.saturating_add(other.tuples),
            tuples_per_second: both(self.tuples_per_second, other.tuples_per_second, |a, b| a + b),
            waited_s: Waited {
                tuple: self.waited_s.tuple.max(other.waited_s.tuple),
                slot: self.waited_s.slot.max(other.waited_s.slot),
            },
            ..self.clone()
        }
    }
}

impl Cpu {
    pub(super) fn plus(&self, other: &Cpu) -> Cpu {
        Cpu {
            per_core: self.per_core.iter().chain(&other.per_core).cloned().collect(),
            client_busy_core_seconds: self.client_busy_core_seconds + other.client_busy_core_seconds,
            client_idle: both(self.client_idle, other.client_idle, f64::min),
            connections_per_core_second: None,
        }
    }
}

impl ActiveReport {
    pub(super) fn plus(&self, other: &ActiveReport) -> ActiveReport {
        ActiveReport {
            devices: self.devices.iter().chain(&other.devices).cloned().collect(),
            cpus: self.cpus.iter().chain(&other.cpus).copied().collect(),
            polling: joined([&self.polling, &other.polling].into_iter()),
            priority: joined([&self.priority, &other.priority].into_iter()),
            max_connections: self.max_connections.saturating_add(other.max_connections),
            table_bytes: self.table_bytes.saturating_add(other.table_bytes),
            notes: self.notes.iter().chain(&other.notes).cloned().collect(),
        }
    }
}

fn both<T: Copy>(a: Option<T>, b: Option<T>, add: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(add(a, b)),
        (one, none) => one.or(none),
    }
}

pub(super) fn added(a: &BTreeMap<String, u64>, b: &BTreeMap<String, u64>) -> Option<BTreeMap<String, u64>> {
    let mut sum = a.clone();
    for (name, count) in b {
        let entry = sum.entry(name.clone()).or_default();
        *entry = entry.checked_add(*count)?;
    }
    Some(sum)
}

/// Adds series second by second; the result is as long as the longer one.
pub(super) fn series(a: &[Second], b: &[Second]) -> Option<Vec<Second>> {
    let at = |seconds: &[Second], index: usize| seconds.get(index).copied().unwrap_or_default();
    let sum = |index| {
        let (a, b) = (at(a, index), at(b, index));
        Some(Second {
            completed: a.completed.checked_add(b.completed)?,
            established: a.established.checked_add(b.established)?,
            failed: a.failed.checked_add(b.failed)?,
            in_flight: a.in_flight.checked_add(b.in_flight)?,
        })
    };
    (0..a.len().max(b.len())).map(sum).collect()
}

/// The different texts, in order.
pub(super) fn joined<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        if !seen.contains(&text.as_str()) {
            seen.push(text);
        }
    }
    seen.join(", ")
}
