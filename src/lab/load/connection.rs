use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, SockaddrStorage, bind, connect, getsockopt, recv,
    send, setsockopt, shutdown, socket, sockopt,
};

use super::{ClientScript, Failure, Step};

/// Phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    /// This number of bytes is sent.
    Sending(usize),
    /// This number of bytes was received as expected.
    Receiving(usize),
    /// Waits for the peer's FIN; no more data is expected.
    AwaitingEnd,
}

/// Result of [`Connection::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AdvanceResult {
    /// Waits for the socket to become readable.
    NeedsRead,
    /// Waits for the socket to become writable.
    NeedsWrite,
    /// The script is complete.
    Done,
}

/// One non-blocking connection and the position in its script.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    phase: Phase,
}

impl Connection {
    /// Starts to connect.
    pub(super) fn open(target: SocketAddr, source: Option<IpAddr>) -> Result<Connection, Failure> {
        let open = |errno| Failure::Errno(Step::Open, errno);
        let family = if target.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(family, SockType::Stream, flags, None).map_err(open)?;
        if let Some(source) = source {
            // `connect` chooses the port, as it knows the whole 4-tuple.
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

    pub(super) fn is_established(&self) -> bool {
        self.phase != Phase::Connecting
    }

    /// The step in which an error would occur now.
    pub(super) fn step(&self) -> Step {
        match self.phase {
            Phase::Connecting => Step::Connect,
            Phase::Sending(_) => Step::Send,
            Phase::Receiving(_) => Step::Receive,
            Phase::AwaitingEnd => Step::Close,
        }
    }

    /// Advances as far as the socket allows. Call it when the socket becomes readable or writable.
    pub(super) fn advance(&mut self, script: &ClientScript) -> Result<AdvanceResult, Failure> {
        match self.advance_to_errno(script) {
            Ok(reached) => reached,
            Err(errno) => self.on_error(errno, script),
        }
    }

    fn advance_to_errno(&mut self, script: &ClientScript) -> nix::Result<Result<AdvanceResult, Failure>> {
        loop {
            match self.phase {
                Phase::Connecting => {
                    match getsockopt(&self.socket, sockopt::SocketError)? {
                        0 => self.begin(script)?,
                        errno => return Err(Errno::from_raw(errno)),
                    }
                    if *script == ClientScript::Reset {
                        return Ok(Ok(AdvanceResult::Done));
                    }
                }
                Phase::Sending(sent) => {
                    let message = script.message();
                    let Some(rest) = message.get(sent..).filter(|rest| !rest.is_empty()) else {
                        self.sent_all(script)?;
                        continue;
                    };
                    match send(self.socket.as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
                        Err(Errno::EAGAIN) => return Ok(Ok(AdvanceResult::NeedsWrite)),
                        more => self.phase = Phase::Sending(sent + more?),
                    }
                }
                Phase::Receiving(_) | Phase::AwaitingEnd => return self.receive(script),
            }
        }
    }

    /// The first step after the handshake.
    fn begin(&mut self, script: &ClientScript) -> nix::Result<()> {
        self.phase = match script {
            ClientScript::PeerCloses | ClientScript::PeerResets => Phase::AwaitingEnd,
            ClientScript::CloseFirst => {
                shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
                Phase::AwaitingEnd
            }
            ClientScript::Echo(_) | ClientScript::Request { .. } | ClientScript::Send(_) => Phase::Sending(0),
            ClientScript::Reset => {
                let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
                setsockopt(&self.socket, sockopt::Linger, &at_once)?;
                Phase::AwaitingEnd
            }
        };
        Ok(())
    }

    fn sent_all(&mut self, script: &ClientScript) -> nix::Result<()> {
        self.phase = match script {
            ClientScript::Send(_) => {
                shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
                Phase::AwaitingEnd
            }
            _ => Phase::Receiving(0),
        };
        Ok(())
    }

    fn receive(&mut self, script: &ClientScript) -> nix::Result<Result<AdvanceResult, Failure>> {
        let mut buffer = [0; 4096];
        loop {
            let bytes = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Err(Errno::EAGAIN) => return Ok(Ok(AdvanceResult::NeedsRead)),
                Err(Errno::EINTR) => continue,
                length => &buffer[..length?],
            };
            if bytes.is_empty() {
                return Ok(self.end_of_stream(script));
            }
            if !self.accept(bytes, script)? {
                return Ok(Err(Failure::WrongResponse));
            }
        }
    }

    /// Compares received with expected bytes; closes once an echo is complete.
    fn accept(&mut self, bytes: &[u8], script: &ClientScript) -> nix::Result<bool> {
        let Phase::Receiving(before) = self.phase else { return Ok(false) };
        let expected = script.expected().get(before..).unwrap_or_default();
        let compared = bytes.len().min(expected.len());
        let surplus = bytes.len() > compared;
        if bytes[..compared] != expected[..compared] || (surplus && matches!(script, ClientScript::Echo(_))) {
            return Ok(false);
        }
        self.phase = Phase::Receiving(before + compared);
        if matches!(script, ClientScript::Echo(message) if message.len() == before + compared) {
            shutdown(self.socket.as_raw_fd(), Shutdown::Write)?;
            self.phase = Phase::AwaitingEnd;
        }
        Ok(true)
    }

    fn end_of_stream(&self, script: &ClientScript) -> Result<AdvanceResult, Failure> {
        let whole = match self.phase {
            Phase::Receiving(good) => {
                matches!(script, ClientScript::Request { .. }) && good == script.expected().len()
            }
            _ => *script != ClientScript::PeerResets,
        };
        if whole { Ok(AdvanceResult::Done) } else { Err(Failure::WrongResponse) }
    }

    fn on_error(&self, errno: Errno, script: &ClientScript) -> Result<AdvanceResult, Failure> {
        let wanted =
            *script == ClientScript::PeerResets && self.is_established() && errno == Errno::ECONNRESET;
        if wanted { Ok(AdvanceResult::Done) } else { Err(Failure::Errno(self.step(), errno)) }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl ClientScript {
    fn message(&self) -> &[u8] {
        match self {
            ClientScript::Echo(message) | ClientScript::Send(message) => message,
            ClientScript::Request { request, .. } => request,
            _ => &[],
        }
    }

    fn expected(&self) -> &[u8] {
        match self {
            ClientScript::Echo(message) => message,
            ClientScript::Request { response_prefix, .. } => response_prefix,
            _ => &[],
        }
    }
}
