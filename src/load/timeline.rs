use std::time::Duration;

use strum::VariantArray;

/// A time that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// The times of a step, microseconds since its start:
///
/// ```text
///  0 ── ramp-up ── ramped_up ── warm-up ── measured_from ── measured ── measured_to ── ramp-down ── opens_to ── drain
/// ```
///
/// A connection counts if its *intended* start lies in `measured_from..measured_to`, whenever it
/// ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    pub(super) ramped_up: u64,
    pub(super) measured_from: u64,
    pub(super) measured_to: u64,
    /// No connections are opened from here on.
    pub(super) opens_to: u64,
}

/// Where a core is in its step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, VariantArray)]
#[repr(u8)]
pub enum RunStage {
    /// Waits for a step.
    #[default]
    Idle,
    /// Ramp-up and warm-up: connections opened now do not count.
    WarmUp,
    Measured,
    /// Ramp-down, and the wait for connections in flight.
    Drain,
    /// All connections have ended; the tally is ready.
    Finished,
}

impl RunStage {
    /// The stage with this number.
    pub(super) fn of(number: u64) -> RunStage {
        RunStage::VARIANTS.get(number as usize).copied().unwrap_or_default()
    }
}

/// Microseconds, saturating.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(NEVER)
}

impl Timeline {
    /// `measured`: `None` until something else ends the step.
    pub(super) fn new(
        ramp_up: Duration,
        warm_up: Duration,
        measured: Option<Duration>,
        ramp_down: Duration,
    ) -> Timeline {
        let ramped_up = micros(ramp_up);
        let measured_from = ramped_up.saturating_add(micros(warm_up));
        let measured_to = measured.map_or(NEVER, |time| measured_from.saturating_add(micros(time)));
        Timeline {
            ramped_up,
            measured_from,
            measured_to,
            opens_to: measured_to.saturating_add(micros(ramp_down)),
        }
    }

    /// Ends opening and measuring at `elapsed_us`.
    pub(super) fn cut(&mut self, elapsed_us: u64) {
        self.opens_to = self.opens_to.min(elapsed_us);
        self.measured_to = self.measured_to.min(elapsed_us);
    }

    /// Whether a connection with this intended start counts.
    pub(super) fn counts(&self, intended_us: u64) -> bool {
        (self.measured_from..self.measured_to).contains(&intended_us)
    }

    /// The stage at this time.
    pub(super) fn stage(&self, elapsed_us: u64) -> RunStage {
        match elapsed_us {
            _ if elapsed_us >= self.measured_to => RunStage::Drain,
            _ if elapsed_us >= self.measured_from => RunStage::Measured,
            _ => RunStage::WarmUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramps_and_warm_up_do_not_count() {
        let second = Duration::from_secs(1);
        let mut line = Timeline::new(second, 2 * second, Some(10 * second), second);
        assert_eq!(line.opens_to, 14_000_000);
        for (at, counts, stage) in [
            (0, false, RunStage::WarmUp),
            (2_999_999, false, RunStage::WarmUp),
            (3_000_000, true, RunStage::Measured),
            (12_999_999, true, RunStage::Measured),
            (13_000_000, false, RunStage::Drain),
        ] {
            assert_eq!((line.counts(at), line.stage(at)), (counts, stage), "{at}");
        }
        line.cut(5_000_000);
        assert!(line.counts(4_999_999) && !line.counts(5_000_000));
        assert_eq!((line.opens_to, line.stage(5_000_000)), (5_000_000, RunStage::Drain));
    }

    #[test]
    fn endless_is_endless() {
        let line = Timeline::new(Duration::ZERO, Duration::ZERO, None, Duration::from_secs(1));
        assert!(line.counts(NEVER - 1) && line.opens_to == NEVER);
    }
}
