//! Captures from an interface for a moment with a packet socket, which takes frames from no other program.

use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, socket};

use handfast_stack::observe::DropReason;
use handfast_stack::wire::{Packet, ParseConfig, parse};

const DURATION: Duration = Duration::from_millis(150);
/// Maximum number of frames, which limits the cost on a busy interface.
const MAX_FRAMES: u64 = 4_096;
/// `PACKET_OUTGOING`: sent by this host.
const OUTGOING: u8 = 4;

/// TCP segments that arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Captured {
    pub segments: u64,
    /// Those of them whose checksum covers the pseudo-header only.
    pub partial: u64,
    pub milliseconds: u128,
}

pub(super) fn capture(ifindex: u32) -> io::Result<Captured> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    let mut captured = Captured::default();
    let mut frame = vec![0; 1 << 16];
    let began = Instant::now();
    let mut frames = 0;
    while frames < MAX_FRAMES {
        let left = DURATION.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        let timeout = PollTimeout::try_from(left.as_millis().max(1)).unwrap_or(PollTimeout::ZERO);
        // Interrupted or timed out: there is nothing to read, and the loop looks at the time.
        let _ = poll(&mut [PollFd::new(std::os::fd::AsFd::as_fd(&socket), PollFlags::POLLIN)], timeout);
        match recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame) {
            Ok((len, Some(from))) if from.ifindex() == ifindex as usize && from.pkttype() != OUTGOING => {
                frames += 1;
                captured.count(frame.get(..len).unwrap_or_default());
            }
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    captured.milliseconds = began.elapsed().as_millis();
    Ok(captured)
}

impl Captured {
    fn count(&mut self, frame: &[u8]) {
        match parse(frame, &ParseConfig::default()) {
            Ok(Packet::Tcp4(_) | Packet::Tcp6(_)) | Err(DropReason::TcpChecksum) => self.segments += 1,
            Err(DropReason::TcpPartialChecksum) => {
                self.segments += 1;
                self.partial += 1;
            }
            _ => {}
        }
    }
}
