use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::answer::{Pages, answer, too_large};

/// From the connection's start to the last octet of the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the client's own end is waited for: to close before it has read all would make the
/// kernel send it a RST, and the answer might be lost.
const FAREWELL: Duration = Duration::from_secs(1);
/// The longest head of a request, octets.
const MOST_REQUEST: usize = 8 << 10;
/// Octets read at a time.
const READ: usize = 2048;

/// One connection: one request, one answer.
pub(super) struct Client {
    stream: TcpStream,
    state: State,
    pub(super) deadline: Instant,
}

enum State {
    Asking(Vec<u8>),
    /// The answer, and how much of it is sent.
    Answering(Vec<u8>, usize),
    Leaving,
}

/// What is next.
enum Next {
    /// Nothing moves until poll says so.
    Wait,
    Over,
    Time(State),
}

impl Client {
    pub(super) fn new(stream: TcpStream, now: Instant) -> std::io::Result<Client> {
        stream.set_nonblocking(true)?;
        Ok(Client { stream, state: State::Asking(Vec::new()), deadline: now + PATIENCE })
    }

    /// What it waits for.
    pub(super) fn interest(&self) -> PollFlags {
        match self.state {
            State::Answering(..) => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        }
    }

    /// Does what can be done without waiting. False: it is over.
    pub(super) fn advance(&mut self, pages: &Pages, now: Instant) -> bool {
        if now >= self.deadline {
            return false;
        }
        loop {
            let next = match &mut self.state {
                State::Asking(request) => ask(&mut self.stream, request, pages),
                State::Answering(response, sent) => send(&mut self.stream, response, sent),
                State::Leaving => leave(&mut self.stream),
            };
            match next {
                Next::Wait => return true,
                Next::Over => return false,
                Next::Time(state) => {
                    if matches!(state, State::Leaving) {
                        self.deadline = self.deadline.min(now + FAREWELL);
                    }
                    self.state = state;
                }
            }
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn ask(stream: &mut TcpStream, request: &mut Vec<u8>, pages: &Pages) -> Next {
    let mut chunk = [0; READ];
    let got = match stream.read(&mut chunk) {
        Ok(0) => return Next::Over,
        Ok(got) => got,
        Err(error) => return trouble(error.kind()),
    };
    request.extend_from_slice(chunk.get(..got).unwrap_or_default());
    match answer(request, pages) {
        Some(response) => Next::Time(State::Answering(response, 0)),
        None if request.len() > MOST_REQUEST => Next::Time(State::Answering(too_large(), 0)),
        None => Next::Time(State::Asking(std::mem::take(request))),
    }
}

fn send(stream: &mut TcpStream, response: &[u8], sent: &mut usize) -> Next {
    while let Some(rest) = response.get(*sent..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(0) => return Next::Over,
            Ok(written) => *sent += written,
            Err(error) => return trouble(error.kind()),
        }
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => Next::Time(State::Leaving),
        Err(_) => Next::Over,
    }
}

/// Reads away what nobody asked for; a little at a time, since others wait.
fn leave(stream: &mut TcpStream) -> Next {
    match stream.read(&mut [0; READ]) {
        Ok(0) => Next::Over,
        Ok(_) => Next::Wait,
        Err(error) => trouble(error.kind()),
    }
}

fn trouble(kind: ErrorKind) -> Next {
    match kind {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Next::Wait,
        _ => Next::Over,
    }
}
