use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The settings of the parser for one interface. Replaced as a whole when the interface changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParseConfig {
    /// The interface's MAC. Unicast frames for another one are dropped. `None`: any.
    pub mac: Option<[u8; 6]>,
    /// On-link IPv4 prefixes: their broadcast addresses are never an endpoint (RFC 9293
    /// MUST-57, MUST-63).
    pub subnets: Vec<Ipv4Net>,
    /// Accept a TCP checksum that covers the pseudo-header only (a veth peer with transmit
    /// offload on). Off by default: such a frame is dropped as `TcpPartialChecksum`.
    pub accept_partial_checksum: bool,
}

impl ParseConfig {
    /// The broadcast addresses of the on-link prefixes. Those of 31 and 32 bits have none (RFC 3021).
    pub fn broadcasts(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.subnets.iter().filter(|subnet| subnet.prefix_len() < 31).map(Ipv4Net::broadcast)
    }
}
