use serde::{Deserialize, Serialize};

/// Who was the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Client,
    /// Or the path to it: from the client both look the same.
    Target,
    Neither,
    #[default]
    Unknown,
}

/// Who was the limit, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bottleneck {
    pub verdict: Verdict,
    pub sentence: String,
}
