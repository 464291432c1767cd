//! ICMP errors about segments that we sent: RFC 792, and RFC 4443 for IPv6. They quote the start of our
//! packet, which an off-path sender has not seen: the caller compares the sequence number with the data in
//! flight (RFC 5927 4.1).

use super::{FlowKey4, FlowKey6, Seq, ethernet::Link, icmp_header::check, ipv4, ipv6};
use crate::observe::DropReason;
use crate::wire::checksum::Checksum;

/// An error on the path to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IcmpError {
    /// No route to the network of the peer.
    NetUnreachable,
    /// No way to the host on its network.
    HostUnreachable,
    /// By an administrator's rule.
    Prohibited,
    /// The host does not speak TCP.
    ProtocolUnreachable,
    /// The host does not serve the port.
    PortUnreachable,
    /// The hop limit or TTL ran out, or fragments were missing.
    TimeExceeded,
    /// A field of a header was refused.
    ParameterProblem,
}

impl IcmpError {
    /// Whether it ends an active open: every unreachable error does, as in Linux (decision 0051). It does not
    /// end established connections (RFC 5927 5.2).
    pub fn is_hard(self) -> bool {
        !matches!(self, IcmpError::TimeExceeded | IcmpError::ParameterProblem)
    }

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            IcmpError::NetUnreachable => "network unreachable",
            IcmpError::HostUnreachable => "host unreachable",
            IcmpError::Prohibited => "prohibited by a rule on the way",
            IcmpError::ProtocolUnreachable => "protocol unreachable",
            IcmpError::PortUnreachable => "port unreachable",
            IcmpError::TimeExceeded => "time exceeded on the way",
            IcmpError::ParameterProblem => "parameter problem",
        }
    }
}

/// An error, and the segment of ours that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorMessage<K> {
    /// What went wrong.
    pub error: IcmpError,
    /// The 4-tuple of the segment: local is its source.
    pub key: K,
    /// SEG.SEQ of the segment.
    pub seq: Seq,
}

/// The bytes of TCP that every error quotes: ports and sequence number.
type Quoted = [u8; 8];

impl ErrorMessage<FlowKey4> {
    /// # Errors
    /// `FrameTruncated`, `IcmpChecksum`; `IcmpOther` for what is no error, `IcmpTooBig`; `IcmpForeign`
    /// for a quoted packet that cannot be ours.
    #[cold]
    pub(super) fn parse(packet: &ipv4::Packet<'_>, link: &Link) -> Result<Self, DropReason> {
        let (kind, quoted) = check(packet.upper, Checksum::default())?;
        let error = kind4(kind)?;
        let (header, rest) =
            quoted.split_first_chunk::<{ ipv4::HEADER_LEN }>().ok_or(DropReason::IcmpForeign)?;
        let [0x45, _, _, _, _, _, fragment, offset, _, ipv4::TCP, _, _, s0, s1, s2, s3, d0, d1, d2, d3] =
            *header
        else {
            return Err(DropReason::IcmpForeign);
        };
        let (local, remote) = ([s0, s1, s2, s3], [d0, d1, d2, d3]);
        let tcp: &Quoted = rest.first_chunk().ok_or(DropReason::IcmpForeign)?;
        let whole = fragment & 0x1f == 0 && offset == 0;
        if link.to_group || !whole || local != packet.destination {
            return Err(DropReason::IcmpForeign);
        }
        let (local_port, remote_port, seq) = read(tcp);
        Ok(ErrorMessage { error, key: FlowKey4 { remote, local, remote_port, local_port }, seq })
    }
}

impl ErrorMessage<FlowKey6> {
    /// `kind` and `quoted` are of an intact message.
    ///
    /// # Errors
    /// `IcmpOther` for what is no error, `IcmpTooBig`; `IcmpForeign`.
    #[cold]
    pub(super) fn parse(
        packet: &ipv6::Packet<'_>,
        kind: (u8, u8),
        quoted: &[u8],
        link: &Link,
    ) -> Result<Self, DropReason> {
        let error = kind6(kind)?;
        let foreign = DropReason::IcmpForeign;
        let (header, rest) = quoted.split_first_chunk::<{ ipv6::HEADER_LEN }>().ok_or(foreign)?;
        let (fixed, addresses) = header.split_first_chunk::<8>().ok_or(foreign)?;
        let (local, remote) = addresses.split_first_chunk::<16>().ok_or(foreign)?;
        let remote: &[u8; 16] = remote.first_chunk().ok_or(foreign)?;
        let tcp: &Quoted = rest.first_chunk().ok_or(foreign)?;
        let [version, _, _, _, _, _, next, _] = *fixed;
        if link.to_group || version >> 4 != 6 || next != ipv6::TCP || *local != packet.destination {
            return Err(foreign);
        }
        let (local_port, remote_port, seq) = read(tcp);
        Ok(ErrorMessage {
            error,
            key: FlowKey6 { remote: *remote, local: *local, remote_port, local_port },
            seq,
        })
    }
}

/// Source port, destination port, sequence number.
fn read(&[a, b, c, d, e, f, g, h]: &Quoted) -> (u16, u16, Seq) {
    let port = |high, low| u16::from_be_bytes([high, low]);
    (port(a, b), port(c, d), Seq(u32::from_be_bytes([e, f, g, h])))
}

/// RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1.
fn kind4(kind: (u8, u8)) -> Result<IcmpError, DropReason> {
    Ok(match kind {
        (3, 0 | 5 | 6 | 8 | 11) => IcmpError::NetUnreachable,
        (3, 1 | 7 | 12) => IcmpError::HostUnreachable,
        (3, 2) => IcmpError::ProtocolUnreachable,
        (3, 3) => IcmpError::PortUnreachable,
        (3, 4) => return Err(DropReason::IcmpTooBig),
        (3, 9 | 10 | 13..=15) => IcmpError::Prohibited,
        (11, 0 | 1) => IcmpError::TimeExceeded,
        (12, _) => IcmpError::ParameterProblem,
        _ => return Err(DropReason::IcmpOther),
    })
}

/// RFC 4443 3.
fn kind6(kind: (u8, u8)) -> Result<IcmpError, DropReason> {
    Ok(match kind {
        (1, 0 | 2) => IcmpError::NetUnreachable,
        (1, 1 | 5 | 6) => IcmpError::Prohibited,
        (1, 3) => IcmpError::HostUnreachable,
        (1, 4) => IcmpError::PortUnreachable,
        (2, _) => return Err(DropReason::IcmpTooBig),
        (3, 0 | 1) => IcmpError::TimeExceeded,
        // Unrecognized next header: the peer speaks no TCP.
        (4, 1) => IcmpError::ProtocolUnreachable,
        (4, _) => IcmpError::ParameterProblem,
        _ => return Err(DropReason::IcmpOther),
    })
}
