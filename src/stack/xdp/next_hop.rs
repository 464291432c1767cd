//! The kernel's route to a target, and the MAC address of the next hop. To be looked up before a steering
//! program is attached, which could take the replies: the kernel resolves the MAC address as for itself.

use std::ffi::OsString;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use nix::net::if_::{if_indextoname, if_nametoindex};
use nix::sys::socket::{setsockopt, sockopt};
use thiserror::Error;
use zerocopy::{FromBytes, Immutable, IntoBytes};

use super::network::{Network, ip};
use super::rtnetlink::{attribute, attributes, get};
use crate::wire::Mac;

/// How long a neighbour may take to answer, retries by the kernel included.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(3);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// The discard service (RFC 863).
const DISCARD_PORT: u16 = 9;
/// States in which the kernel's entry has an address to send to. NOARP is not one of them: such an entry
/// has the address of a group, or of the interface itself.
const USABLE: u16 =
    libc::NUD_REACHABLE | libc::NUD_STALE | libc::NUD_DELAY | libc::NUD_PROBE | libc::NUD_PERMANENT;

/// The kernel's route to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The interface's name.
    pub device: String,
    /// `None`: the target is on the link. For an IPv4 target it may be an IPv6 address (RFC 8950).
    pub router: Option<IpAddr>,
    /// The address that the kernel would connect from (RFC 6724).
    pub source: Option<IpAddr>,
}

/// A target without a route, or without a MAC address of its next hop.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No route, or one that rejects packets (unreachable, prohibit, blackhole, throw).
    #[error("the kernel has no route to {target}{}", device.as_deref().map(|device| format!(" through {device}")).unwrap_or_default())]
    NoRoute {
        /// The address that was looked up.
        target: IpAddr,
        /// The interface that the route was to use.
        device: Option<String>,
    },
    /// The target is not on another host.
    #[error("{target} is an address of this host's own kernel")]
    OwnAddress {
        /// The address that was looked up.
        target: IpAddr,
    },
    /// The packet that makes the kernel resolve the next hop could not be sent.
    #[error("cannot send to the next hop {hop} on {device}: {source}")]
    Send {
        /// The router, or the target.
        hop: IpAddr,
        /// The interface's name.
        device: String,
        /// The kernel's error.
        source: io::Error,
    },
    /// The next hop answers neither ARP nor neighbour discovery.
    #[error("the next hop {hop} does not answer on {device}")]
    NoAnswer {
        /// The router, or the target.
        hop: IpAddr,
        /// The interface's name.
        device: String,
    },
    /// The kernel's tables cannot be read.
    #[error("cannot read the kernel's routes and neighbours (rtnetlink): {0}")]
    Netlink(#[from] io::Error),
}

/// The kernel's route to `target`, through `device` if that is given. Needs no capability.
///
/// # Errors
/// There is no route to another host.
pub fn route(device: Option<&str>, target: IpAddr) -> Result<Route, RouteError> {
    let no_route = || RouteError::NoRoute { target, device: device.map(str::to_owned) };
    let known = |error: io::Error| match error.raw_os_error() {
        Some(
            libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::EACCES
            | libc::EINVAL
            | libc::ENODEV
            | libc::ENETDOWN
            | libc::EAGAIN
            | libc::ESRCH
            | libc::ENOENT,
        ) => no_route(),
        _ => error.into(),
    };
    let index = device.map(|device| index_of(device).ok_or_else(no_route)).transpose()?;
    if index.is_some() {
        // Asked with an interface, the kernel makes up a route where it has none, but for a FIB match.
        get(libc::RTM_GETROUTE, &route_request(target, index, libc::RTM_F_FIB_MATCH), |_| Some(()))
            .map_err(known)?;
    }
    let found =
        get(libc::RTM_GETROUTE, &route_request(target, index, 0), RouteEntry::parse).map_err(known)?;
    match found.kind {
        libc::RTN_LOCAL => return Err(RouteError::OwnAddress { target }),
        libc::RTN_UNREACHABLE | libc::RTN_PROHIBIT | libc::RTN_BLACKHOLE | libc::RTN_THROW => {
            return Err(no_route());
        }
        _ => {}
    }
    let device = found.device.and_then(|index| if_indextoname(index).ok()).ok_or_else(no_route)?;
    let device = device.to_string_lossy().into_owned();
    Ok(Route { device, router: found.router, source: found.source })
}

/// Of an interface, by its name or an alternative name, which may be too long for an ioctl.
fn index_of(device: &str) -> Option<u32> {
    if_nametoindex(device).ok().or_else(|| Some(Network::read().ok()?.named(device)?.index))
}

/// The index of the interface by which the kernel reaches an address. Needs no capability.
///
/// # Errors
/// There is no route.
pub fn route_device(address: IpAddr) -> io::Result<u32> {
    let request = route_request(address, None, 0);
    get(libc::RTM_GETROUTE, &request, |reply| RouteEntry::parse(reply)?.device)
}

/// The MAC address of the next hop to `target` by `route`: the router's, or the target's own. If the
/// kernel does not know it, an empty datagram makes it resolve the address, for up to three seconds.
///
/// # Errors
/// The next hop does not answer.
pub fn next_hop_mac(route: &Route, target: IpAddr) -> Result<Mac, RouteError> {
    let (device, hop) = (&route.device, route.router.unwrap_or(target));
    let index = if_nametoindex(device.as_str()).map_err(io::Error::from)?;
    if let Some(mac) = neighbour(index, hop)? {
        return Ok(mac);
    }
    let failed = |source| RouteError::Send { hop, device: device.clone(), source };
    provoke(device, hop).map_err(failed)?;
    let began = Instant::now();
    while began.elapsed() < RESOLVE_TIMEOUT {
        if let Some(mac) = neighbour(index, hop)? {
            return Ok(mac);
        }
        thread::sleep(POLL_INTERVAL);
    }
    Err(RouteError::NoAnswer { hop, device: device.clone() })
}

/// One empty datagram to the next hop: the kernel asks for its address to send it.
fn provoke(device: &str, hop: IpAddr) -> io::Result<()> {
    let any: SocketAddr = match hop {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    // Another interface may have a better route to it.
    setsockopt(&socket, sockopt::BindToDevice, &OsString::from(device))?;
    socket.send_to(&[], (hop, DISCARD_PORT)).map(|_| ())
}

/// `struct rtmsg`.
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct RouteMessage {
    family: u8,
    destination_len: u8,
    source_len: u8,
    tos: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    kind: u8,
    flags: u32,
}

/// `struct ndmsg`.
#[derive(Default, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct NeighbourMessage {
    family: u8,
    pad: [u8; 3],
    index: u32,
    state: u16,
    flags: u8,
    kind: u8,
}

/// A route as the kernel reports it.
#[derive(Debug, PartialEq, Eq)]
struct RouteEntry {
    /// `RTN_*`.
    kind: u8,
    device: Option<u32>,
    router: Option<IpAddr>,
    source: Option<IpAddr>,
}

fn route_request(target: IpAddr, device: Option<u32>, flags: u32) -> Vec<u8> {
    let (family, bytes) = family(target);
    let destination_len = 8 * bytes.len() as u8;
    let message = RouteMessage { family, destination_len, flags, ..RouteMessage::default() };
    let mut body = [message.as_bytes(), &attribute(libc::RTA_DST, &bytes)].concat();
    if let Some(index) = device {
        body.extend(attribute(libc::RTA_OIF, &index.to_ne_bytes()));
    }
    body
}

impl RouteEntry {
    /// From an RTM_NEWROUTE message.
    fn parse(reply: &[u8]) -> Option<RouteEntry> {
        let (fixed, rest) = RouteMessage::read_from_prefix(reply).ok()?;
        let mut entry = RouteEntry { kind: fixed.kind, device: None, router: None, source: None };
        for (kind, value) in attributes(rest) {
            match kind {
                libc::RTA_OIF => entry.device = u32::read_from_bytes(value).ok(),
                libc::RTA_GATEWAY => entry.router = ip(value),
                // `struct rtvia`: the family, and the address.
                libc::RTA_VIA => entry.router = value.get(2..).and_then(ip),
                libc::RTA_PREFSRC => entry.source = ip(value),
                _ => {}
            }
        }
        Some(entry)
    }
}

/// The MAC address of a neighbour, if the kernel has an entry that it would send to.
fn neighbour(index: u32, hop: IpAddr) -> io::Result<Option<Mac>> {
    let (family, bytes) = family(hop);
    let message = NeighbourMessage { family, index, ..NeighbourMessage::default() };
    let body = [message.as_bytes(), &attribute(libc::NDA_DST, &bytes)].concat();
    match get(libc::RTM_GETNEIGH, &body, |reply| Some(usable(reply))) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        other => other,
    }
}

/// From an RTM_NEWNEIGH message.
fn usable(reply: &[u8]) -> Option<Mac> {
    let (fixed, rest) = NeighbourMessage::read_from_prefix(reply).ok()?;
    let (_, mac) = attributes(rest).find(|(kind, _)| *kind == libc::NDA_LLADDR)?;
    mac.try_into().ok().filter(|_| fixed.state & USABLE != 0)
}

/// `AF_*`, and the address in network byte order.
fn family(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (libc::AF_INET as u8, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6 as u8, address.octets().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        [10, 0, 0, last].into()
    }

    #[test]
    fn a_route_has_an_interface_and_perhaps_a_router_and_a_source() {
        let fixed = RouteMessage { family: 2, kind: 1, ..RouteMessage::default() };
        let oif = attribute(libc::RTA_OIF, &7u32.to_ne_bytes());
        let via = [&10u16.to_ne_bytes()[..], &[0xfe, 0x80], &[0; 13], &[1]].concat();
        for (attributes, router, source) in [
            (attribute(libc::RTA_PREFSRC, &[10, 0, 0, 1]), None, Some(v4(1))),
            (attribute(libc::RTA_GATEWAY, &[10, 0, 0, 2]), Some(v4(2)), None),
            (attribute(libc::RTA_VIA, &via), "fe80::1".parse().ok(), None),
            (attribute(9999, b"of a later kernel"), None, None),
        ] {
            let found = RouteEntry::parse(&[fixed.as_bytes(), &attributes, &oif].concat());
            assert_eq!(found, Some(RouteEntry { kind: 1, device: Some(7), router, source }));
        }
        assert_eq!(RouteEntry::parse(&[2, 0, 0]), None);
    }

    #[test]
    fn only_an_entry_with_an_address_to_send_to_counts() {
        let mac = [2, 0, 0, 0, 0, 1];
        for (state, address, found) in [
            (libc::NUD_REACHABLE, &mac[..], true),
            (libc::NUD_STALE, &mac, true),
            (libc::NUD_PERMANENT, &mac, true),
            (libc::NUD_FAILED, &mac, false),
            (libc::NUD_INCOMPLETE, &mac, false),
            (libc::NUD_NOARP, &mac, false),
            (libc::NUD_REACHABLE, &[1, 2, 3, 4], false),
        ] {
            let fixed = NeighbourMessage { state, ..NeighbourMessage::default() };
            let reply = [fixed.as_bytes(), &attribute(libc::NDA_LLADDR, address)].concat();
            assert_eq!(usable(&reply).is_some(), found, "{state:#x} {address:?}");
        }
        let fixed = NeighbourMessage { state: libc::NUD_REACHABLE, ..NeighbourMessage::default() };
        assert_eq!(usable(fixed.as_bytes()), None, "without an address");
    }

    #[test]
    fn the_loopback_is_reached_by_the_loopback_and_is_no_other_host() {
        let loopback = IpAddr::from([127, 0, 0, 1]);
        assert_eq!(route_device(loopback).expect("a route"), 1);
        assert!(matches!(route(None, loopback), Err(RouteError::OwnAddress { .. })));
        let error = route(Some("hf-nowhere"), loopback).expect_err("there is none of that name");
        assert_eq!(error.to_string(), "the kernel has no route to 127.0.0.1 through hf-nowhere");
    }
}
