use std::net::IpAddr;

use super::{
    checksum::{self, Checksum},
    ethernet::{self, Link, Mac},
    flow_key::FlowKey6,
    icmp_error::ErrorMessage,
    icmp_header::check,
    ipv4, ipv6,
};
use crate::observe::DropReason;

/// An echo request (ICMP type 8, ICMPv6 type 128) for `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EchoRequest {
    /// The source, which the reply goes to.
    pub remote: IpAddr,
    /// The destination.
    pub local: IpAddr,
    /// Bytes of link header, VLAN tags included.
    pub link_len: u8,
    /// Where the ICMP message starts in the frame, bytes.
    pub message_at: u16,
    /// Bytes of the ICMP message: header and data, no Ethernet padding.
    pub message_len: u16,
}

/// A neighbour solicitation (RFC 4861 4.3) for `target`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeighbourSolicitation {
    /// Unspecified (`::`) for duplicate address detection: answered to all nodes, unsolicited.
    pub sender: [u8; 16],
    /// The IPv6 address whose owner is to answer.
    pub target: [u8; 16],
    /// Bytes of link header, VLAN tags included.
    pub link_len: u8,
}

const ECHO_V4: u8 = 8;
const ECHO_REPLY_V4: u8 = 0;
const ECHO_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Bytes of an advertisement: header, target, and the option with our MAC.
const ADVERTISEMENT_LEN: usize = 32;
/// Neighbour discovery crosses no router: a lower hop limit came from afar (RFC 4861 7.1.1).
const ON_LINK_HOP_LIMIT: u8 = 255;

const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

impl EchoRequest {
    /// # Errors
    /// `FrameTruncated`, `IcmpChecksum`, `IcmpOther` for all but an echo request.
    pub(super) fn parse_v4(packet: &ipv4::Packet<'_>, link: &Link) -> Result<EchoRequest, DropReason> {
        let (kind, _) = check(packet.upper, Checksum::default())?;
        if kind != (ECHO_V4, 0) {
            return Err(DropReason::IcmpOther);
        }
        let (remote, local) = (packet.source.into(), packet.destination.into());
        EchoRequest::at(remote, local, link, packet.header_len, packet.upper)
    }

    fn parse_v6(packet: &ipv6::Packet<'_>, link: &Link) -> Result<EchoRequest, DropReason> {
        let (remote, local) = (packet.source.into(), packet.destination.into());
        EchoRequest::at(remote, local, link, packet.header_len, packet.upper)
    }

    /// A request sent to a group gets no reply: many replies to one request would flood the owner of its
    /// source address.
    fn at(
        remote: IpAddr,
        local: IpAddr,
        link: &Link,
        header_len: usize,
        message: &[u8],
    ) -> Result<EchoRequest, DropReason> {
        if link.to_group {
            return Err(DropReason::IcmpOther);
        }
        let message_at =
            u16::try_from(usize::from(link.len) + header_len).map_err(|_| DropReason::IcmpOther)?;
        let message_len = u16::try_from(message.len()).map_err(|_| DropReason::IcmpOther)?;
        Ok(EchoRequest { remote, local, link_len: link.len, message_at, message_len })
    }
}

/// The ICMPv6 messages that are answered or processed.
pub(super) enum Message6 {
    Error(ErrorMessage<FlowKey6>),
    Echo(EchoRequest),
    Neighbour(NeighbourSolicitation),
}

impl Message6 {
    /// # Errors
    /// `FrameTruncated`, `IcmpChecksum`, `IcmpOther` for all but echo requests, valid neighbour
    /// solicitations and errors; those of [`ErrorMessage::parse`]. Addresses of an echo request and
    /// an error are not checked, those of a solicitation are.
    pub(super) fn parse(packet: &ipv6::Packet<'_>, link: &Link) -> Result<Message6, DropReason> {
        let length = u16::try_from(packet.upper.len()).map_err(|_| DropReason::IcmpOther)?;
        let pseudo = Checksum::pseudo_v6(&packet.source, &packet.destination, ipv6::ICMPV6, length);
        match check(packet.upper, pseudo)? {
            ((ECHO_V6, 0), _) => EchoRequest::parse_v6(packet, link).map(Message6::Echo),
            ((SOLICITATION, 0), body) => {
                solicitation(packet, body, link).map(Message6::Neighbour).ok_or(DropReason::IcmpOther)
            }
            (kind, quoted) => {
                ErrorMessage::<FlowKey6>::parse(packet, kind, quoted, link).map(Message6::Error)
            }
        }
    }
}

/// RFC 4861 7.1.1. `None` if the solicitation is invalid.
fn solicitation(packet: &ipv6::Packet<'_>, body: &[u8], link: &Link) -> Option<NeighbourSolicitation> {
    let (&target, options) = body.split_first_chunk::<16>()?;
    let has_source_mac = check_neighbour_options(options)?;
    let sender = packet.source;
    let sender_is_valid = if sender == [0; 16] {
        // Detection of duplicates: to the solicited-node group, which the target's end names.
        let solicited_node = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff];
        packet.destination.starts_with(&solicited_node) && !has_source_mac
    } else {
        ipv6::is_endpoint(&sender) && sender != target && sender != packet.destination
    };
    let valid = packet.hop_limit == ON_LINK_HOP_LIMIT && !ipv6::is_multicast(&target) && sender_is_valid;
    valid.then_some(NeighbourSolicitation { sender, target, link_len: link.len })
}

/// Whether there is a source link-layer address among the options; `None` if one has no length.
fn check_neighbour_options(mut rest: &[u8]) -> Option<bool> {
    const SOURCE_LINK_LAYER_ADDRESS: u8 = 1;
    let mut found = false;
    while !rest.is_empty() {
        let &[kind, units @ 1..=255, ..] = rest else { return None };
        found |= kind == SOURCE_LINK_LAYER_ADDRESS;
        rest = rest.get(usize::from(units) * 8..)?;
    }
    Some(found)
}

/// Turns the frame of an echo request into the reply, in place and without the IP options or
/// extensions it may have had. Returns the frame's length without padding, bytes; `None` if the
/// frame is not the one that was parsed.
pub fn echo_reply(frame: &mut [u8], request: &EchoRequest) -> Option<usize> {
    let start = usize::from(request.link_len);
    let at = start + if request.local.is_ipv4() { ipv4::HEADER_LEN } else { ipv6::HEADER_LEN };
    let end = at + usize::from(request.message_len);
    let received = usize::from(request.message_at)..usize::from(request.message_at) + (end - at);
    if received.end.max(end) > frame.len() {
        return None;
    }
    if received.start != at {
        frame.copy_within(received, at);
    }
    write_echo_network_header(frame.get_mut(start..at)?, request)?;
    make_echo_reply(frame.get_mut(at..end)?)?;
    ethernet::swap_addresses(frame);
    Some(end)
}

fn write_echo_network_header(at: &mut [u8], request: &EchoRequest) -> Option<()> {
    match (request.local, request.remote) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => {
            ipv4::write_header(at, local.octets(), remote.octets(), ipv4::ICMP, request.message_len)
        }
        (IpAddr::V6(local), IpAddr::V6(remote)) => {
            let (local, remote, length) = (local.octets(), remote.octets(), request.message_len);
            ipv6::write_header(at, &local, &remote, ipv6::ICMPV6, ipv6::HOP_LIMIT, length)
        }
        _ => None,
    }
}

/// The checksum follows the type (RFC 1624); swapped addresses leave a pseudo-header's sum alone.
fn make_echo_reply(message: &mut [u8]) -> Option<()> {
    let [kind, code, c0, c1, ..] = message else { return None };
    let reply = match *kind {
        ECHO_V4 => ECHO_REPLY_V4,
        ECHO_V6 => ECHO_REPLY_V6,
        _ => return None,
    };
    let old = u16::from_be_bytes([*kind, *code]);
    let new = u16::from_be_bytes([reply, *code]);
    [*c0, *c1] = checksum::update(u16::from_be_bytes([*c0, *c1]), old, new).to_be_bytes();
    *kind = reply;
    Some(())
}

/// Writes an unsolicited advertisement to all nodes, "`address` is at `mac`" (RFC 4861 7.2.6). Returns
/// the frame's length, bytes; `None` if there is no room.
pub fn announce(frame: &mut [u8], address: [u8; 16], mac: Mac) -> Option<usize> {
    let link = ethernet::LinkHeader::untagged(ALL_NODES_MAC, mac, ethernet::IPV6);
    let link_len = ethernet::write_link(frame, link.as_bytes())? as u8;
    advertise(frame, &NeighbourSolicitation { sender: [0; 16], target: address, link_len }, mac)
}

/// Turns the frame of a solicitation into the advertisement "the target is at `our_mac`"
/// (RFC 4861 7.2.4): solicited to the sender, or unsolicited to all nodes if it gave no address.
/// Returns the frame's length, bytes; `None` if `frame` has no room. The advertisement may be
/// longer than the solicitation: `frame` must be the whole buffer, not only the received part.
pub fn advertise(frame: &mut [u8], request: &NeighbourSolicitation, our_mac: Mac) -> Option<usize> {
    const SOLICITED: u8 = 0x40;
    const OVERRIDE: u8 = 0x20;
    let start = usize::from(request.link_len);
    let (network, message) = frame.get_mut(start..)?.split_at_mut_checked(ipv6::HEADER_LEN)?;
    let message = message.first_chunk_mut::<ADVERTISEMENT_LEN>()?;

    let unsolicited = request.sender == [0; 16];
    let destination = if unsolicited { ALL_NODES } else { request.sender };
    let flags = if unsolicited { OVERRIDE } else { SOLICITED | OVERRIDE };
    let length = ADVERTISEMENT_LEN as u16;
    ipv6::write_header(network, &request.target, &destination, ipv6::ICMPV6, ON_LINK_HOP_LIMIT, length)?;

    message[..8].copy_from_slice(&[ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0]);
    message[8..24].copy_from_slice(&request.target);
    // Option 2, target link-layer address, one unit of eight bytes.
    message[24..26].copy_from_slice(&[2, 1]);
    message[26..].copy_from_slice(&our_mac);
    let pseudo = Checksum::pseudo_v6(&request.target, &destination, ipv6::ICMPV6, length);
    let checksum = pseudo.add_bytes(message).finish();
    message[2..4].copy_from_slice(&checksum.to_be_bytes());

    let asked_by = *ethernet::source(frame)?;
    ethernet::write_addresses(frame, if unsolicited { ALL_NODES_MAC } else { asked_by }, our_mac)?;
    Some(start + ipv6::HEADER_LEN + ADVERTISEMENT_LEN)
}
