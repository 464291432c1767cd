use super::Counter;

/// The stages of one poll of a core, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Frames from the receive ring, and forwarded frames.
    Receive,
    /// Parse, hash, prefetch; replies that need no connection.
    Parse,
    /// Find the connection of each segment.
    LookUp,
    /// Process each segment; create connections; immediate replies.
    Tcp,
    /// Replies at the end of the batch.
    Replies,
    /// Expired timers.
    Timers,
    /// Pending output, and the active opener.
    ActiveOpen,
    /// Frames to the transmit ring, and the wake-up.
    Flush,
}

/// Every [`Stage`], with its name in reports.
pub const STAGES: [(Stage, &str); 8] = [
    (Stage::Receive, "receive"),
    (Stage::Parse, "parse"),
    (Stage::LookUp, "look_up"),
    (Stage::Tcp, "tcp"),
    (Stage::Replies, "replies"),
    (Stage::Timers, "timers"),
    (Stage::ActiveOpen, "active_open"),
    (Stage::Flush, "flush"),
];

/// Nanoseconds by stage, of polls that had work; all 0 unless accounting is on.
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
