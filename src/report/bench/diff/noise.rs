use crate::bench::stats::{Stats, student_975};

/// Half of the 95 % interval of the difference of the means; `None` with one value on each side.
pub(super) fn half_width(a: &[f64], b: &[f64]) -> Option<f64> {
    let of = |values: &[f64]| {
        let variance = Stats::of(values)?.stddev.map(|stddev| stddev.powi(2));
        Some((values.len() as f64, variance))
    };
    let ((n, a), (m, b)) = (of(a)?, of(b)?);
    let (square, freedom) = match (a, b) {
        (Some(a), Some(b)) => welch((n, a / n), (m, b / m)),
        // One run is one more sample of runs like those of the other side.
        (Some(variance), None) => (variance * (1.0 / n + 1.0), n - 1.0),
        (None, Some(variance)) => (variance * (1.0 / m + 1.0), m - 1.0),
        (None, None) => return None,
    };
    Some(student_975(freedom.max(1.0) as usize) * square.sqrt())
}

/// The variance of the difference, and its degrees of freedom (Welch and Satterthwaite).
fn welch((n, a): (f64, f64), (m, b): (f64, f64)) -> (f64, f64) {
    let square = a + b;
    let freedom = square.powi(2) / (a.powi(2) / (n - 1.0) + b.powi(2) / (m - 1.0));
    (square, if freedom.is_finite() { freedom } else { n + m - 2.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_textbooks() {
        // Means 3 and 7, variances 2.5 and 2.5: the half width is t(8) * 1, t(8) = 2.3060.
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0], [5.0, 6.0, 7.0, 8.0, 9.0]);
        assert!((half_width(&a, &b).unwrap() - 2.3060).abs() < 1e-9);
        // Unequal: variances 2.5/5 and 0/2, of which the first has 4 degrees of freedom.
        assert!((half_width(&a, &[4.0, 4.0]).unwrap() - 2.7764 * 0.5f64.sqrt()).abs() < 1e-9);
        // One more draw: 2.5 * 6/5, 4 degrees of freedom.
        assert!((half_width(&a, &[4.0]).unwrap() - 2.7764 * 3f64.sqrt()).abs() < 1e-9);
        assert_eq!(half_width(&[4.0], &a), half_width(&a, &[4.0]));
        assert_eq!(half_width(&[1.0], &[2.0]), None);
        assert_eq!(half_width(&[], &a), None);
        assert_eq!(half_width(&[1.0, 1.0], &[2.0, 2.0]), Some(0.0));
    }
}
