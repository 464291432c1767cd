use super::Counter;

/// What a core's loop does, one after the other, in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Frames from the ring, and segments from other cores.
    Receive,
    /// Parse, hash, prefetch; answers that need no connection.
    Parse,
    /// The connection of each segment.
    LookUp,
    /// Each segment through TCP; new connections; answers at once.
    Tcp,
    /// Answers at the end of the batch.
    Settle,
    /// Expired timers.
    Timers,
    /// What a caller does of its own accord, and what connections owe.
    Calls,
    /// Frames to the ring, and the wake-up.
    Flush,
}

/// Every [`Stage`], with its name in reports.
pub const STAGES: [(Stage, &str); 8] = [
    (Stage::Receive, "receive"),
    (Stage::Parse, "parse"),
    (Stage::LookUp, "look_up"),
    (Stage::Tcp, "tcp"),
    (Stage::Settle, "settle"),
    (Stage::Timers, "timers"),
    (Stage::Calls, "calls"),
    (Stage::Flush, "flush"),
];

/// Nanoseconds by stage, of turns that had work; all 0 unless accounting is on.
#[derive(Debug)]
pub struct StageTimes([Counter; STAGES.len()]);

impl StageTimes {
    /// In the order of [`STAGES`].
    pub fn all(&self) -> &[Counter] {
        &self.0
    }

    #[inline]
    pub fn of(&self, stage: Stage) -> &Counter {
        &self.0[stage as usize]
    }
}

impl Default for StageTimes {
    fn default() -> StageTimes {
        StageTimes(std::array::from_fn(|_| Counter::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_own_place() {
        for (index, (stage, _)) in STAGES.iter().enumerate() {
            assert_eq!(*stage as usize, index);
        }
    }
}
