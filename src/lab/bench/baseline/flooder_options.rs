use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;

use super::port::PortOptions;
use handfast_stack::wire::Mac;

/// The segments of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloodKind {
    /// SYNs with Linux's options.
    Syn,
    /// ACKs with random numbers and timestamps.
    Ack,
    /// One of each in turn.
    Mixed,
}

/// Options of a [`Flooder`](super::Flooder).
#[derive(Clone, Debug)]
pub struct FlooderOptions {
    pub port: PortOptions,
    pub kind: FloodKind,
    pub peer: SocketAddr,
    pub peer_mac: Mac,
    /// Random sources: all hosts of this prefix, all ports from 1024.
    pub source: IpNet,
    /// Frames per second. `None`: as many as the link takes.
    pub rate: Option<f64>,
    /// `None`: until the program is stopped.
    pub duration: Option<Duration>,
}

impl FloodKind {
    fn name(self) -> &'static str {
        match self {
            FloodKind::Syn => "syn",
            FloodKind::Ack => "ack",
            FloodKind::Mixed => "mixed",
        }
    }
}

impl FromStr for FloodKind {
    type Err = String;

    fn from_str(text: &str) -> Result<FloodKind, String> {
        let found = [FloodKind::Syn, FloodKind::Ack, FloodKind::Mixed].into_iter();
        let found = found.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| format!("unknown flood `{text}`: use syn, ack or mixed"))
    }
}

impl fmt::Display for FloodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
