//! Merges results: runs of several hosts against one target at the same time.

mod differences;
mod sums;

use thiserror::Error;

use super::bottleneck::{Bottleneck, Verdict};
use super::cpu::Cpu;
use super::figures::{Histograms, Latencies, Rate};
use super::latency::{HistogramError, Latency};
use super::outcome::Outcome;
use super::results::{MergedRun, Results};
pub(super) use differences::differences;
use differences::notes;
use sums::{added, joined, series};

/// Why results cannot be merged.
#[derive(Debug, Error)]
pub enum MergeError {
    #[error("there is nothing to merge")]
    Nothing,
    #[error("they are of different benchmarks: {}", .0.join("; "))]
    Different(Vec<String>),
    #[error("{source_name}: {error}")]
    Histogram { source_name: String, error: HistogramError },
    #[error("the counts of {0} are too large to add up")]
    Count(String),
}

/// Merges results. Each has a name, which identifies its part and cores in the sum. The seconds of all runs
/// are assumed to be the same ones, from the start of each. `force`: differences between the runs become
/// notes.
///
/// # Errors
/// [`MergeError`]: they differ in what they measured, or cannot be added.
pub fn merge(inputs: &[(String, Results)], force: bool) -> Result<Results, MergeError> {
    let ((first_name, first), others) = inputs.split_first().ok_or(MergeError::Nothing)?;
    let differences = differences(inputs);
    if !differences.is_empty() && !force {
        return Err(MergeError::Different(differences));
    }
    let mut sum = Results { cpu: named_cpu(first_name, &first.cpu), notes: Vec::new(), ..first.clone() };
    for (name, other) in others {
        add(&mut sum, name, other)?;
    }
    let all = || inputs.iter().map(|(_, results)| results);
    sum.parts = inputs.iter().flat_map(|(name, results)| parts(name, results)).collect();
    sum.handfast = joined(all().map(|results| &results.handfast));
    sum.kernel = joined(all().map(|results| &results.kernel));
    sum.host = joined(all().map(|results| &results.host));
    sum.command = joined(all().map(|results| &results.command));
    sum.target = joined(all().map(|results| &results.target));
    sum.workload = joined(all().map(|results| &results.workload));
    sum.mode = joined(all().map(|results| &results.mode));
    sum.started_at = all().map(|results| results.started_at.clone()).min().unwrap_or_default();
    // Seconds in which one run had ended are not seconds of all.
    let common = all().map(|results| results.series.len()).min().unwrap_or(0);
    sum.opening_s = all().map(|results| results.opening_s).fold(f64::INFINITY, f64::min);
    sum.rate = Rate {
        // Each over its own time.
        mean: sum.parts.iter().map(|part| part.mean_rate).sum(),
        ..Rate::of(&sum, sum.series.get(..common).unwrap_or_default())
    };
    sum.packets_per_connection = sum.packets.per(sum.connections.completed);
    sum.latency_us = latencies(&sum.histograms).map_err(|error| histogram(first_name, error))?;
    sum.cpu = sum.cpu.completing(sum.connections.completed);
    sum.bottleneck = bottleneck(&sum.parts);
    sum.outcome = Outcome::of_parts(inputs.iter().map(|(name, results)| (name.as_str(), &results.outcome)));
    sum.notes = differences.into_iter().chain(notes(inputs)).collect();
    Ok(sum)
}

/// Adds everything that can be added.
fn add(sum: &mut Results, name: &str, other: &Results) -> Result<(), MergeError> {
    let too_large = || MergeError::Count(name.to_owned());
    let histogram = |error| histogram(name, error);
    sum.duration_s = sum.duration_s.max(other.duration_s);
    sum.connections = sum.connections.plus(&other.connections).ok_or_else(too_large)?;
    sum.path = sum.path.plus(&other.path);
    sum.packets = sum.packets.plus(&other.packets).ok_or_else(too_large)?;
    sum.retransmissions = sum.retransmissions.checked_add(other.retransmissions).ok_or_else(too_large)?;
    sum.data_retransmissions =
        sum.data_retransmissions.checked_add(other.data_retransmissions).ok_or_else(too_large)?;
    sum.target_retransmissions =
        sum.target_retransmissions.checked_add(other.target_retransmissions).ok_or_else(too_large)?;
    sum.drops = added(&sum.drops, &other.drops).ok_or_else(too_large)?;
    sum.series = series(&sum.series, &other.series).ok_or_else(too_large)?;
    sum.load = sum.load.plus(&other.load);
    sum.histograms = Histograms {
        connect: sum.histograms.connect.plus(&other.histograms.connect).map_err(histogram)?,
        completion: sum.histograms.completion.plus(&other.histograms.completion).map_err(histogram)?,
    };
    sum.cpu = sum.cpu.plus(&named_cpu(name, &other.cpu));
    sum.active = sum.active.plus(&other.active);
    Ok(())
}

fn histogram(name: &str, error: HistogramError) -> MergeError {
    MergeError::Histogram { source_name: name.to_owned(), error }
}

fn latencies(histograms: &Histograms) -> Result<Latencies, HistogramError> {
    Ok(Latencies {
        connect: Latency::of(&histograms.connect.decode()?),
        completion: Latency::of(&histograms.completion.decode()?),
    })
}

fn named_cpu(name: &str, cpu: &Cpu) -> Cpu {
    let mut cpu = cpu.clone();
    cpu.per_core.iter_mut().for_each(|core| core.source = below(name, &core.source));
    cpu
}

/// A part's name within the merged results.
fn below(name: &str, part: &str) -> String {
    if part.is_empty() { name.to_owned() } else { format!("{name}: {part}") }
}

/// The parts of results: a single run is its own part.
fn parts(name: &str, results: &Results) -> Vec<MergedRun> {
    if results.parts.is_empty() {
        return vec![MergedRun {
            source: name.to_owned(),
            host: results.host.clone(),
            started_at: results.started_at.clone(),
            command: results.command.clone(),
            duration_s: results.duration_s,
            connections: results.connections.clone(),
            mean_rate: results.rate.mean,
            bottleneck: results.bottleneck.clone(),
        }];
    }
    let renamed = |part: &MergedRun| MergedRun { source: below(name, &part.source), ..part.clone() };
    results.parts.iter().map(renamed).collect()
}

/// The client if it was one of the clients, else the target, else neither.
fn bottleneck(parts: &[MergedRun]) -> Bottleneck {
    for verdict in [Verdict::Client, Verdict::Target, Verdict::Neither] {
        let mut such = parts.iter().filter(|part| part.bottleneck.verdict == verdict);
        if let Some(part) = such.next() {
            let more = match such.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let sentence = format!("{}{more}: {}", part.source, part.bottleneck.sentence);
            return Bottleneck { verdict, sentence };
        }
    }
    parts.first().map(|part| part.bottleneck.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
