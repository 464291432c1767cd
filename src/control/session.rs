use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

/// Maximum size of a request in bytes, including its line feed.
pub(super) const MAX_REQUEST: usize = 4096;
/// Maximum time between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time for a client to read what was sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are buffered before they are sent.
const FLUSH_SIZE: usize = 32 * 1024;

/// The connection to one client. Every wait has a timeout and ends at once when `stop` is readable.
pub(super) struct Session<'a> {
    stream: UnixStream,
    stop: BorrowedFd<'a>,
    received: Vec<u8>,
    outgoing: Vec<u8>,
}

/// Why a session ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SessionEnd {
    /// The client disconnected or timed out, or the program ends.
    Gone,
    /// The request is longer than [`MAX_REQUEST`].
    TooLong,
}

impl<'a> Session<'a> {
    pub(super) fn new(stream: UnixStream, stop: BorrowedFd<'a>) -> io::Result<Session<'a>> {
        stream.set_nonblocking(true)?;
        Ok(Session { stream, stop, received: Vec::new(), outgoing: Vec::new() })
    }

    /// The next line, without its line feed.
    pub(super) fn request(&mut self) -> Result<Vec<u8>, SessionEnd> {
        let deadline = Instant::now() + IDLE_TIMEOUT;
        let mut bytes = [0; 1024];
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let rest = self.received.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.received, rest);
                line.pop();
                return Ok(line);
            }
            if self.received.len() >= MAX_REQUEST {
                return Err(SessionEnd::TooLong);
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(SessionEnd::Gone),
                Ok(count) => self.received.extend(bytes.iter().take(count)),
                Err(error) => self.wait_ready(&error, PollFlags::POLLIN, deadline)?,
            }
        }
    }

    /// A line of JSON, sent with others or by [`Session::flush`].
    pub(super) fn send(&mut self, reply: &impl Serialize) -> Result<(), SessionEnd> {
        serde_json::to_writer(&mut self.outgoing, reply).map_err(|_| SessionEnd::Gone)?;
        self.outgoing.push(b'\n');
        if self.outgoing.len() >= FLUSH_SIZE { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), SessionEnd> {
        let deadline = Instant::now() + SEND_TIMEOUT;
        let mut sent = 0;
        while let Some(rest) = self.outgoing.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => sent += count,
                Err(error) => self.wait_ready(&error, PollFlags::POLLOUT, deadline)?,
            }
        }
        self.outgoing.clear();
        Ok(())
    }

    /// Waits until the failed operation can be retried.
    fn wait_ready(&self, error: &io::Error, wanted: PollFlags, deadline: Instant) -> Result<(), SessionEnd> {
        match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::WouldBlock => {}
            _ => return Err(SessionEnd::Gone),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(self.stream.as_fd(), wanted), PollFd::new(self.stop, PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let stopped = fds[1].any() == Some(true);
        match ready {
            Ok(0) => Err(SessionEnd::Gone),
            _ if stopped => Err(SessionEnd::Gone),
            // EINTR: the caller retries and returns here.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::sys::eventfd::EventFd;

    use super::*;

    #[test]
    fn requests_are_lines_however_they_arrive() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let stop = EventFd::new().unwrap();
        let mut session = Session::new(far, stop.as_fd()).unwrap();
        near.write_all(b"one\ntwo\nth").unwrap();
        assert_eq!(session.request().unwrap(), b"one");
        assert_eq!(session.request().unwrap(), b"two");
        near.write_all(b"ree\n").unwrap();
        assert_eq!(session.request().unwrap(), b"three");
        drop(near);
        assert_eq!(session.request(), Err(SessionEnd::Gone));
    }

    #[test]
    fn a_request_has_a_maximum_length() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let stop = EventFd::new().unwrap();
        let mut session = Session::new(far, stop.as_fd()).unwrap();
        near.write_all(&[b'x'; MAX_REQUEST]).unwrap();
        assert_eq!(session.request(), Err(SessionEnd::TooLong));
    }

    #[test]
    fn neither_a_silent_client_nor_one_that_reads_nothing_delays_the_end() {
        let (_near, far) = UnixStream::pair().unwrap();
        let stop = EventFd::new().unwrap();
        let mut session = Session::new(far, stop.as_fd()).unwrap();
        stop.write(1).unwrap();
        assert_eq!(session.request(), Err(SessionEnd::Gone));
        let long = "x".repeat(1 << 20);
        assert_eq!((0..64).try_for_each(|_| session.send(&long)), Err(SessionEnd::Gone));
    }
}
