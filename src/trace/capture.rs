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

/// Room for what arrives between two calls of [`Capture::drain`], octets: some 200,000 small frames,
/// each of which the kernel counts with its own bookkeeping. Taken as frames come.
const BUFFER: usize = 256 << 20;
/// The longest wait for the kernel to begin stamping frames.
const STAMPS: Duration = Duration::from_secs(1);

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
        let capture = Capture { socket, interface };
        capture.await_timestamps()?;
        Ok(capture)
    }

    /// What was captured since the last call, oldest first.
    pub fn drain(&self) -> Result<Vec<Frame>, Errno> {
        let mut frames = self.drain_all()?;
        frames.retain(|(interface, _)| *interface == self.interface);
        Ok(frames.into_iter().map(|(_, frame)| frame).collect())
    }

    /// The kernel begins to stamp frames some time after the first socket asks for it; until then
    /// a frame has the time of its reading, or none. Sends datagrams to itself until one comes
    /// with the time at which it was sent. Without a loopback that is up, the limit ends it.
    fn await_timestamps(&self) -> Result<(), Errno> {
        let deadline = Instant::now() + STAMPS;
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

    /// With the index of the interface of each: the socket hears all of the namespace.
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
