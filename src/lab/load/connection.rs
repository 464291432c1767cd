use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, recv,
    send, setsockopt, shutdown, socket, sockopt,
};

use super::{Dialogue, Failure, Step};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// So many bytes are sent.
    Sending(usize),
    /// So many bytes were good.
    Receiving(usize),
    /// Our FIN is sent, or the peer's is awaited: no more data is due.
    AwaitingEnd,
}

/// What [`Connection::advance`] reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// Waits for the socket to become readable.
    Reading,
    /// Waits for the socket to become writable.
    Writing,
    /// The dialogue went to its end.
    End,
}

/// One non-blocking connection and how far its dialogue is.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    phase: Phase,
}

impl Connection {
    /// Begins to connect.
    pub fn open(target: SocketAddr, source: Option<IpAddr>) -> Result<Connection, Failure> {
        let open = |errno| Failure::Errno(Step::Open, errno);
        let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, SockType::Stream, flags, None).map_err(open)?;
        if let Some(source) = source {
            // The port is chosen by `connect`, which knows the whole 4-tuple.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true).map_err(open)?;
            let address = SockaddrStorage::from(SocketAddr::new(source, 0));
            bind(socket.as_raw_fd(), &address).map_err(open)?;
        }
        match connect(socket.as_raw_fd(), &SockaddrStorage::from(target)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(Connection { socket, phase: Phase::Connecting }),
            Err(errno @ (Errno::EADDRNOTAVAIL | Errno::EMFILE)) => Err(open(errno)),
            Err(errno) => Err(Failure::Errno(Step::Connect, errno)),
        }
    }

    pub fn is_established(&self) -> bool {
        self.phase != Phase::Connecting
    }

    /// Where it would fail if it failed now.
    pub fn step(&self) -> Step {
        match self.phase {
            Phase::Connecting => Step::Connect,
            Phase::Sending(_) => Step::Send,
            Phase::Receiving(_) => Step::Receive,
            Phase::AwaitingEnd => Step::Close,
        }
    }

    /// Goes as far as the socket allows. To be called when it became readable or writable.
    pub fn advance(&mut self, dialogue: &Dialogue) -> Result<Reached, Failure> {
        match self.advance_to_errno(dialogue) {
            Ok(reached) => reached,
            Err(errno) => self.refused(errno, dialogue),
        }
    }

    fn advance_to_errno(&mut self, dialogue: &Dialogue) -> nix::Result<Result<Reached, Failure>> {
        loop {
            match self.phase {
                Phase::Connecting => {
                    match getsockopt(&self.socket, sockopt::SocketError)? {
                        0 => self.begin(dialogue)?,
                        errno => return Err(Errno::from_raw(errno)),
                    }
                    if *dialogue == Dialogue::Reset {
                        return Ok(Ok(Reached::End));
                    }
                }
                Phase::Sending(sent) => {
                    let message = dialogue.message();
                    let Some(rest) = message.get(sent..).filter(|rest| !rest.is_empty()) else {
                        self.sent_all(dialogue)?;
                        continue;
                    };
                    match send(self.socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                        Err(Errno::EAGAIN) => return Ok(Ok(Reached::Writing)),
                        more => self.phase = Phase::Sending(sent + more?),
                    }
                }
                Phase::Receiving(_) | Phase::AwaitingEnd => return self.receive(dialogue),
            }
        }
    }

    /// Established: what comes first.
    fn begin(&mut self, dialogue: &Dialogue) -> nix::Result<()> {
        self.phase = match dialogue {
            Dialogue::PeerCloses | Dialogue::PeerResets => Phase::AwaitingEnd,
            Dialogue::CloseFirst => {
                shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
                Phase::AwaitingEnd
            }
            Dialogue::Echo(_) | Dialogue::Request { .. } | Dialogue::Send(_) => Phase::Sending(0),
            Dialogue::Reset => {
                let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&self.socket, sockopt::Linger, &at_once)?;
                Phase::AwaitingEnd
            }
        };
        Ok(())
    }

    fn sent_all(&mut self, dialogue: &Dialogue) -> nix::Result<()> {
        self.phase = match dialogue {
            Dialogue::Send(_) => {
                shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
                Phase::AwaitingEnd
            }
            _ => Phase::Receiving(0),
        };
        Ok(())
    }

    fn receive(&mut self, dialogue: &Dialogue) -> nix::Result<Result<Reached, Failure>> {
        let mut buffer = [0; 4096];
        loop {
            let bytes = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EAGAIN) => return Ok(Ok(Reached::Reading)),
                Err(Errno::EINTR) => continue,
                length => &buffer[..length?],
            };
            if bytes.is_empty() {
                return Ok(self.end_of_stream(dialogue));
            }
            if !self.accept(bytes, dialogue)? {
                return Ok(Err(Failure::WrongAnswer));
            }
        }
    }

    /// Compares what came with what should; closes first once an echo is whole.
    fn accept(&mut self, bytes: &[u8], dialogue: &Dialogue) -> nix::Result<bool> {
        let Phase::Receiving(before) = self.phase else { return Ok(false) };
        let expected = dialogue.expected().get(before..).unwrap_or_default();
        let compared = bytes.len().min(expected.len());
        let surplus = bytes.len() > compared;
        if bytes[..compared] != expected[..compared] || (surplus && matches!(dialogue, Dialogue::Echo(_))) {
            return Ok(false);
        }
        self.phase = Phase::Receiving(before + compared);
        if matches!(dialogue, Dialogue::Echo(message) if message.len() == before + compared) {
            shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
            self.phase = Phase::AwaitingEnd;
        }
        Ok(true)
    }

    fn end_of_stream(&self, dialogue: &Dialogue) -> Result<Reached, Failure> {
        let whole = match self.phase {
            Phase::Receiving(good) => {
                matches!(dialogue, Dialogue::Request { .. }) && good == dialogue.expected().len()
            }
            _ => *dialogue != Dialogue::PeerResets,
        };
        if whole { Ok(Reached::End) } else { Err(Failure::WrongAnswer) }
    }

    fn refused(&self, errno: Errno, dialogue: &Dialogue) -> Result<Reached, Failure> {
        let wanted = *dialogue == Dialogue::PeerResets && self.is_established() && errno == Errno::ECONNRESET;
        if wanted { Ok(Reached::End) } else { Err(Failure::Errno(self.step(), errno)) }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Dialogue {
    fn message(&self) -> &[u8] {
        match self {
            Dialogue::Echo(message) | Dialogue::Send(message) => message,
            Dialogue::Request { request, .. } => request,
            _ => &[],
        }
    }

    fn expected(&self) -> &[u8] {
        match self {
            Dialogue::Echo(message) => message,
            Dialogue::Request { answer_starts, .. } => answer_starts,
            _ => &[],
        }
    }
}
