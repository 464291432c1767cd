use super::Time;

/// Tokens are counted in millionths, so that slow rates are exact.
const TOKEN: u64 = 1_000_000;

/// A token bucket: a rate per second, with bursts of up to one second's tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    /// Millionths of a token per second, which is also a full bucket; at least one token, unless
    /// nothing passes.
    rate: u64,
    burst: u64,
    level: u64,
    filled_at: Time,
}

impl TokenBucket {
    /// `rate` per second; 0 passes nothing. Starts full.
    pub fn new(rate: u32) -> TokenBucket {
        TokenBucket::share(rate, 1)
    }

    /// One of `parts` equal parts of a rate.
    pub fn share(rate: u32, parts: u32) -> TokenBucket {
        let rate = u64::from(rate) * TOKEN / u64::from(parts.max(1));
        let burst = if rate == 0 { 0 } else { rate.max(TOKEN) };
        TokenBucket { rate, burst, level: burst, filled_at: Time::default() }
    }

    /// Takes a token. Returns false if there is none.
    #[inline]
    pub fn take(&mut self, now: Time) -> bool {
        self.refill(now);
        self.spend()
    }

    /// Adds the tokens of the time since the last refill.
    pub fn refill(&mut self, now: Time) {
        let elapsed = now.micros.saturating_sub(self.filled_at.micros);
        let earned = u128::from(elapsed) * u128::from(self.rate) / 1_000_000;
        self.level = self.burst.min(self.level.saturating_add(u64::try_from(earned).unwrap_or(u64::MAX)));
        self.filled_at = now;
    }

    /// Takes a token without a refill. Returns false if there is none.
    pub fn spend(&mut self) -> bool {
        let left = self.level.checked_sub(TOKEN);
        self.level = left.unwrap_or(self.level);
        left.is_some()
    }

    /// Whole tokens.
    pub fn tokens(&self) -> u64 {
        self.level / TOKEN
    }

    /// Whole tokens of a full bucket.
    pub fn capacity(&self) -> u64 {
        self.burst / TOKEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_a_burst_then_the_rate() {
        let mut bucket = TokenBucket::new(100);
        let start = Time::from_millis(10_000);
        let passed = (0..1000).filter(|_| bucket.take(start)).count();
        assert!((100..=200).contains(&passed), "a burst of one second's worth, got {passed}");
        let a_second = (0..1000).filter(|i| bucket.take(Time::from_millis(10_001 + i))).count();
        assert!((99..=101).contains(&a_second), "then 100 a second, got {a_second}");
    }

    #[test]
    fn a_rate_of_zero_passes_nothing() {
        let mut bucket = TokenBucket::new(0);
        assert!(!bucket.take(Time::from_millis(1_000_000)));
        assert!(!TokenBucket::share(0, 2).take(Time::from_millis(1_000_000)));
    }

    #[test]
    fn half_of_one_a_second_is_one_in_two_seconds() {
        let mut bucket = TokenBucket::share(1, 2);
        let passed = (0..100u64).filter(|i| bucket.take(Time::from_millis(10_000 + i * 100))).count();
        assert_eq!(passed, 5, "in ten seconds, the first at once");
    }
}
