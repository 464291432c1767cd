use std::io;

use crate::LabError;

/// Why a comparison cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ComparisonError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("cannot start the {who}: {source}")]
    Start { who: &'static str, source: io::Error },
    #[error("the {who} ended before it was ready:\n{text}")]
    Early { who: &'static str, text: String },
    #[error("the {who} {what} within {seconds} s:\n{text}")]
    Late { who: &'static str, what: &'static str, seconds: u64, text: String },
    #[error("the {who} ended with {status}:\n{text}")]
    Failed { who: &'static str, status: String, text: String },
    #[error("the {who} printed no valid report:\n{text}")]
    Report { who: &'static str, text: String },
    #[error("the {who} needs `handfast respond --cookie-tier`, which this version does not have")]
    NoTier { who: &'static str },
    #[error("interrupted")]
    Interrupted,
}
