//! rtnetlink(7): requests, and the attributes of the replies. Attributes that are not asked for are
//! skipped, so those that a newer kernel adds do no harm.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `struct nlmsghdr`.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct MessageHeader {
    /// Bytes, this header included.
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// `struct rtattr`.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct AttributeHeader {
    len: u16,
    kind: u16,
}

/// The body of a dump request: any family, and zeros for the rest of `struct ifinfomsg`, the longest
/// fixed header.
const ANY: [u8; 16] = [0; 16];
/// A dump's messages never exceed 32 KiB (`netlink_recvmsg`).
const BUFFER: usize = 64 << 10;
/// How often a dump is started again that was interrupted by a change.
const TRIES: u32 = 8;
/// `NLA_TYPE_MASK`: without the flags for nested and byte order.
const KIND: u16 = 0x3fff;

/// What can be listed, by its request.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(super) enum Dump {
    Links = libc::RTM_GETLINK,
    Addresses = libc::RTM_GETADDR,
}

/// A list of the calling thread's network namespace, read again if it changed meanwhile. `parse` gets
/// the fixed header and the attributes of an entry.
pub(super) fn dump<T>(list: Dump, parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<Vec<T>> {
    let socket = route_socket(0)?;
    for sequence in 1..=TRIES {
        let mut found = Vec::new();
        if request(&socket, list as u16, libc::NLM_F_DUMP, sequence, &ANY, |entry| {
            found.extend(parse(entry))
        })? {
            return Ok(found);
        }
    }
    Err(io::Error::from(io::ErrorKind::Interrupted))
}

/// One entry of the calling thread's network namespace. `body`: the fixed header and the attributes of
/// the request `kind`; `parse` gets those of the reply.
///
/// # Errors
/// The kernel's errno if it refuses; EPROTO if `parse` finds nothing.
pub(super) fn get<T>(kind: u16, body: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> io::Result<T> {
    let mut found = None;
    request(&route_socket(0)?, kind, 0, 1, body, |entry| found = parse(entry))?;
    found.ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))
}

/// Sends a request and gives the body of each reply to `each`. False: a list that changed while it was
/// read.
fn request(
    socket: &OwnedFd,
    kind: u16,
    flags: libc::c_int,
    sequence: u32,
    body: &[u8],
    mut each: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let len = (size_of::<MessageHeader>() + body.len()) as u32;
    let header = MessageHeader { len, kind, flags: (libc::NLM_F_REQUEST | flags) as u16, sequence, port: 0 };
    send(socket.as_raw_fd(), &[header.as_bytes(), body].concat(), MsgFlags::empty())?;
    let (mut whole, mut buffer) = (true, vec![0; BUFFER]);
    loop {
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
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
            if flags & libc::NLM_F_DUMP == 0 {
                return Ok(true);
            }
        }
    }
}

/// The errno of `struct nlmsgerr`, which is negative.
fn refusal(body: &[u8]) -> io::Error {
    let errno = i32::read_from_prefix(body).map_or(libc::EPROTO, |(errno, _)| errno.saturating_neg());
    io::Error::from_raw_os_error(errno)
}

fn messages(mut rest: &[u8]) -> impl Iterator<Item = (MessageHeader, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = MessageHeader::read_from_prefix(rest).ok()?;
        let body = rest.get(size_of::<MessageHeader>()..header.len as usize)?;
        rest = rest.get(aligned(header.len as usize)..).unwrap_or_default();
        Some((header, body))
    })
}

/// Attributes by kind, after a fixed header or inside another attribute.
pub(super) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (header, _) = AttributeHeader::read_from_prefix(rest).ok()?;
        let value = rest.get(size_of::<AttributeHeader>()..usize::from(header.len))?;
        rest = rest.get(aligned(usize::from(header.len))..).unwrap_or_default();
        Some((header.kind & KIND, value))
    })
}

/// One attribute of a request, padded.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = size_of::<AttributeHeader>() + value.len();
    let mut bytes = [(len as u16).to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(aligned(len), 0);
    bytes
}

/// Messages and attributes begin at multiples of four bytes.
fn aligned(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// Readable when an interface or an address of this network namespace has changed. Needs no
/// capability.
#[derive(Debug)]
pub struct Changes(OwnedFd);

impl Changes {
    /// From now on, for the calling thread's network namespace.
    ///
    /// # Errors
    /// The errno of the socket's calls.
    pub fn subscribe() -> io::Result<Changes> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        Ok(Changes(route_socket(groups as u32)?))
    }

    /// Takes the messages that have arrived. Returns whether there was any. Their content does not
    /// matter: the lists are read again, so that a lost message (ENOBUFS) is no loss.
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
        assert_eq!(attribute(7, &[9, 9, 9]), [7, 0, 7, 0, 9, 9, 9, 0]);
        // A length below the header's own.
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }

    #[test]
    fn messages_are_cut_by_their_own_lengths() {
        let message = |len: u32, kind: u16| {
            let header = MessageHeader { len, kind, flags: 0, sequence: 1, port: 0 };
            [header.as_bytes(), &[7; 4]].concat()
        };
        let bytes = [message(18, 5), message(20, 6), message(40, 7)].concat();
        let found: Vec<(u16, usize)> =
            messages(&bytes).map(|(header, body)| (header.kind, body.len())).collect();
        assert_eq!(found, [(5, 2), (6, 4)], "the third is longer than what was read");
    }

    #[test]
    fn a_refusal_is_an_errno() {
        assert_eq!(refusal(&(-libc::EPERM).to_ne_bytes()).raw_os_error(), Some(libc::EPERM));
        assert_eq!(refusal(&[]).raw_os_error(), Some(libc::EPROTO));
    }
}
