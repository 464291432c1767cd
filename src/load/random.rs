/// SplitMix64, for start times and the order of 4-tuples; not for secrets. The same seed gives the same
/// run.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// `stream`: generators with one seed and different streams differ, one per core.
    pub(super) fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random(seed ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        // Spreads the one bit in which consecutive seeds differ.
        random.word();
        random
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Uniform in (0, 1]: without 0, which has no logarithm.
    fn share(&mut self) -> f64 {
        ((self.word() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    /// Exponentially distributed with mean 1: the intervals of a Poisson process.
    pub(super) fn exponential(&mut self) -> f64 {
        -self.share().ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_have_mean_and_deviation_of_one() {
        let mut random = Random::new(7, 0);
        let gaps: Vec<f64> = (0..200_000).map(|_| random.exponential()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // Standard errors: 0.0022 and 0.0063.
        assert!((mean - 1.0).abs() < 0.01 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let words = |stream| {
            let mut random = Random::new(1, stream);
            [random.word(), random.word()]
        };
        assert_eq!(words(3), words(3));
        assert_ne!(words(3), words(4));
    }
}
