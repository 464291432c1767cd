use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

/// Octets of a request, its line feed included.
pub(super) const MOST_REQUEST: usize = 4096;
/// So long may a client be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// So long may a client leave what it was sent unread.
const UNREAD: Duration = Duration::from_secs(5);
/// Octets that are gathered before they are sent.
const GATHERED: usize = 32 * 1024;

/// A talk with one client, which waits for nothing longer than it should, and for nothing at all
/// once `stop` is readable.
pub(super) struct Talk<'a> {
    stream: UnixStream,
    stop: BorrowedFd<'a>,
    heard: Vec<u8>,
    to_say: Vec<u8>,
}

/// Why there is no next request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// The client has gone or is silent, or the program ends.
    Gone,
    /// The request is longer than [`MOST_REQUEST`].
    TooLong,
}

impl<'a> Talk<'a> {
    pub(super) fn new(stream: UnixStream, stop: BorrowedFd<'a>) -> io::Result<Talk<'a>> {
        stream.set_nonblocking(true)?;
        Ok(Talk { stream, stop, heard: Vec::new(), to_say: Vec::new() })
    }

    /// The next line, without its line feed.
    pub(super) fn request(&mut self) -> Result<Vec<u8>, Over> {
        let deadline = Instant::now() + SILENCE;
        let mut octets = [0; 1024];
        loop {
            if let Some(end) = self.heard.iter().position(|octet| *octet == b'\n') {
                let rest = self.heard.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.heard, rest);
                line.pop();
                return Ok(line);
            }
            if self.heard.len() >= MOST_REQUEST {
                return Err(Over::TooLong);
            }
            match self.stream.read(&mut octets) {
                Ok(0) => return Err(Over::Gone),
                Ok(count) => self.heard.extend(octets.iter().take(count)),
                Err(error) => self.again(&error, PollFlags::POLLIN, deadline)?,
            }
        }
    }

    /// A line of JSON, sent with others or by [`Talk::flush`].
    pub(super) fn say(&mut self, reply: &impl Serialize) -> Result<(), Over> {
        serde_json::to_writer(&mut self.to_say, reply).map_err(|_| Over::Gone)?;
        self.to_say.push(b'\n');
        if self.to_say.len() >= GATHERED { self.flush() } else { Ok(()) }
    }

    pub(super) fn flush(&mut self) -> Result<(), Over> {
        let deadline = Instant::now() + UNREAD;
        let mut sent = 0;
        while let Some(rest) = self.to_say.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(count) => sent += count,
                Err(error) => self.again(&error, PollFlags::POLLOUT, deadline)?,
            }
        }
        self.to_say.clear();
        Ok(())
    }

    /// Waits until what failed may be tried again.
    fn again(&self, error: &io::Error, wanted: PollFlags, deadline: Instant) -> Result<(), Over> {
        match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::WouldBlock => {}
            _ => return Err(Over::Gone),
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = [PollFd::new(self.stream.as_fd(), wanted), PollFd::new(self.stop, PollFlags::POLLIN)];
        let ready = poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        let stopped = fds[1].any() == Some(true);
        match ready {
            Ok(0) => Err(Over::Gone),
            _ if stopped => Err(Over::Gone),
            // EINTR: the caller tries again, and comes back here.
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
        let mut talk = Talk::new(far, stop.as_fd()).unwrap();
        near.write_all(b"one\ntwo\nth").unwrap();
        assert_eq!(talk.request().unwrap(), b"one");
        assert_eq!(talk.request().unwrap(), b"two");
        near.write_all(b"ree\n").unwrap();
        assert_eq!(talk.request().unwrap(), b"three");
        drop(near);
        assert_eq!(talk.request(), Err(Over::Gone));
    }

    #[test]
    fn a_request_has_a_longest_length() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let stop = EventFd::new().unwrap();
        let mut talk = Talk::new(far, stop.as_fd()).unwrap();
        near.write_all(&[b'x'; MOST_REQUEST]).unwrap();
        assert_eq!(talk.request(), Err(Over::TooLong));
    }

    #[test]
    fn neither_a_silent_client_nor_one_that_reads_nothing_holds_up_the_end() {
        let (_near, far) = UnixStream::pair().unwrap();
        let stop = EventFd::new().unwrap();
        let mut talk = Talk::new(far, stop.as_fd()).unwrap();
        stop.write(1).unwrap();
        assert_eq!(talk.request(), Err(Over::Gone));
        let long = "x".repeat(1 << 20);
        assert_eq!((0..64).try_for_each(|_| talk.say(&long)), Err(Over::Gone));
    }
}
