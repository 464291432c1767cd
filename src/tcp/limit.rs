use super::Now;

/// A token bucket: at most `rate` a second, with bursts of up to `burst`.
#[derive(Clone, Copy, Debug)]
pub struct TokenBucket {
    rate: u64,
    burst: u64,
    tokens: u64,
    filled_at: Now,
}

impl TokenBucket {
    /// `rate` per second; 0 means nothing ever passes. Starts full.
    pub fn new(rate: u32) -> TokenBucket {
        let burst = u64::from(rate);
        TokenBucket { rate: burst, burst, tokens: burst, filled_at: Now::default() }
    }

    /// Takes a token, if there is one.
    #[inline]
    pub fn take(&mut self, now: Now) -> bool {
        if self.tokens == 0 {
            self.refill(now);
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }

    fn refill(&mut self, now: Now) {
        let elapsed = now.micros.saturating_sub(self.filled_at.micros);
        let earned = (u128::from(elapsed) * u128::from(self.rate) / 1_000_000) as u64;
        if earned > 0 {
            self.tokens = earned.min(self.burst);
            self.filled_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_a_burst_then_the_rate() {
        let mut bucket = TokenBucket::new(100);
        let start = Now::from_millis(10_000);
        let passed = (0..1000).filter(|_| bucket.take(start)).count();
        assert!((100..=200).contains(&passed), "a burst of one second's worth, got {passed}");
        let a_second = (0..1000).filter(|i| bucket.take(Now::from_millis(10_001 + i))).count();
        assert!((99..=101).contains(&a_second), "then 100 a second, got {a_second}");
    }

    #[test]
    fn a_rate_of_zero_passes_nothing() {
        let mut bucket = TokenBucket::new(0);
        assert!(!bucket.take(Now::from_millis(1_000_000)));
    }
}
