use std::io;

use nix::errno::Errno;

use crate::LabError;
use handfast_stack::engine::stack::StartError;

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("the engine cannot start: {0}")]
    Start(#[from] Box<StartError>),
    #[error("the relay or a socket of the kernel: {0}")]
    Socket(#[from] Errno),
    #[error("a socket of the kernel: {0}")]
    Io(#[from] io::Error),
    #[error("invalid address and port: {text}")]
    Address { text: String },
    #[error("no {what} within {seconds} s: the host is overloaded, or this is a bug", seconds = super::TIMEOUT.as_secs())]
    Late { what: &'static str },
    #[error("{scenario} cannot be played with {peer} as the client")]
    Peer { scenario: &'static str, peer: &'static str },
}
