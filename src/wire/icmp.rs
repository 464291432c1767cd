use std::net::IpAddr;

/// An echo request (ICMP type 8, ICMPv6 type 128) for `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoRequest {
    pub remote: IpAddr,
    pub local: IpAddr,
    pub link_len: u8,
}

/// A neighbour solicitation (RFC 4861 4.3) for `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourSolicitation {
    /// Unspecified (`::`) for duplicate address detection: answered to all nodes, unsolicited.
    pub sender: [u8; 16],
    pub target: [u8; 16],
    pub link_len: u8,
}
