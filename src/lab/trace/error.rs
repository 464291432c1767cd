use std::io;

use nix::errno::Errno;

use crate::LabError;
use handfast_stack::engine::stack::StartError;

/// Why a scenario could not be played.
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
    #[error("{text} is no address and port")]
    Address { text: String },
    #[error("within {seconds} s there was no {what}: the machine is too busy, or this is a bug", seconds = super::PATIENCE.as_secs())]
    Late { what: &'static str },
    #[error("{scenario} cannot be played with {peer} on the other side")]
    Peer { scenario: &'static str, peer: &'static str },
}
