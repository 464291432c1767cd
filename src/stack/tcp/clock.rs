/// An instant: microseconds of a monotonic clock with an arbitrary start. The engine reads it once per
/// batch; a simulation sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Microseconds since the start of the clock.
    pub micros: u64,
}

impl Time {
    /// The instant `millis` milliseconds after the start of the clock.
    pub const fn from_millis(millis: u64) -> Time {
        Time { micros: millis * 1000 }
    }

    /// Milliseconds, modulo 2^32: the tick of timers and of the timestamp clock (RFC 7323 5.4
    /// asks for 1 ms to 1 s).
    #[inline]
    pub const fn millis(self) -> u32 {
        (self.micros / 1000) as u32
    }

    /// The ISN clock: 4 µs a tick (RFC 9293 MUST-8).
    #[inline]
    pub const fn isn_tick(self) -> u32 {
        (self.micros / 4) as u32
    }

    /// Seconds.
    #[inline]
    pub const fn seconds(self) -> u64 {
        self.micros / 1_000_000
    }
}

/// Milliseconds from `earlier` to `later`, both modulo 2^32; zero when `earlier` is ahead.
#[inline]
pub(super) fn millis_since(later: u32, earlier: u32) -> u32 {
    let elapsed = later.wrapping_sub(earlier);
    if elapsed > u32::MAX / 2 { 0 } else { elapsed }
}
