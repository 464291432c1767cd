//! All that this folder writes to the terminal, or to what stands in its place. The standard library's
//! `print!` and `eprint!` panic where nothing can be written: these write what they can, and
//! remember why the rest was not. Foreign text cannot move the cursor or colour anything: the filter is
//! here, where everything passes.

use std::fmt::Arguments;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering::Relaxed};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::{SFlag, fstat};
use nix::unistd::{getpgrp, tcgetpgrp, write};
use terminal_size::{Width, terminal_size_of};

use super::charset;
use handfast_text::{ascii, folded, painted_lines, printable_json, printable_lines};

macro_rules! print {
    ($($text:tt)*) => { $crate::out::say($crate::out::Kind::Text, format_args!($($text)*)) };
}

macro_rules! println {
    () => { print!("\n") };
    ($($text:tt)*) => { print!("{}\n", format_args!($($text)*)) };
}

macro_rules! eprintln {
    ($($text:tt)*) => {
        $crate::out::warn($crate::out::Kind::Text, format_args!("{}\n", format_args!($($text)*)))
    };
}

/// What text may hold besides what is printable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// Colours as well. Its lines are drawn for a width, and are not folded.
    Painted,
    /// Escapes as JSON has them.
    Json,
}

/// Bytes that a pipe with any room takes at once (PIPE_BUF).
pub(super) const CHUNK: usize = 4096;
/// Maximum time to wait for a reader during a run, in milliseconds.
const WRITE_TIMEOUT_MS: u16 = 500;
/// Columns where the terminal does not say.
const MIN_WIDTH: usize = 40;

/// A run: its main thread has more to do than to wait for a reader.
static HURRIED: AtomicBool = AtomicBool::new(false);
/// The first error of standard output; 0: none.
static FAILURE: AtomicI32 = AtomicI32::new(0);

/// Writes to standard output, unbuffered, also to a pipe.
pub(super) fn say(kind: Kind, text: Arguments<'_>) {
    let text = shown(kind, &text.to_string(), io::stdout().as_fd());
    data(text.as_bytes());
}

/// To standard error. What cannot be written is left out: there is no other place to say so.
pub(super) fn warn(kind: Kind, text: Arguments<'_>) {
    let error = io::stderr();
    let text = shown(kind, &text.to_string(), error.as_fd());
    let _ = put(error.as_fd(), text.as_bytes());
}

/// To standard output, byte by byte.
pub(super) fn data(bytes: &[u8]) {
    // The reader of a pipe does not come back.
    if FAILURE.load(Relaxed) == Errno::EPIPE as i32 {
        return;
    }
    if let Err(errno) = put(io::stdout().as_fd(), bytes) {
        let _ = FAILURE.compare_exchange(0, errno as i32, Relaxed, Relaxed);
    }
}

/// Why standard output does not have all that was written. A reader that has gone, as of `| head`, had
/// what it wanted.
pub(super) fn failure() -> Option<io::Error> {
    match FAILURE.load(Relaxed) {
        0 => None,
        errno if errno == Errno::EPIPE as i32 => None,
        errno => Some(io::Error::from_raw_os_error(errno)),
    }
}

/// From here on no reader is waited for for longer than half a second at a time.
pub(super) fn hurry() {
    HURRIED.store(true, Relaxed);
}

/// Whether standard output is a pipe without a reader. Cheap enough for every poll.
pub(super) fn reader_has_gone() -> bool {
    let out = io::stdout();
    let pipe = SFlag::S_IFMT.bits() & fstat(&out).map_or(0, |status| status.st_mode) == SFlag::S_IFIFO.bits();
    let mut fds = [PollFd::new(out.as_fd(), PollFlags::empty())];
    let looked = pipe && poll(&mut fds, PollTimeout::ZERO).is_ok();
    looked && fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLERR))
}

/// Whether the output is watched: a terminal, and this program in its foreground.
pub(super) fn is_watched(to: &impl AsFd) -> bool {
    tcgetpgrp(to).is_ok_and(|foreground| foreground == getpgrp())
}

fn shown(kind: Kind, text: &str, to: BorrowedFd<'_>) -> String {
    match kind {
        Kind::Text => {
            let text = in_charset(printable_lines(text));
            let width = terminal_size_of(to).map(|(Width(columns), _)| usize::from(columns).max(MIN_WIDTH));
            width.map_or_else(|| text.clone(), |width| folded(&text, width))
        }
        Kind::Painted => in_charset(painted_lines(text)),
        Kind::Json => printable_json(text),
    }
}

/// In what the terminal's character set has.
fn in_charset(text: String) -> String {
    if charset::is_utf8() || text.is_ascii() { text } else { ascii(&text) }
}

fn put(to: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        if HURRIED.load(Relaxed) && !has_room(to, PollTimeout::from(WRITE_TIMEOUT_MS)) {
            return Err(Errno::ETIMEDOUT);
        }
        match write(to, &bytes[..bytes.len().min(CHUNK)]) {
            Ok(0) => return Err(Errno::EIO),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            // Another program made it so.
            Err(Errno::EAGAIN) if !HURRIED.load(Relaxed) => drop(has_room(to, PollTimeout::NONE)),
            Err(Errno::EAGAIN) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Whether there is room, or an error to be had, within that time; after a signal the time begins again.
fn has_room(to: BorrowedFd<'_>, timeout: PollTimeout) -> bool {
    let mut fds = [PollFd::new(to, PollFlags::POLLOUT)];
    loop {
        match poll(&mut fds, timeout) {
            Err(Errno::EINTR) => {}
            // Other errors are reported by the write.
            other => return other.map_or(true, |ready| ready > 0),
        }
    }
}
