use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A distribution of times, in microseconds. All `None` without measurements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    pub p50: Option<u64>,
    pub p90: Option<u64>,
    pub p99: Option<u64>,
    pub p999: Option<u64>,
    pub max: Option<u64>,
    pub mean: Option<f64>,
    /// The number of measurements.
    pub count: u64,
}

/// A complete histogram: several can be added without loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Encoded {
    /// Smaller values count as this one, microseconds.
    pub lowest: u64,
    /// Larger values count as this one, microseconds.
    pub highest: u64,
    /// Significant decimal digits.
    pub significant_digits: u8,
    /// `[value, count]`: the number of values up to this one and above the value before (microseconds, the
    /// highest of its cell). Empty cells are left out.
    pub counts: Vec<(u64, u64)>,
}

/// A histogram is invalid, or two cannot be added.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistogramError {
    #[error("invalid histogram: from {0} to {1} µs with {2} digits")]
    Shape(u64, u64, u8),
    #[error("a value of {value} µs in a histogram that ends at {highest} µs")]
    Value { value: u64, highest: u64 },
    #[error("the counts of a histogram are too large to add up")]
    Count,
    #[error("one histogram has {0}, the other {1}: they cannot be added without loss")]
    Different(String, String),
}

impl Latency {
    pub fn of(histogram: &Histogram<u64>) -> Latency {
        let count = histogram.len();
        let seen = |value: u64| (count > 0).then_some(value);
        let quantile = |share: f64| seen(histogram.value_at_quantile(share));
        Latency {
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: seen(histogram.max()),
            mean: (count > 0).then(|| histogram.mean()),
            count,
        }
    }
}

impl Encoded {
    pub fn of(histogram: &Histogram<u64>) -> Encoded {
        let counts = histogram.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value()));
        Encoded {
            lowest: histogram.low(),
            highest: histogram.high(),
            significant_digits: histogram.sigfig(),
            counts: counts.collect(),
        }
    }

    /// Decodes the histogram.
    ///
    /// # Errors
    /// [`HistogramError`]: it is invalid.
    pub fn decode(&self) -> Result<Histogram<u64>, HistogramError> {
        let shape = HistogramError::Shape(self.lowest, self.highest, self.significant_digits);
        let mut histogram = Histogram::new_with_bounds(self.lowest, self.highest, self.significant_digits)
            .map_err(|_| shape)?;
        self.sum()?;
        for &(value, count) in &self.counts {
            let beyond = HistogramError::Value { value, highest: self.highest };
            histogram.record_n(value, count).map_err(|_| beyond)?;
        }
        Ok(histogram)
    }

    /// Returns the number of measurements.
    ///
    /// # Errors
    /// [`HistogramError::Count`]: more than 64 bits hold.
    pub fn sum(&self) -> Result<u64, HistogramError> {
        let add = |sum: u64, (_, count): &(u64, u64)| sum.checked_add(*count);
        self.counts.iter().try_fold(0, add).ok_or(HistogramError::Count)
    }

    /// Adds two histograms without loss.
    ///
    /// # Errors
    /// [`HistogramError`]: they have different cells.
    pub fn plus(&self, other: &Encoded) -> Result<Encoded, HistogramError> {
        if self.shape() != other.shape() {
            return Err(HistogramError::Different(self.shape(), other.shape()));
        }
        self.sum()?.checked_add(other.sum()?).ok_or(HistogramError::Count)?;
        let mut both = self.decode()?;
        for &(value, count) in &other.counts {
            let beyond = HistogramError::Value { value, highest: other.highest };
            both.record_n(value, count).map_err(|_| beyond)?;
        }
        Ok(Encoded::of(&both))
    }

    fn shape(&self) -> String {
        format!("{} digits from {} to {} µs", self.significant_digits, self.lowest, self.highest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 300_000_000, 3).unwrap();
        values.iter().for_each(|value| histogram.saturating_record(*value));
        histogram
    }

    #[test]
    fn no_measurement_has_no_percentile() {
        let none = Latency::of(&histogram(&[]));
        assert_eq!(none, Latency::default());
    }

    #[test]
    fn percentiles_are_of_what_was_recorded() {
        let latency = Latency::of(&histogram(&(1..=1000).collect::<Vec<_>>()));
        assert_eq!((latency.p50, latency.p99, latency.p999), (Some(500), Some(990), Some(999)));
        assert_eq!((latency.max, latency.count), (Some(1000), 1000));
        assert!((latency.mean.unwrap() - 500.5).abs() < 0.01);
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let good = Encoded::of(&histogram(&[5, 7]));
        assert!(Encoded { significant_digits: 9, ..good.clone() }.decode().is_err());
        assert!(Encoded { lowest: 0, ..good.clone() }.decode().is_err());
        assert!(Encoded { counts: vec![(u64::MAX, 1)], ..good.clone() }.decode().is_err());
        assert!(Encoded { counts: vec![(1, u64::MAX), (2, 2)], ..good.clone() }.decode().is_err());
        let coarse = Encoded { significant_digits: 2, ..good.clone() };
        let error = good.plus(&coarse).unwrap_err();
        assert!(error.to_string().contains("3 digits from 1 to 300000000 µs"), "{error}");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way(a in prop::collection::vec(0u64..1 << 30, 0..200),
                                      b in prop::collection::vec(0u64..1 << 30, 0..200)) {
            let (first, second) = (histogram(&a), histogram(&b));
            let decoded = Encoded::of(&first).decode().unwrap();
            prop_assert_eq!(&decoded, &first);
            prop_assert_eq!(Latency::of(&decoded), Latency::of(&first));
            let both = histogram(&[a, b].concat());
            let sum = Encoded::of(&first).plus(&Encoded::of(&second)).unwrap();
            prop_assert_eq!(&sum.decode().unwrap(), &both);
            prop_assert_eq!(sum, Encoded::of(&both));
        }
    }
}
