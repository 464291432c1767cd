//! The kernel's figures of a connection (`TCP_INFO`).

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// `struct tcp_info`, as far as the C library declares it.
    TcpInfo,
    GetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    libc::tcp_info
);

/// Returns the segments that were retransmitted so far, SYNs included.
pub(super) fn retransmitted(socket: &impl AsFd) -> Result<u32, Errno> {
    getsockopt(socket, TcpInfo).map(|info| info.tcpi_total_retrans)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_over_loopback_has_none() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
        assert_eq!(retransmitted(&stream), Ok(0));
    }
}
