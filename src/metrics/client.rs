use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::response::{MetricsText, respond, too_large};

/// From the connection's start to the last byte of the response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for the client to close. Closing before it has read all data would make the kernel send a RST, and
/// the response might be lost.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum size of a request's head, bytes.
const MAX_REQUEST: usize = 8 << 10;
/// Bytes read at a time.
const READ: usize = 2048;

/// One connection: one request, one response.
pub(super) struct HttpClient {
    stream: TcpStream,
    state: ScrapeState,
    pub(super) deadline: Instant,
}

enum ScrapeState {
    Reading(Vec<u8>),
    /// The response, and how much of it is sent.
    Writing(Vec<u8>, usize),
    Draining,
}

/// What follows a step.
enum ScrapeStep {
    /// Wait for poll.
    Wait,
    Close,
    Enter(ScrapeState),
}

impl HttpClient {
    pub(super) fn new(stream: TcpStream, now: Instant) -> std::io::Result<HttpClient> {
        stream.set_nonblocking(true)?;
        Ok(HttpClient { stream, state: ScrapeState::Reading(Vec::new()), deadline: now + REQUEST_TIMEOUT })
    }

    /// The events it waits for.
    pub(super) fn interest(&self) -> PollFlags {
        match self.state {
            ScrapeState::Writing(..) => PollFlags::POLLOUT,
            _ => PollFlags::POLLIN,
        }
    }

    /// Does everything that does not block. Returns false when the connection has ended.
    pub(super) fn advance(&mut self, metrics: &MetricsText, now: Instant) -> bool {
        if now >= self.deadline {
            return false;
        }
        loop {
            let next = match &mut self.state {
                ScrapeState::Reading(request) => read(&mut self.stream, request, metrics),
                ScrapeState::Writing(response, sent) => write(&mut self.stream, response, sent),
                ScrapeState::Draining => drain(&mut self.stream),
            };
            match next {
                ScrapeStep::Wait => return true,
                ScrapeStep::Close => return false,
                ScrapeStep::Enter(state) => {
                    if matches!(state, ScrapeState::Draining) {
                        self.deadline = self.deadline.min(now + CLOSE_TIMEOUT);
                    }
                    self.state = state;
                }
            }
        }
    }
}

impl AsFd for HttpClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn read(stream: &mut TcpStream, request: &mut Vec<u8>, metrics: &MetricsText) -> ScrapeStep {
    let mut chunk = [0; READ];
    let got = match stream.read(&mut chunk) {
        Ok(0) => return ScrapeStep::Close,
        Ok(got) => got,
        Err(error) => return on_error(error.kind()),
    };
    request.extend_from_slice(chunk.get(..got).unwrap_or_default());
    match respond(request, metrics) {
        Some(response) => ScrapeStep::Enter(ScrapeState::Writing(response, 0)),
        None if request.len() > MAX_REQUEST => ScrapeStep::Enter(ScrapeState::Writing(too_large(), 0)),
        None => ScrapeStep::Enter(ScrapeState::Reading(std::mem::take(request))),
    }
}

fn write(stream: &mut TcpStream, response: &[u8], sent: &mut usize) -> ScrapeStep {
    while let Some(rest) = response.get(*sent..).filter(|rest| !rest.is_empty()) {
        match stream.write(rest) {
            Ok(0) => return ScrapeStep::Close,
            Ok(written) => *sent += written,
            Err(error) => return on_error(error.kind()),
        }
    }
    match stream.shutdown(Shutdown::Write) {
        Ok(()) => ScrapeStep::Enter(ScrapeState::Draining),
        Err(_) => ScrapeStep::Close,
    }
}

/// Discards data after the request; a little at a time, since other clients wait.
fn drain(stream: &mut TcpStream) -> ScrapeStep {
    match stream.read(&mut [0; READ]) {
        Ok(0) => ScrapeStep::Close,
        Ok(_) => ScrapeStep::Wait,
        Err(error) => on_error(error.kind()),
    }
}

fn on_error(kind: ErrorKind) -> ScrapeStep {
    match kind {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => ScrapeStep::Wait,
        _ => ScrapeStep::Close,
    }
}
