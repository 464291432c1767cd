//! An end that is the Linux kernel: one socket, driven step by step.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

/// A client's socket from SYN on.
pub(super) struct Opening(OwnedFd);

impl Opening {
    /// Calls `to`, from an address and port of its own, and does not wait. To be called inside the
    /// client's namespace.
    pub fn start(from: SocketAddr, to: SocketAddr) -> Result<Opening, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let socket = socket(family, SockType::Stream, flags, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(Opening(socket)),
            Err(errno) => Err(errno),
        }
    }

    /// Whether the handshake ended well, within that time.
    pub fn ends(self, patience: Duration) -> Option<TcpStream> {
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
        let _ = poll(&mut ready, patience);
        let stream = TcpStream::from(self.0);
        let well = stream.peer_addr().is_ok() && stream.set_nonblocking(false).is_ok();
        well.then_some(stream)
    }
}

/// A RST goes out, and the socket is gone (SO_LINGER with no time).
pub(super) fn abort(stream: TcpStream) -> Result<(), Errno> {
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })
}

/// To be called inside the server's namespace.
pub(super) fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(at)
}
