//! Reasons why a comparison is not reliable.

use super::data::{Comparison, Row, Run, is_ceiling};
use super::syn::has_ceiling;
use crate::bench::format::percent;

/// Above its ceiling by more than this factor, one of the two was disturbed.
const ABOVE: f64 = 1.1;
/// The maximum range of runs, relative to the median.
const WIDE: f64 = 0.5;

/// One sentence each.
pub(super) fn of(comparison: &Comparison) -> Vec<String> {
    let rows = || comparison.rows.iter();
    let above = rows().flat_map(above_its_ceiling).collect::<Vec<_>>();
    let wide: Vec<String> = rows().filter(|row| row.runs > 1 && row.rate.width() > WIDE).map(width).collect();
    let out = rows().filter(|row| row.outliers > 0).map(|row| format!("{} ({})", row.outliers, name(row)));
    let out: Vec<String> = out.collect();
    let mut doubts = disturbed(&comparison.runs);
    doubts.extend(some("above a ceiling, which nothing can be: one of the two was held up: ", above));
    doubts.extend(some("the runs of one row are far apart: ", wide));
    doubts.extend(some("single runs are far from the others: ", out));
    doubts
}

/// The first few of them.
fn some(what: &str, found: Vec<String>) -> Option<String> {
    const SHOWN: usize = 3;
    let more = found.len().saturating_sub(SHOWN);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let shown = found.into_iter().take(SHOWN).collect::<Vec<_>>().join("; ");
    (!shown.is_empty()).then(|| format!("{what}{shown}{rest}"))
}

/// Runs disturbed by other programs or the hypervisor. A run that is shown under several names counts once.
fn disturbed(runs: &[Run]) -> Vec<String> {
    let measured: Vec<&Run> = runs.iter().filter(|run| !run.server.contains('/')).collect();
    let disturbed: Vec<&&Run> = measured.iter().filter(|run| run.disturbed).collect();
    if disturbed.is_empty() {
        return Vec::new();
    }
    let max =
        |share: fn(&Run) -> Option<f64>| disturbed.iter().filter_map(|run| share(run)).fold(0.0, f64::max);
    let (others, steal) = (max(|run| run.others), max(|run| run.steal));
    let heaviest =
        disturbed.iter().max_by(|a, b| a.others.unwrap_or(0.0).total_cmp(&b.others.unwrap_or(0.0)));
    let by = heaviest.and_then(|run| run.busiest.as_ref());
    let by = by.map_or_else(String::new, |name| format!(", most of it `{name}`"));
    vec![format!(
        "{} of {} runs were disturbed, also when they were made again: other programs took up to {} of their \
         cores{by}, the hypervisor up to {} (steal)",
        disturbed.len(),
        measured.len(),
        percent(others),
        percent(steal)
    )]
}

fn above_its_ceiling(row: &Row) -> Option<String> {
    if is_ceiling(&row.server) || !has_ceiling(row) {
        return None;
    }
    let ratios = row.ratios.iter().filter(|(reference, _)| is_ceiling(reference));
    let (reference, ratio) = ratios.max_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))?;
    (ratio.median > ABOVE).then(|| format!("{} has {} of {reference}", name(row), percent(ratio.median)))
}

fn width(row: &Row) -> String {
    let (min, max) = (row.rate.min / row.rate.median, row.rate.max / row.rate.median);
    format!("{} from {} to {} of the median", name(row), percent(min), percent(max))
}

fn name(row: &Row) -> String {
    format!("{}, {}, {}", row.server, row.workload, row.mode)
}
