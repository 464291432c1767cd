use serde::{Deserialize, Serialize};

/// The 0.975 quantiles of Student's t for 1 to 10 degrees of freedom.
const STUDENT: [f64; 10] = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281];
/// The 0.975 quantile of the normal distribution: Student's t for very many.
const NORMAL: f64 = 1.959_964;

/// The minimum number of values for an interval.
const ENOUGH: usize = 5;

/// Statistics of some values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    pub mean: f64,
    pub median: f64,
    pub min: f64,
    pub max: f64,
    /// Of a sample (n - 1); `None` for one value.
    pub stddev: Option<f64>,
    /// The 95 % confidence interval of the mean (Student's t); `None` for fewer than five values, for
    /// which it would be meaningless.
    pub ci95: Option<[f64; 2]>,
}

impl Stats {
    /// `None` without values.
    pub fn of(values: &[f64]) -> Option<Stats> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let n = sorted.len();
        let mean = sorted.iter().sum::<f64>() / n as f64;
        let stddev = (n > 1).then(|| {
            let squares: f64 = sorted.iter().map(|value| (value - mean).powi(2)).sum();
            (squares / (n - 1) as f64).sqrt()
        });
        let ci95 = stddev.filter(|_| n >= ENOUGH).map(|stddev| {
            let half = student_975(n - 1) * stddev / (n as f64).sqrt();
            // Rates and times are not negative.
            [(mean - half).max(0.0), mean + half]
        });
        Some(Stats { mean, median: median_of_sorted(&sorted), min, max, stddev, ci95 })
    }
}

/// The middle value, or the mean of the two; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    Stats::of(values).map(|stats| stats.median)
}

fn median_of_sorted(sorted: &[f64]) -> f64 {
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (at(middle.wrapping_sub(1)) + at(middle)) / 2.0,
        _ => at(middle),
    }
}

/// From 11 degrees of freedom on by the expansion around the normal quantile (Abramowitz and
/// Stegun 26.7.5), which is then right to four digits.
pub(super) fn student_975(freedom: usize) -> f64 {
    if let Some(exact) = freedom.checked_sub(1).and_then(|index| STUDENT.get(index)) {
        return *exact;
    }
    let (z, n) = (NORMAL, freedom as f64);
    z + (z.powi(3) + z) / (4.0 * n)
        + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n.powi(2))
        + (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * n.powi(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // 2, 4, 4, 4, 5, 5, 7, 9: squares around the mean add up to 32.
        let stats = Stats::of(&[9.0, 2.0, 4.0, 5.0, 4.0, 7.0, 4.0, 5.0]).unwrap();
        assert_eq!((stats.mean, stats.median, stats.min, stats.max), (5.0, 4.5, 2.0, 9.0));
        assert!((stats.stddev.unwrap() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        let [low, high] = stats.ci95.unwrap();
        let half = 2.3646 * (32.0f64 / 7.0).sqrt() / 8.0f64.sqrt();
        assert!((low - (5.0 - half)).abs() < 1e-9 && (high - (5.0 + half)).abs() < 1e-9);
    }

    #[test]
    fn one_value_has_no_spread_and_none_no_statistics() {
        let stats = Stats::of(&[3.0]).unwrap();
        assert_eq!((stats.mean, stats.median, stats.stddev, stats.ci95), (3.0, 3.0, None, None));
        assert_eq!(Stats::of(&[]), None);
    }

    /// The interval of two seconds would reach from below zero to a multiple of the rate.
    #[test]
    fn an_interval_is_given_where_it_says_something() {
        assert_eq!(Stats::of(&[20_000.0, 36_000.0]).unwrap().ci95, None);
        let [low, high] = Stats::of(&[0.0, 0.0, 0.0, 0.0, 1_000.0]).unwrap().ci95.unwrap();
        assert!(low == 0.0 && high > 200.0, "{low} {high}");
    }

    #[test]
    fn students_t_is_the_tables() {
        for (freedom, expected) in
            [(1, 12.706), (4, 2.776), (10, 2.228), (11, 2.201), (20, 2.086), (30, 2.042), (120, 1.980)]
        {
            let t = student_975(freedom);
            assert!((t - expected).abs() < 0.0006, "{freedom}: {t}");
        }
    }
}
