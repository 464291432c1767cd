use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvmsg,
    setsockopt, socket, sockopt,
};

/// Buffer for frames between two calls of [`Capture::drain`], bytes: some 200,000 small frames, including the
/// kernel's overhead for each. Allocated as frames arrive.
const BUFFER: usize = 256 << 20;
/// Maximum wait until the kernel timestamps frames.
const TIMESTAMP_TIMEOUT: Duration = Duration::from_secs(1);

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The kernel's timestamp, since the epoch.
    pub at: Duration,
    /// From the Ethernet header on. The kernel may have removed a VLAN tag.
    pub bytes: Vec<u8>,
}

/// Captures both directions of one interface of the network namespace in which it was opened.
///
/// Frames that an XDP program handles are not captured: capture at the interface's peer.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
    interface: usize,
}

impl Capture {
    /// Starts the capture; frames are kept until [`Capture::drain`] returns them.
    ///
    /// # Errors
    /// No such interface, or no CAP_NET_RAW.
    pub fn open(interface: &str) -> Result<Capture, Errno> {
        let interface = if_nametoindex(interface)? as usize;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
        let capture = Capture { socket, interface };
        capture.await_timestamps()?;
        Ok(capture)
    }

    /// Returns the frames captured since the last call, oldest first.
    pub fn drain(&self) -> Result<Vec<Frame>, Errno> {
        let mut frames = self.drain_all()?;
        frames.retain(|(interface, _)| *interface == self.interface);
        Ok(frames.into_iter().map(|(_, frame)| frame).collect())
    }

    /// Waits until frames are timestamped: the kernel begins some time after the first socket requests it; until
    /// then a frame has the time of its reading, or none. Sends datagrams to itself until one has a plausible
    /// timestamp. Without loopback the timeout ends the wait.
    fn await_timestamps(&self) -> Result<(), Errno> {
        let deadline = Instant::now() + TIMESTAMP_TIMEOUT;
        while Instant::now() < deadline {
            let sent = since_epoch();
            if UdpSocket::bind("127.0.0.1:0")
                .and_then(|probe| probe.send_to(&[], probe.local_addr()?))
                .is_err()
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(2));
            let before_reading = since_epoch();
            let stamped = |(_, frame): &(usize, Frame)| sent <= frame.at && frame.at < before_reading;
            if self.drain_all()?.iter().any(stamped) {
                break;
            }
        }
        Ok(())
    }

    /// Returns the frames with their interfaces: the socket receives those of the whole namespace.
    fn drain_all(&self) -> Result<Vec<(usize, Frame)>, Errno> {
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
            let (length, at, interface) = match received {
                Err(Errno::EAGAIN) => return Ok(frames),
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno),
                Ok(message) => (
                    message.bytes,
                    timestamp(message.cmsgs()?),
                    message.address.map_or(0, |from| from.ifindex()),
                ),
            };
            frames.push((interface, Frame { at, bytes: bytes[..length].to_vec() }));
        }
    }
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn timestamp(mut messages: impl Iterator<Item = ControlMessageOwned>) -> Duration {
    messages
        .find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        })
        .unwrap_or_default()
}
