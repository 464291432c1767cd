use serde::{Deserialize, Serialize};

/// Which side was the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Client,
    /// Or the path to it: the client cannot distinguish them.
    Target,
    Neither,
    #[default]
    Unknown,
}

/// Which side was the limit, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bottleneck {
    pub verdict: Verdict,
    pub sentence: String,
}
