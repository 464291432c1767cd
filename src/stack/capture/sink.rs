//! Writes blocks to the file, and keeps it at whole blocks if that fails.

use std::fs::File;
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::merge::Buffer;
use super::pcapng::{self, STAMPED};

/// Bytes that are buffered before a write.
const WRITE_SIZE: usize = 256 << 10;
/// Maximum time to wait for the reader of a pipe after the end of the run.
const READER_TIMEOUT: Duration = Duration::from_secs(1);
const POLL_INTERVAL_MS: u16 = 50;

/// The destination of a capture.
pub(super) trait SinkTarget: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Removes everything after the first `length` bytes.
    fn truncate(&mut self, length: u64) -> io::Result<()>;
}

/// A file, or a pipe that must not hold up the end of the run.
pub(super) struct FileTarget {
    pub file: File,
    pub stopping: Arc<AtomicBool>,
}

impl SinkTarget for FileTarget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stopping_since = None;
        loop {
            match self.file.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            // The write is retried in any case.
            let _ = poll(&mut fds, PollTimeout::from(POLL_INTERVAL_MS));
            if self.stopping.load(Relaxed)
                && stopping_since.get_or_insert_with(Instant::now).elapsed() > READER_TIMEOUT
            {
                return Err(io::Error::new(ErrorKind::TimedOut, "the reader of the pipe does not read"));
            }
        }
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(SeekFrom::Start(length)).map(drop)
    }
}

/// Buffered blocks and the file.
pub(super) struct Sink<T> {
    target: T,
    buffer: Vec<u8>,
    /// By interface, frames in `buffer`.
    waiting: Vec<u64>,
    /// By interface, frames in the file.
    written: Vec<u64>,
    bytes: u64,
    failure: Option<io::Error>,
    /// It has failed, and the file was truncated to whole blocks.
    is_closed: bool,
}

impl<T: SinkTarget> Sink<T> {
    pub(super) fn new(target: T, interfaces: usize) -> Sink<T> {
        Sink {
            target,
            buffer: Vec::with_capacity(WRITE_SIZE + (8 << 10)),
            waiting: vec![0; interfaces],
            written: vec![0; interfaces],
            bytes: 0,
            failure: None,
            is_closed: false,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn written(&self) -> &[u64] {
        &self.written
    }

    /// The error that ended the writing.
    pub(super) fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Adds a block that is not a packet.
    pub(super) fn put(&mut self, block: &[u8]) {
        self.buffer.extend_from_slice(block);
    }

    /// Writes the buffer. `last`: the blocks at the end of the file if that fails.
    pub(super) fn flush(&mut self, last: impl Fn(&[u64]) -> Vec<u8>) {
        let mut done = 0;
        while self.failure.is_none() && done < self.buffer.len() {
            match self.target.write(&self.buffer[done..]) {
                Ok(bytes) if bytes > 0 => done += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => self.failure = Some(other.err().unwrap_or_else(|| ErrorKind::WriteZero.into())),
            }
        }
        if self.failure.is_some() && !self.is_closed {
            self.is_closed = true;
            self.truncate_to_block(done, last);
        }
        if self.failure.is_none() {
            self.bytes += done as u64;
            self.written.iter_mut().zip(&self.waiting).for_each(|(written, waiting)| *written += waiting);
        }
        self.buffer.clear();
        self.waiting.fill(0);
    }

    /// Truncates the file to whole blocks after `done` bytes were written and there is no more room. The
    /// statistics replace the last blocks.
    fn truncate_to_block(&mut self, done: usize, last: impl Fn(&[u64]) -> Vec<u8>) {
        let room = done.saturating_sub(last(&self.written).len());
        let kept = self.whole_blocks(room);
        // A pipe cannot be truncated.
        if self.target.truncate(self.bytes + kept as u64).is_err() {
            return;
        }
        self.bytes += kept as u64;
        let last = last(&self.written);
        if self.target.write(&last).is_ok_and(|bytes| bytes == last.len()) {
            self.bytes += last.len() as u64;
        } else {
            let _ = self.target.truncate(self.bytes);
        }
    }

    /// Counts the whole blocks within the first `room` bytes as written. Returns their end.
    fn whole_blocks(&mut self, room: usize) -> usize {
        let mut end = 0;
        while let Some(head) = self.buffer.get(end..).and_then(|rest| rest.first_chunk::<STAMPED>()) {
            let (kind, length, _) = pcapng::begin(head);
            if length == 0 || end + length > room {
                break;
            }
            let interface = pcapng::interface_of(head);
            if let (pcapng::PACKET, Some(written)) = (kind, self.written.get_mut(interface)) {
                *written += 1;
            }
            end += length;
        }
        end
    }
}

impl<T: SinkTarget> Buffer for Sink<T> {
    fn room(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn added(&mut self, interface: usize) {
        if let Some(waiting) = self.waiting.get_mut(interface) {
            *waiting += 1;
        }
    }

    fn is_full(&self) -> bool {
        self.buffer.len() >= WRITE_SIZE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Direction;
    use crate::capture::pcapng::Packet;

    /// A disk with limited room that accepts at most 100 bytes at a time.
    #[derive(Default)]
    struct Disk {
        bytes: Arc<std::sync::Mutex<Vec<u8>>>,
        room: usize,
        is_pipe: bool,
    }

    impl SinkTarget for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.bytes.lock().expect("one thread");
            let length = bytes.len().min(100).min(self.room - disk.len());
            if length == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            disk.extend(&bytes[..length]);
            Ok(length)
        }

        fn truncate(&mut self, length: u64) -> io::Result<()> {
            if self.is_pipe {
                return Err(ErrorKind::InvalidInput.into());
            }
            self.bytes.lock().expect("one thread").truncate(length as usize);
            Ok(())
        }
    }

    /// Alternates between two interfaces; 60 bytes each.
    fn packets(sink: &mut Sink<Disk>, number: u32) {
        for index in 0..number {
            let mut block = Vec::new();
            let (interface, direction) = (index % 2, Direction::In);
            let packet = Packet { interface, at: 1, direction, length: 16, data: &[1; 16], lost_before: 0 };
            pcapng::packet(&mut block, &packet);
            sink.room().extend(block);
            sink.added(interface as usize);
        }
    }

    #[test]
    fn what_fits_is_written_in_pieces_and_counted() {
        let disk = Disk { room: 10_000, ..Disk::default() };
        let bytes = disk.bytes.clone();
        let mut sink = Sink::new(disk, 2);
        packets(&mut sink, 5);
        sink.flush(|_| unreachable!("nothing failed"));
        assert_eq!((sink.written(), sink.bytes()), (&[3, 2][..], 300));
        assert_eq!(bytes.lock().unwrap().len(), 300);
    }

    /// With any room: whole blocks, then the statistics if they fit, and correct counts.
    #[test]
    fn a_full_disk_keeps_whole_blocks_and_their_counts() {
        for room in 300..620 {
            let disk = Disk { room, ..Disk::default() };
            let bytes = disk.bytes.clone();
            let mut sink = Sink::new(disk, 2);
            packets(&mut sink, 5);
            sink.flush(|_| vec![9; 80]);
            packets(&mut sink, 6);
            sink.flush(|_| vec![9; 80]);
            let (written, disk) = (sink.written().iter().sum::<u64>() as usize, bytes.lock().unwrap());
            assert!(sink.failure().is_some(), "{room}");
            assert!(disk.starts_with(&[0, 0, 0, 6]) || disk.starts_with(&[6, 0, 0, 0]));
            let is_there = disk.len() == 60 * written + 80 && disk.ends_with(&[9; 80]);
            assert!(is_there || disk.len() == 60 * written && room < 380, "{room}: {} bytes", disk.len());
            assert!(written >= 5 && 60 * (written + 1) + 80 > room, "{room}: {written}");
            assert_eq!(sink.bytes() as usize, disk.len());
            drop(disk);
            // Nothing is written any more.
            packets(&mut sink, 6);
            sink.flush(|_| unreachable!("it failed already"));
            assert_eq!(sink.bytes() as usize, bytes.lock().unwrap().len());
        }
    }

    #[test]
    fn a_pipe_is_not_truncated_but_counted_correctly() {
        let mut sink = Sink::new(Disk { room: 130, is_pipe: true, ..Disk::default() }, 2);
        packets(&mut sink, 5);
        sink.flush(|_| Vec::new());
        assert_eq!(sink.written(), [1, 1]);
    }
}
