use std::io;

use handfast_lab::LabError;
use handfast_lab::bench::baseline::BaselineError;
use handfast_stack::xdp::XdpError;

/// Why the rates of a pair were not measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{end}: {source}")]
    Bare { end: String, source: BaselineError },
    #[error("{end}: {source}")]
    Device { end: String, source: XdpError },
    #[error("cannot enter namespace {namespace}: {source}")]
    Enter { namespace: String, source: io::Error },
    #[error(
        "{0} and {1} are not the two ends of a veth pair: `ip -details link show` names the peer of each"
    )]
    NotAPair(String, String),
    #[error("{0}: no frame came back")]
    NoAnswer(String),
    #[error("stopped before the end")]
    Stopped,
}
