//! What came of a comparison, in one sentence.

use super::data::{Comparison, Row, SUBJECT, is_ceiling};
use crate::bench::format::percent;

/// Of what handfast reached: against the kernel, and of its first ceiling. Medians, over all workloads and
/// modes.
pub(super) fn sentence(comparison: &Comparison) -> String {
    let own: Vec<&Row> = comparison.rows.iter().filter(|row| row.server == SUBJECT).collect();
    if own.is_empty() {
        return format!("{SUBJECT} itself was not measured.");
    }
    let range = |reference: &String| -> Option<(f64, f64)> {
        let ratios = own.iter().filter_map(|row| row.ratios.get(reference)).map(|spread| spread.median);
        let (least, most) =
            ratios.fold((f64::INFINITY, 0.0), |(a, b): (f64, f64), ratio| (a.min(ratio), b.max(ratio)));
        (least <= most).then_some((least, most))
    };
    let references = || comparison.references.iter();
    let kernel = references().find(|name| !is_ceiling(name)).and_then(|name| Some((name, range(name)?)));
    let ceiling = references().find(|name| is_ceiling(name)).and_then(|name| Some((name, range(name)?)));
    let kernel = kernel.map(|(name, (least, most))| {
        format!("completes {} times as many connections a second as the {name}", times(least, most))
    });
    let ceiling = ceiling.map(|(name, (least, most))| {
        format!("reaches {} of the ceiling {name}", between(percent(least), percent(most)))
    });
    let parts: Vec<String> = kernel.into_iter().chain(ceiling).collect();
    match parts.is_empty() {
        true => format!("{SUBJECT} was measured alone."),
        false => format!("{SUBJECT} {}.", parts.join(" and ")),
    }
}

fn times(least: f64, most: f64) -> String {
    between(format!("{least:.2}"), format!("{most:.2}"))
}

fn between(least: String, most: String) -> String {
    if least == most { least } else { format!("{least} to {most}") }
}
