//! rtnetlink(7), as much of it as listing interfaces and addresses and asking for a route take. Of a message only the
//! attributes that are asked for are looked at, so that what a newer kernel adds is no mistake.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct nlmsghdr`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Header {
    /// Bytes, this header included.
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// A dump request: any family, and zeros for the rest of the largest fixed header.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    header: Header,
    any: [u8; FIXED],
}

/// `struct rtattr`.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct AttributeHeader {
    len: u16,
    kind: u16,
}

/// Bytes of `struct ifinfomsg`; `struct ifaddrmsg` is shorter.
const FIXED: usize = 16;
/// A dump's messages never exceed 32 KiB (`netlink_recvmsg`).
const ROOM: usize = 64 << 10;
/// How often a dump is begun again that was interrupted by a change.
const TRIES: u32 = 8;
/// `NLA_TYPE_MASK`: without the flags for nested and byte order.
const KIND: u16 = 0x3fff;

/// What can be listed, by its request.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(super) enum List {
    Links = libc::RTM_GETLINK,
    Addresses = libc::RTM_GETADDR,
}

/// A list of the calling thread's network namespace, read anew if it changed meanwhile. `parse` is
/// given the fixed header and the attributes of an entry.
pub(super) fn dump<T>(list: List, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let socket = route_socket(0)?;
    let mut buffer = vec![0; ROOM];
    for sequence in 1..=TRIES {
        let mut found = Vec::new();
        ask(&socket, list, sequence)?;
        if read_dump(&socket, &mut buffer, sequence, |entry| found.extend(parse(entry)))? {
            return Ok(found);
        }
    }
    Err(io::Error::from(io::ErrorKind::Interrupted))
}

fn ask(socket: &OwnedFd, list: List, sequence: u32) -> io::Result<()> {
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
    let header = Header { len: size_of::<Request>() as u32, kind: list as u16, flags, sequence, port: 0 };
    let request = Request { header, any: [0; FIXED] };
    send(socket.as_raw_fd(), request.as_bytes(), MsgFlags::empty())?;
    Ok(())
}

/// False: the list changed while it was read.
fn read_dump(
    socket: &OwnedFd,
    buffer: &mut [u8],
    sequence: u32,
    mut each: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let mut whole = true;
    loop {
        let length = match recv(socket.as_raw_fd(), buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        for (header, body) in messages(&buffer[..length]).filter(|(header, _)| header.sequence == sequence) {
            whole &= i32::from(header.flags) & libc::NLM_F_DUMP_INTR == 0;
            match i32::from(header.kind) {
                libc::NLMSG_DONE => return Ok(whole),
                libc::NLMSG_ERROR => return Err(refusal(body)),
                _ => each(body),
            }
        }
    }
}

/// The errno of `struct nlmsgerr`, which is negative.
fn refusal(body: &[u8]) -> io::Error {
    let errno = i32::read_from_prefix(body).map_or(libc::EPROTO, |(errno, _)| errno.saturating_neg());
    io::Error::from_raw_os_error(errno)
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = Header::read_from_prefix(rest).ok()?;
        let body = rest.get(size_of::<Header>()..header.len as usize)?;
        rest = rest.get(aligned(header.len as usize)..).unwrap_or_default();
        Some((header, body))
    })
}

/// Attributes by kind, behind a fixed header or inside another attribute.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = AttributeHeader::read_from_prefix(rest).ok()?;
        let value = rest.get(size_of::<AttributeHeader>()..usize::from(header.len))?;
        rest = rest.get(aligned(usize::from(header.len))..).unwrap_or_default();
        Some((header.kind & KIND, value))
    })
}

/// Messages and attributes begin at multiples of four bytes.
fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// `struct rtmsg`: which route is asked for.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct RouteMessage {
    family: u8,
    destination_len: u8,
    zero: [u8; 10],
}

/// Bytes of `struct rtmsg`.
const ROUTE_FIXED: usize = size_of::<RouteMessage>();

/// The index of the interface by which the kernel reaches an address. Needs no capability.
///
/// # Errors
/// There is no route.
pub fn route_device(address: IpAddr) -> io::Result<u32> {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let message =
        RouteMessage { family: family as u8, destination_len: 8 * bytes.len() as u8, zero: [0; 10] };
    let attribute = [((4 + bytes.len()) as u16).to_ne_bytes(), libc::RTA_DST.to_ne_bytes()].concat();
    let body = [message.as_bytes(), &attribute, &bytes].concat();
    let len = (size_of::<Header>() + body.len()) as u32;
    let header =
        Header { len, kind: libc::RTM_GETROUTE, flags: libc::NLM_F_REQUEST as u16, sequence: 1, port: 0 };
    let socket = route_socket(0)?;
    send(socket.as_raw_fd(), &[header.as_bytes(), &body].concat(), MsgFlags::empty())?;
    let mut buffer = vec![0; ROOM];
    let length = loop {
        match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            other => break other?,
        }
    };
    let unknown = || io::Error::from_raw_os_error(libc::EPROTO);
    let (header, body) = messages(&buffer[..length]).next().ok_or_else(unknown)?;
    if i32::from(header.kind) == libc::NLMSG_ERROR {
        return Err(refusal(body));
    }
    let mut found = attributes(body.get(ROUTE_FIXED..).unwrap_or_default());
    let device = found.find(|(kind, _)| *kind == libc::RTA_OIF);
    device.and_then(|(_, value)| u32::read_from_bytes(value).ok()).ok_or_else(unknown)
}

/// Readable when an interface or an address of this network namespace has changed. Needs no
/// capability.
#[derive(Debug)]
pub struct Changes(OwnedFd);

impl Changes {
    pub fn subscribe() -> io::Result<Changes> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        Ok(Changes(route_socket(groups as u32)?))
    }

    /// Takes what has been said so far; whether it was anything. What it was does not matter: the
    /// lists are read anew, so that a lost message (ENOBUFS) is no loss.
    pub fn take(&self) -> bool {
        let (mut any, mut buffer) = (false, [0; 4096]);
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(_) | Err(Errno::ENOBUFS) => any = true,
                Err(Errno::EINTR) => {}
                Err(_) => return any,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn route_socket(groups: u32) -> io::Result<OwnedFd> {
    let kind = SockProtocol::NetlinkRoute;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, kind)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_where_their_bytes_do() {
        let bytes = [6, 0, 3, 0x80, 1, 2, 0, 0, 4, 0, 7, 0, 9, 0, 1, 0, 5];
        let found: Vec<_> = attributes(&bytes).collect();
        assert_eq!(found, [(3, &[1, 2][..]), (7, &[])], "flags are no kind, the last one is cut");
        // A length below the header's own.
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }

    #[test]
    fn messages_are_cut_by_their_own_lengths() {
        let message = |len: u32, kind: u16| {
            let header = Header { len, kind, flags: 0, sequence: 1, port: 0 };
            [header.as_bytes(), &[7; 4]].concat()
        };
        let bytes = [message(18, 5), message(20, 6), message(40, 7)].concat();
        let found: Vec<(u16, usize)> =
            messages(&bytes).map(|(header, body)| (header.kind, body.len())).collect();
        assert_eq!(found, [(5, 2), (6, 4)], "the third is longer than what was read");
    }

    #[test]
    fn the_loopback_is_reached_by_the_loopback() {
        assert_eq!(route_device([127, 0, 0, 1].into()).expect("a route"), 1);
    }

    #[test]
    fn a_refusal_is_an_errno() {
        assert_eq!(refusal(&(-libc::EPERM).to_ne_bytes()).raw_os_error(), Some(libc::EPERM));
        assert_eq!(refusal(&[]).raw_os_error(), Some(libc::EPROTO));
    }
}
