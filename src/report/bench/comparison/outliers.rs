use super::data::Run;
use crate::bench::stats::median;

/// The minimum number of runs to detect an outlier.
const ENOUGH: usize = 5;
/// An outlier is farther from the median than this many deviations (by the median of the distances) and than
/// this part of the median.
const DEVIATIONS: f64 = 5.0;
const PART: f64 = 0.2;
/// The standard deviation of a normal distribution, in medians of the distances.
const NORMAL: f64 = 1.4826;

/// Marks the runs that are far from the median of their server, workload and mode.
pub(super) fn mark(runs: &mut [Run]) {
    let name = |run: &Run| (run.workload.clone(), run.mode.clone(), run.server.clone());
    let names: Vec<_> = runs.iter().map(name).collect();
    let rates: Vec<f64> = runs.iter().map(|run| run.rate).collect();
    for (run, own) in runs.iter_mut().zip(&names) {
        let of_row = names.iter().zip(&rates).filter(|(name, _)| *name == own);
        let row: Vec<f64> = of_row.map(|(_, rate)| *rate).collect();
        run.outlier = row.len() >= ENOUGH && is_far(run.rate, &row);
    }
}

fn is_far(rate: f64, row: &[f64]) -> bool {
    let middle = median(row).unwrap_or(rate);
    let distances: Vec<f64> = row.iter().map(|other| (other - middle).abs()).collect();
    let deviation = NORMAL * median(&distances).unwrap_or(0.0);
    let distance = (rate - middle).abs();
    distance > DEVIATIONS * deviation && distance > PART * middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_far_out_is_told_from_a_wide_row() {
        for (row, far) in [
            (vec![100.0, 101.0, 99.0, 102.0, 300.0], vec![4]),
            (vec![100.0, 101.0, 99.0, 102.0, 40.0, 98.0], vec![4]),
            (vec![100.0, 101.0, 99.0, 102.0, 110.0], vec![]),
            (vec![100.0, 150.0, 60.0, 180.0, 120.0], vec![]),
            (vec![100.0, 100.0, 100.0, 300.0], vec![]),
            (vec![0.0; 6], vec![]),
        ] {
            let found: Vec<usize> =
                (0..row.len()).filter(|&at| row.len() >= ENOUGH && is_far(row[at], &row)).collect();
            assert_eq!(found, far, "{row:?}");
        }
    }
}
