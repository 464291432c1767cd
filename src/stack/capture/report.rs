use serde::{Deserialize, Serialize};

/// The counts of a capture so far. `seen` is the sum of all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Path of the file.
    pub file: String,
    /// Size of the file.
    pub bytes: u64,
    /// Frames that the sockets received or sent during the capture.
    pub seen: u64,
    /// Frames in the file.
    pub captured: u64,
    /// Frames that the filter left out.
    pub left_out: u64,
    /// Frames that are missing in the file, by reason.
    pub dropped: Dropped,
    /// Why the capture ended before the run did.
    pub error: Option<String>,
}

/// Frames that are missing in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The writer did not keep up.
    pub ring_full: u64,
    /// The CPU budget of copying was used up. These frames were not filtered, so some of them may be
    /// frames that the filter leaves out.
    pub over_budget: u64,
    /// The file could not be written any more.
    pub unwritten: u64,
}

impl Dropped {
    /// Number of frames missing in the file, for any reason.
    pub fn sum(&self) -> u64 {
        self.ring_full + self.over_budget + self.unwritten
    }
}
