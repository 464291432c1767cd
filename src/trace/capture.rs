use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};

/// Room for what arrives between two calls of [`Capture::drain`], octets.
const BUFFER: usize = 8 << 20;

/// A frame and when the kernel saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Since the epoch, by the kernel's clock.
    pub at: Duration,
    /// From the Ethernet header on. A VLAN tag may have been taken out by the kernel.
    pub bytes: Vec<u8>,
}

/// Listens on one interface of the network namespace in which it was opened, in both directions.
///
/// An interface with an XDP program on it shows less than the whole truth: capture at its peer.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
    interface: usize,
}

impl Capture {
    /// From now on every frame is kept until [`Capture::drain`] takes it.
    ///
    /// # Errors
    /// No such interface, or no CAP_NET_RAW.
    pub fn open(interface: &str) -> Result<Capture, Errno> {
        let interface = if_nametoindex(interface)? as usize;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(Capture { socket, interface })
    }

    /// What was captured since the last call, oldest first.
    pub fn drain(&self) -> Result<Vec<Frame>, Errno> {
        let mut frames = Vec::new();
        let mut bytes = vec![0; 65_536];
        let mut control = nix::cmsg_space!(libc::timespec);
        loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let received = recvmsg::<LinkAddr>(
                self.socket.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::empty(),
            );
            let (length, at) = match received {
                Err(Errno::EAGAIN) => return Ok(frames),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
                // The socket hears every interface of the namespace.
                Ok(message) if message.address.is_none_or(|from| from.ifindex() != self.interface) => {
                    continue;
                }
                Ok(message) => (message.bytes, timestamp(message.cmsgs()?)),
            };
            frames.push(Frame { at, bytes: bytes[..length].to_vec() });
        }
    }
}

fn timestamp(mut messages: impl Iterator<Item = ControlMessageOwned>) -> Duration {
    messages
        .find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        })
        .unwrap_or_default()
}
