//! The result of a comparison in one sentence.

use super::data::{Comparison, Row, SUBJECT, is_ceiling};
use super::syn;
use crate::bench::format::percent;

/// Of connections, of SYNs alone, or of both.
pub(super) fn sentence(comparison: &Comparison) -> String {
    match syn::sentence(comparison) {
        None => of_connections(comparison),
        Some(syns) if comparison.rows.iter().all(|row| row.syn.is_some()) => match syns.is_empty() {
            true => format!("{SUBJECT} itself was not measured."),
            false => syns,
        },
        Some(syns) => format!("{} {syns}", of_connections(comparison)).trim_end().to_owned(),
    }
}

/// handfast's rate relative to the kernel and to the first ceiling: medians, over all workloads and modes.
fn of_connections(comparison: &Comparison) -> String {
    let own: Vec<&Row> = comparison.rows.iter().filter(|row| row.server == SUBJECT).collect();
    if own.is_empty() {
        return format!("{SUBJECT} itself was not measured.");
    }
    let range = |reference: &String| -> Option<(f64, f64)> {
        let ratios = own.iter().filter_map(|row| row.ratios.get(reference)).map(|spread| spread.median);
        let (min, max) =
            ratios.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), ratio| (a.min(ratio), b.max(ratio)));
        (min <= max).then_some((min, max))
    };
    let references = || comparison.references.iter();
    let kernel = references().find(|name| !is_ceiling(name)).and_then(|name| Some((name, range(name)?)));
    let ceiling = references().find(|name| is_ceiling(name)).and_then(|name| Some((name, range(name)?)));
    let kernel = kernel.map(|(name, (min, max))| {
        format!("completes {} times as many connections a second as the {name}", times(min, max))
    });
    let ceiling = ceiling.map(|(name, (min, max))| {
        format!("reaches {} of the ceiling {name}", between(percent(min), percent(max)))
    });
    let parts: Vec<String> = kernel.into_iter().chain(ceiling).collect();
    match parts.is_empty() {
        true => format!("{SUBJECT} was measured alone."),
        false => format!("{SUBJECT} {}.", parts.join(" and ")),
    }
}

fn times(min: f64, max: f64) -> String {
    between(format!("{min:.2}"), format!("{max:.2}"))
}

fn between(min: String, max: String) -> String {
    if min == max { min } else { format!("{min} to {max}") }
}
