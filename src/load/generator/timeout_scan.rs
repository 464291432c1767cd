use std::ops::Range;

/// ConnRecords looked at in one poll at most, 16 octets each.
pub(super) const SCAN_BATCH: u32 = 4096;

/// A walk over all connections, round after round, that finds those that take too long. A time
/// limit holds to an eighth.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeoutScan {
    cursor: u32,
    /// The walk has come as far as it should by then, microseconds since the step's start.
    walked_us: u64,
    /// For all connections, microseconds.
    round_us: u64,
}

impl TimeoutScan {
    pub(super) fn new(timeout_us: u64) -> TimeoutScan {
        TimeoutScan { cursor: 0, walked_us: 0, round_us: (timeout_us / 8).clamp(1_000, 1_000_000) }
    }

    /// How many to look at by now, of the numbers that may be used.
    pub(super) fn due(&mut self, span: &Range<u32>, elapsed: u64) -> u64 {
        if elapsed < self.next_us() {
            return 0;
        }
        let all = u64::from(span.end - span.start);
        let share = all * (elapsed - self.walked_us) / self.round_us + 1;
        self.walked_us = elapsed;
        share.min(u64::from(SCAN_BATCH)).min(all)
    }

    /// The number to look at, and on to the one after it.
    pub(super) fn next(&mut self, span: &Range<u32>) -> u32 {
        let number = self.cursor.max(span.start);
        self.cursor = if number + 1 < span.end { number + 1 } else { span.start };
        number
    }

    /// When to go on.
    pub(super) fn next_us(&self) -> u64 {
        self.walked_us.saturating_add(self.round_us / 8)
    }
}
