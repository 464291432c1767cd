//! An end that is the Linux kernel: one socket, driven step by step.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

/// A client's socket in the handshake.
pub(super) struct KernelClient(OwnedFd);

impl KernelClient {
    /// Starts to connect from `from` to `to`. Call it inside the client's namespace.
    pub(super) fn start(from: SocketAddr, to: SocketAddr) -> Result<KernelClient, Errno> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let family = if to.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet };
        let socket = socket(family, SockType::Stream, flags, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        bind(socket.as_raw_fd(), &SockaddrStorage::from(from))?;
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(KernelClient(socket)),
            Err(errno) => Err(errno),
        }
    }

    /// Waits for the handshake. `None`: it failed, or timed out.
    pub(super) fn connected(self, timeout: Duration) -> Option<TcpStream> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.0.as_fd(), PollFlags::POLLOUT)];
        let _ = poll(&mut ready, timeout);
        let stream = TcpStream::from(self.0);
        let well = stream.peer_addr().is_ok() && stream.set_nonblocking(false).is_ok();
        well.then_some(stream)
    }
}

/// Sends a RST and closes the socket (SO_LINGER with time 0).
pub(super) fn abort(stream: TcpStream) -> Result<(), Errno> {
    setsockopt(&stream, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 0 })
}

/// Listens. Call it inside the server's namespace.
pub(super) fn listen(at: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(at)
}
