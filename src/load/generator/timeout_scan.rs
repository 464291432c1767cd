use std::ops::Range;

/// Records checked in one poll at most, 16 bytes each.
pub(super) const SCAN_BATCH: u32 = 4096;

/// A periodic scan over all connections for those that exceed their timeout. A timeout is exact to an
/// eighth of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeoutScan {
    cursor: u32,
    /// The scan is on schedule up to this time, microseconds since the step's start.
    scanned_us: u64,
    /// Time for all connections, microseconds.
    round_us: u64,
}

impl TimeoutScan {
    pub(super) fn new(timeout_us: u64) -> TimeoutScan {
        TimeoutScan { cursor: 0, scanned_us: 0, round_us: (timeout_us / 8).clamp(1_000, 1_000_000) }
    }

    /// Returns how many connection numbers of `span` to check now.
    pub(super) fn due(&mut self, span: &Range<u32>, elapsed: u64) -> u64 {
        if elapsed < self.next_us() {
            return 0;
        }
        let all = u64::from(span.end - span.start);
        let share = all * (elapsed - self.scanned_us) / self.round_us + 1;
        self.scanned_us = elapsed;
        share.min(u64::from(SCAN_BATCH)).min(all)
    }

    /// Returns the next number to check.
    pub(super) fn next(&mut self, span: &Range<u32>) -> u32 {
        let number = self.cursor.max(span.start);
        self.cursor = if number + 1 < span.end { number + 1 } else { span.start };
        number
    }

    /// When the next numbers are due.
    pub(super) fn next_us(&self) -> u64 {
        self.scanned_us.saturating_add(self.round_us / 8)
    }
}
