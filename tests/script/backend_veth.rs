//! A packet socket on the tester's end of a veth pair, for one made-up client.

use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBuf, ReceiveTimestampns};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind,
    recvmsg, send, setsockopt, socket,
};

use super::backend::Backend;
use super::frame::Mac;
use super::neighbours;
use super::netns::{CLIENT_LINK, CLIENT_MAC};

const RECEIVE_BUFFER: usize = 8 << 20;

pub struct Veth {
    socket: OwnedFd,
    mac: Mac,
    /// The client's addresses, one of each family.
    addresses: Vec<IpAddr>,
    started: Instant,
    arrived: Duration,
    buffer: Vec<u8>,
}

impl Veth {
    /// Opens a socket in the calling thread's namespace.
    pub fn open(addresses: Vec<IpAddr>) -> Self {
        let socket =
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
                .expect("root may open a packet socket");
        // The list of interfaces has the link-layer address that bind wants, index and all.
        let link = getifaddrs()
            .expect("interfaces can be listed")
            .find(|one| {
                let family = one.address.as_ref().and_then(SockaddrLike::family);
                one.interface_name == CLIENT_LINK && family == Some(AddressFamily::Packet)
            })
            .and_then(|one| one.address)
            .expect("the namespace has the tester's interface");
        bind(socket.as_raw_fd(), &link).expect("the interface is up");
        setsockopt(&socket, RcvBuf, &RECEIVE_BUFFER).expect("a receive buffer can be asked for");
        setsockopt(&socket, ReceiveTimestampns, &true).expect("the kernel stamps frames");
        let (started, arrived, buffer) = (Instant::now(), Duration::ZERO, vec![0; 65_536]);
        Self { socket, mac: CLIENT_MAC, addresses, started, arrived, buffer }
    }

    /// The length of a frame that is there, and by the kernel's stamp when it came: a thread that had to
    /// wait for a core reads it later.
    fn read(&mut self) -> Option<(usize, Duration)> {
        let mut control = nix::cmsg_space!(libc::timespec);
        let mut parts = [IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<()>(self.socket.as_raw_fd(), &mut parts, Some(&mut control), flags).ok()?;
        let stamp = message.cmsgs().ok()?.find_map(|control| match control {
            ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
            _ => None,
        });
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = stamp.map_or(Duration::ZERO, |stamp| since_epoch.saturating_sub(stamp));
        Some((message.bytes, self.started.elapsed().saturating_sub(age)))
    }

    /// Whether a frame came from the device, and not for another runner's client.
    fn concerns_us(&self, frame: &[u8]) -> bool {
        let from_device = frame.get(6..12).is_some_and(|source| source != self.mac);
        let destination: Option<IpAddr> = match frame.get(12..14) {
            Some([0x08, 0x00]) => {
                frame.get(30..34).map(|a| IpAddr::from(<[u8; 4]>::try_from(a).unwrap_or_default()))
            }
            Some([0x86, 0xdd]) => {
                frame.get(38..54).map(|a| IpAddr::from(<[u8; 16]>::try_from(a).unwrap_or_default()))
            }
            _ => None,
        };
        from_device && destination.is_some_and(|to| self.addresses.contains(&to) || !is_a_client(to))
    }
}

/// Clients are numbered from 50 to 99 in their subnet.
fn is_a_client(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.octets()[..3] == [192, 0, 2] && (50..100).contains(&a.octets()[3]),
        IpAddr::V6(a) => a.segments()[..2] == [0x2001, 0xdb8] && (50..100).contains(&a.segments()[7]),
    }
}

impl Backend for Veth {
    fn send(&mut self, frame: &[u8]) {
        // Frames that are too short for the link cannot be sent by anybody.
        let _ = send(self.socket.as_raw_fd(), frame, MsgFlags::empty());
    }

    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.read() {
                Some((length, arrived)) => {
                    let frame = &self.buffer[..length];
                    if let Some(reply) = neighbours::answer(frame, &self.addresses, self.mac) {
                        self.send(&reply);
                    } else if self.concerns_us(frame) {
                        self.arrived = arrived;
                        return Some(frame.to_vec());
                    }
                }
                None => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    // Rounded up: a poll of zero milliseconds would spin.
                    let wait =
                        PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
                    let _ = poll(&mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)], wait);
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn arrived(&self) -> Duration {
        self.arrived
    }
}
