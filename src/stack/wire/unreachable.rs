//! Packets of unsupported protocols, and the ICMP errors that answer them:
//! port unreachable for UDP and UDP-Lite (RFC 1122 3.2.2.1, RFC 4443 3.1), for all others protocol
//! unreachable (RFC 792) or the parameter problem "unrecognized next header" (RFC 4443 3.4).

use std::net::IpAddr;

use ipnet::Ipv4Net;

use super::{
    checksum::Checksum,
    ethernet::{self, Link},
    ipv4, ipv6,
};
use crate::observe::DropReason;

/// A packet that an ICMP error may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeliverable {
    /// The source, which the error goes to.
    pub remote: IpAddr,
    /// The destination.
    pub local: IpAddr,
    /// Bytes of link header, VLAN tags included.
    pub link_len: u8,
    /// What the error reports.
    pub missing: Missing,
    /// Bytes of the packet, IP header first, that the error quotes.
    pub quoted: u16,
}

/// What the destination does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A socket at the port of UDP or UDP-Lite.
    Port,
    /// The protocol of the upper layer.
    Protocol,
}

const IGMP: u8 = 2;
const UDP: u8 = 17;
const UDP_LITE: u8 = 136;
/// RFC 8200 4.7.
const NO_NEXT_HEADER: u8 = 59;
/// Bytes of the header of UDP and of UDP-Lite.
const UDP_HEADER_LEN: usize = 8;

/// Type, code, checksum, and four bytes: unused, or the pointer of a parameter problem.
const ICMP_HEADER_LEN: usize = 8;
/// The longest IPv4 error: the size that every host accepts (RFC 1812 4.3.2.3).
const MAX_ERROR_V4: usize = 576;
/// The longest IPv6 error: the minimum MTU (RFC 4443 2.4 (c)).
const MAX_ERROR_V6: usize = 1280;
/// Where the next-header field stands in the fixed IPv6 header.
const NEXT_HEADER_AT: usize = 6;

impl Undeliverable {
    /// A packet that is neither TCP nor ICMP. RFC 1122 3.2.2 lists what no error may answer.
    ///
    /// # Errors
    /// `LinkGroup`, `NotForUs` (IGMP), `SourceAddress`, `DestinationAddress`, `FrameTruncated`.
    #[cold]
    pub(super) fn parse_v4(
        packet: &ipv4::Packet<'_>,
        link: &Link,
        subnets: &[Ipv4Net],
    ) -> Result<Undeliverable, DropReason> {
        check_answerable(link, packet.protocol == IGMP)?;
        ipv4::check_endpoints(packet.source, packet.destination, subnets)?;
        // Class E defines no single host either.
        if packet.source[0] >= 240 {
            return Err(DropReason::SourceAddress);
        }
        Ok(Undeliverable {
            remote: packet.source.into(),
            local: packet.destination.into(),
            link_len: link.len,
            missing: missing(packet.protocol, packet.upper)?,
            quoted: quoted(packet.header_len, packet.upper, MAX_ERROR_V4 - ipv4::HEADER_LEN),
        })
    }

    /// As [`Undeliverable::parse_v4`]; RFC 4443 2.4 (e) lists what no error may answer.
    ///
    /// # Errors
    /// `LinkGroup`, `NotForUs` (no next header), `SourceAddress`, `DestinationAddress`,
    /// `FrameTruncated`.
    #[cold]
    pub(super) fn parse_v6(packet: &ipv6::Packet<'_>, link: &Link) -> Result<Undeliverable, DropReason> {
        check_answerable(link, packet.protocol == NO_NEXT_HEADER)?;
        ipv6::check_endpoints(&packet.source, &packet.destination)?;
        Ok(Undeliverable {
            remote: packet.source.into(),
            local: packet.destination.into(),
            link_len: link.len,
            missing: missing(packet.protocol, packet.upper)?,
            quoted: quoted(packet.header_len, packet.upper, MAX_ERROR_V6 - ipv6::HEADER_LEN),
        })
    }
}

fn check_answerable(link: &Link, silent: bool) -> Result<(), DropReason> {
    match (link.to_group, silent) {
        (true, _) => Err(DropReason::LinkGroup),
        (false, true) => Err(DropReason::NotForUs),
        (false, false) => Ok(()),
    }
}

/// A datagram too short for ports is truncated.
fn missing(protocol: u8, upper: &[u8]) -> Result<Missing, DropReason> {
    match protocol {
        UDP | UDP_LITE if upper.len() < UDP_HEADER_LEN => Err(DropReason::FrameTruncated),
        UDP | UDP_LITE => Ok(Missing::Port),
        _ => Ok(Missing::Protocol),
    }
}

/// The part of the packet that fits after an ICMP header in `room` bytes.
fn quoted(header_len: usize, upper: &[u8], room: usize) -> u16 {
    (header_len + upper.len()).min(room - ICMP_HEADER_LEN) as u16
}

/// Turns the frame of a packet into the error about it, in place: the packet moves back, and a
/// network header without options and the ICMP header follow the link header. Returns the frame's
/// length, bytes; `None` if `frame` has no room. The error may be longer than the packet: `frame`
/// must be the whole buffer, not only the received part.
pub fn refuse(frame: &mut [u8], packet: &Undeliverable) -> Option<usize> {
    let start = usize::from(packet.link_len);
    let network_len = if packet.local.is_ipv4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
    let message_at = start + network_len;
    let quote_at = message_at + ICMP_HEADER_LEN;
    let end = quote_at + usize::from(packet.quoted);
    if end > frame.len() {
        return None;
    }
    let header = icmp_header(packet, frame.get(start..)?)?;
    frame.copy_within(start..start + usize::from(packet.quoted), quote_at);
    frame.get_mut(message_at..quote_at)?.copy_from_slice(&header);
    let (network, message) = frame.get_mut(start..end)?.split_at_mut_checked(network_len)?;
    let pseudo = write_network_header(network, packet, message.len() as u16)?;
    let checksum = pseudo.add_bytes(message).finish();
    message.get_mut(2..4)?.copy_from_slice(&checksum.to_be_bytes());
    ethernet::swap_addresses(frame);
    Some(end)
}

/// The ICMP header, with a checksum of zero. `received` begins with the packet's IP header.
fn icmp_header(packet: &Undeliverable, received: &[u8]) -> Option<[u8; ICMP_HEADER_LEN]> {
    Some(match (packet.local.is_ipv4(), packet.missing) {
        (true, Missing::Port) => [3, 3, 0, 0, 0, 0, 0, 0],
        (true, Missing::Protocol) => [3, 2, 0, 0, 0, 0, 0, 0],
        (false, Missing::Port) => [1, 4, 0, 0, 0, 0, 0, 0],
        (false, Missing::Protocol) => {
            let [a, b, c, d] = (upper_number_at(received)? as u32).to_be_bytes();
            [4, 1, 0, 0, a, b, c, d]
        }
    })
}

/// Writes the header and returns the sum of the pseudo-header; ICMP over IPv4 has none.
fn write_network_header(at: &mut [u8], packet: &Undeliverable, length: u16) -> Option<Checksum> {
    match (packet.local, packet.remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            ipv4::write_header(at, local.octets(), remote.octets(), ipv4::ICMP, length)?;
            Some(Checksum::default())
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            let (local, remote) = (local.octets(), remote.octets());
            ipv6::write_header(at, &local, &remote, ipv6::ICMPV6, ipv6::HOP_LIMIT, length)?;
            Some(Checksum::pseudo_v6(&local, &remote, ipv6::ICMPV6, length))
        }
        _ => None,
    }
}

/// Where an accepted packet names its upper layer: in the fixed header, or in the last extension.
fn upper_number_at(packet: &[u8]) -> Option<usize> {
    let (mut at, mut end) = (NEXT_HEADER_AT, ipv6::HEADER_LEN);
    while ipv6::is_skipped(*packet.get(at)?) {
        at = end;
        end += (usize::from(*packet.get(at + 1)?) + 1) * 8;
    }
    Some(at)
}
