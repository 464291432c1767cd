use serde::{Deserialize, Serialize};

/// What a capture came to, or has come to so far. `seen` is the sum of all others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub file: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// Frames that the sockets received or sent while the capture was there.
    pub seen: u64,
    /// Frames in the file.
    pub captured: u64,
    /// Frames that `--filter` or `--sample` left out.
    pub left_out: u64,
    pub dropped: Dropped,
    /// Why the capture ended before the run did.
    pub error: Option<String>,
}

/// Frames that should be in the file and are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The writer did not keep up.
    pub ring_full: u64,
    /// Copying had used up its share of the core's time. Not looked at, so that some of them may be
    /// what a filter leaves out.
    pub over_share: u64,
    /// Nothing could be written any more.
    pub unwritten: u64,
}

impl Dropped {
    pub fn sum(&self) -> u64 {
        self.ring_full + self.over_share + self.unwritten
    }
}
