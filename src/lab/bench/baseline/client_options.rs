use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::port::PortOptions;
use crate::bench::workload::Pattern;
use handfast_stack::wire::Mac;

/// TcpOptions of a [`ReplayClient`](super::ReplayClient).
#[derive(Clone, Debug)]
pub struct ReplayClientOptions {
    pub port: PortOptions,
    pub peer: SocketAddr,
    pub peer_mac: Mac,
    /// Sources: all hosts of this prefix, all ports from 1024.
    pub source: IpNet,
    pub pattern: Pattern,
    /// The maximum number of connections in progress.
    pub window: u32,
    /// Connections begun per second, instead of a window.
    pub rate: Option<f64>,
    /// With a rate: sleep until a batch is due, so that the processor's busy time is that of the work.
    pub sleep: bool,
    /// Time without progress of any connection after which all in progress count as lost.
    pub timeout: Duration,
    /// `None`: no limit.
    pub count: Option<u64>,
    /// `None`: until the count is reached or the program is stopped.
    pub duration: Option<Duration>,
}
