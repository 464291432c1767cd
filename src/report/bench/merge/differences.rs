//! Differences between merged runs, and notes on them.

use std::time::SystemTime;

use crate::bench::format::option as text;
use crate::bench::results::Results;

/// Options that may differ between the hosts of one benchmark.
const OWN_OPTIONS: [&str; 4] = ["seed", "source", "cores", "dev"];
/// Runs may begin or end this many seconds apart without a note.
const APART_S: f64 = 1.0;

/// The settings of runs that differ from those of the first run.
pub(in crate::bench) fn differences(inputs: &[(String, Results)]) -> Vec<String> {
    let Some(((first_name, first), others)) = inputs.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, other) in others {
        let mut differ = |what: &str, a: &str, b: &str| {
            if a != b {
                found.push(format!("{what}: {first_name} has `{a}`, {name} has `{b}`"));
            }
        };
        differ("workload", &first.workload, &other.workload);
        differ("target", &first.target, &other.target);
        differ("handfast", &first.handfast, &other.handfast);
        differ("loop", first.load.kind.name(), other.load.kind.name());
        let names =
            first.options.keys().chain(other.options.keys().filter(|key| !first.options.contains_key(*key)));
        for option in names.filter(|option| !OWN_OPTIONS.contains(&option.as_str())) {
            let of = |results: &Results| results.options.get(option).map(text).unwrap_or_default();
            differ(option, &of(first), &of(other));
        }
    }
    found
}

/// Notes on the merged runs, with those of the parts.
pub(super) fn notes(inputs: &[(String, Results)]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut spread = |what: &str, times: Vec<f64>| {
        let min = times.iter().copied().fold(f64::INFINITY, f64::min);
        let max = times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if max - min > APART_S {
            notes.push(format!("{what} {:.1} s apart", max - min));
        }
    };
    spread("the runs are added second by second from the start of each, but began", starts(inputs));
    spread(
        "the rates are added, and median and spread are of the seconds in which all ran: the runs' durations are",
        inputs.iter().map(|(_, results)| results.duration_s).collect(),
    );
    for (name, results) in inputs {
        notes.extend(results.notes.iter().map(|note| format!("{name}: {note}")));
    }
    notes
}

/// Seconds since 1970; of those whose clock can be read.
fn starts(inputs: &[(String, Results)]) -> Vec<f64> {
    let seconds = |text: &str| {
        let time = humantime::parse_rfc3339(text).ok()?;
        Some(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs_f64())
    };
    inputs.iter().filter_map(|(_, results)| seconds(&results.started_at)).collect()
}
