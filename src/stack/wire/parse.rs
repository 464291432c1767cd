use super::{
    FlowKey4, FlowKey6, ParseConfig, Segment,
    arp::ArpRequest,
    checksum::Checksum,
    ethernet::{self, Link},
    icmp::{EchoRequest, Message6, NeighbourSolicitation},
    icmp_error::ErrorMessage,
    ipv4, ipv6, tcp,
    unreachable::Undeliverable,
};
use crate::observe::DropReason;

/// A checked frame.
#[derive(Clone, Copy, Debug)]
pub enum Packet {
    /// A TCP segment over IPv4.
    Tcp4(Segment<FlowKey4>),
    /// A TCP segment over IPv6.
    Tcp6(Segment<FlowKey6>),
    /// A request: the engine answers for addresses that the kernel does not have.
    Arp(ArpRequest),
    /// As `Arp`, for IPv6 (RFC 4861 4.3).
    Neighbour(NeighbourSolicitation),
    /// A ping over IPv4 or IPv6 (RFC 792, RFC 4443 4.1).
    Echo(EchoRequest),
    /// It quotes a segment of ours if the sequence number is in flight.
    Error4(ErrorMessage<FlowKey4>),
    /// As `Error4`, for IPv6.
    Error6(ErrorMessage<FlowKey6>),
    /// Neither TCP nor ICMP: the engine refuses it for addresses that the kernel does not have.
    Undeliverable(Undeliverable),
}

/// Checks every length, checksum and address of a frame, Ethernet header first.
///
/// Within each layer lengths come before the checksum, and the checksum before what it covers:
/// addresses, then options. Bytes after the IP packet are Ethernet padding and ignored.
///
/// The steps of the IPv4 TCP path are always inlined: a small struct returned through memory is stored in
/// pieces and loaded whole, and that stall took longer than the checks.
///
/// # Errors
/// The reason of the first failed check.
#[inline]
pub fn parse(frame: &[u8], config: &ParseConfig) -> Result<Packet, DropReason> {
    let link = Link::parse(frame).ok_or(DropReason::FrameTruncated)?;
    check_addresses(frame, link, config)?;
    let bytes = frame.get(usize::from(link.len)..).ok_or(DropReason::FrameTruncated)?;
    match link.ethertype {
        ethernet::IPV4 => parse_v4(&ipv4::Packet::parse(bytes)?, link, config),
        ethernet::IPV6 => parse_v6(&ipv6::Packet::parse(bytes)?, link, config),
        ethernet::ARP => ArpRequest::parse(bytes, link.len).map(Packet::Arp),
        _ => Err(DropReason::NotForUs),
    }
}

/// A group address is not a valid source (IEEE 802.3 3.2.3): a reply would go to the whole group.
#[inline(always)]
fn check_addresses(frame: &[u8], link: Link, config: &ParseConfig) -> Result<(), DropReason> {
    if ethernet::source(frame).is_none_or(ethernet::is_group) {
        return Err(DropReason::LinkGroup);
    }
    match &config.mac {
        Some(ours) if !link.to_group && ethernet::destination(frame) != Some(ours) => {
            Err(DropReason::NotForUs)
        }
        _ => Ok(()),
    }
}

#[inline(always)]
fn parse_v4(packet: &ipv4::Packet<'_>, link: Link, config: &ParseConfig) -> Result<Packet, DropReason> {
    let &ipv4::Packet { source, destination, protocol, header_len, upper } = packet;
    match protocol {
        ipv4::TCP => {
            // An IPv4 packet's length has 16 bits.
            let pseudo = Checksum::pseudo_v4(source, destination, ipv4::TCP, upper.len() as u16);
            let tcp = tcp::Checked::parse(upper, pseudo, config.accept_partial_checksum)?;
            check_group(link)?;
            ipv4::check_endpoints(source, destination, &config.subnets)?;
            let (remote_port, local_port) = tcp.ports();
            let key = FlowKey4 { remote: source, local: destination, remote_port, local_port };
            segment(key, &tcp, link, header_len).map(Packet::Tcp4)
        }
        ipv4::ICMP => {
            let message = parse_icmp(packet, &link)?;
            ipv4::check_endpoints(source, destination, &config.subnets)?;
            Ok(message)
        }
        _ => Undeliverable::parse_v4(packet, &link, &config.subnets).map(Packet::Undeliverable),
    }
}

/// An echo request or an error, by the type.
fn parse_icmp(packet: &ipv4::Packet<'_>, link: &Link) -> Result<Packet, DropReason> {
    match packet.upper.first() {
        Some(3 | 11 | 12) => ErrorMessage::<FlowKey4>::parse(packet, link).map(Packet::Error4),
        _ => EchoRequest::parse_v4(packet, link).map(Packet::Echo),
    }
}

#[inline]
fn parse_v6(packet: &ipv6::Packet<'_>, link: Link, config: &ParseConfig) -> Result<Packet, DropReason> {
    let &ipv6::Packet { source, destination, protocol, header_len, upper, .. } = packet;
    match protocol {
        ipv6::TCP => {
            // An IPv6 payload's length has 16 bits: jumbograms are refused with their option.
            let pseudo = Checksum::pseudo_v6(&source, &destination, ipv6::TCP, upper.len() as u16);
            let tcp = tcp::Checked::parse(upper, pseudo, config.accept_partial_checksum)?;
            check_group(link)?;
            ipv6::check_endpoints(&source, &destination)?;
            let (remote_port, local_port) = tcp.ports();
            let key = FlowKey6 { remote: source, local: destination, remote_port, local_port };
            segment(key, &tcp, link, header_len).map(Packet::Tcp6)
        }
        ipv6::ICMPV6 => match Message6::parse(packet, &link)? {
            Message6::Echo(echo) => {
                ipv6::check_endpoints(&source, &destination)?;
                Ok(Packet::Echo(echo))
            }
            Message6::Error(error) => {
                ipv6::check_endpoints(&source, &destination)?;
                Ok(Packet::Error6(error))
            }
            Message6::Neighbour(solicitation) => Ok(Packet::Neighbour(solicitation)),
        },
        _ => Undeliverable::parse_v6(packet, &link).map(Packet::Undeliverable),
    }
}

#[inline]
fn check_group(link: Link) -> Result<(), DropReason> {
    if link.to_group { Err(DropReason::LinkGroup) } else { Ok(()) }
}

#[inline(always)]
fn segment<K>(
    key: K,
    tcp: &tcp::Checked<'_>,
    link: Link,
    header_len: usize,
) -> Result<Segment<K>, DropReason> {
    // 22 of link, 40 and six times 2,048 of network, 60 of TCP: far below 2^16.
    let payload_at = (usize::from(link.len) + header_len + tcp.header_len()) as u16;
    Ok(Segment { key, info: tcp.info()?, link_len: link.len, payload_at })
}
