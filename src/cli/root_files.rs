#![allow(unsafe_code, reason = "fork")]
//! Files of root's for a responder that is another user by now: its configuration at SIGHUP, and the
//! control socket, which is removed at the end, however the responder ends.
//!
//! A second process does it (docs/decisions/0058-unprivileged-user.md). It has root's user number
//! and no capability, no network, no interface's sockets; after `seal` it takes no other path.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_name;
use nix::sys::signal::SigSet;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, close, dup2_stderr, dup2_stdin, dup2_stdout, fork};

use super::Failure;
use super::config::source;
use handfast_stack::engine::drop_privileges;

/// Maximum size of a file or path in bytes.
const MAX_SIZE: u32 = 32 << 20;
/// Maximum time for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What it is asked for, by one byte.
const REMOVE: u8 = b'r';
const SEAL: u8 = b's';
const CONFIG: u8 = b'c';

/// The other process. Dropping this ends it, once it has removed what it was given to remove.
pub(super) struct RootFiles {
    child: Pid,
    stream: Mutex<UnixStream>,
}

impl RootFiles {
    /// Before anything else is opened, so that it keeps nothing open, and before there are threads.
    pub(crate) fn start(config: Option<&Path>) -> Result<RootFiles, Failure> {
        let cannot =
            |error: io::Error| Failure::new(format!("cannot start a process: {error}")).fix("--user root");
        let (near, far) = UnixStream::pair().map_err(cannot)?;
        // SAFETY: this process has one thread, so the new one may do whatever this one may.
        match unsafe { fork() }.map_err(|errno| cannot(errno.into()))? {
            ForkResult::Child => {
                drop(near);
                serve(far, config);
                std::process::exit(0);
            }
            ForkResult::Parent { child } => {
                near.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(cannot)?;
                Ok(RootFiles { child, stream: Mutex::new(near) })
            }
        }
    }

    /// This file of ours goes with the program.
    pub(crate) fn remove_at_end(&self, path: &Path) {
        let path = path.as_os_str().as_bytes();
        // Without the other process it stays, and the next start replaces it.
        let _ = self.ask(|stream| {
            stream.write_all(&[REMOVE])?;
            put(stream, path)
        });
    }

    /// No other path from now on.
    pub(crate) fn seal(&self) {
        let _ = self.ask(|stream| stream.write_all(&[SEAL]));
    }

    /// The configuration as it is now.
    ///
    /// # Errors
    /// Root cannot read it either.
    pub(crate) fn config(&self) -> io::Result<Vec<u8>> {
        self.ask(|stream| {
            stream.write_all(&[CONFIG])?;
            match (byte(stream)?, take(stream)?) {
                (0, content) => Ok(content),
                (_, why) => Err(io::Error::other(String::from_utf8_lossy(&why).into_owned())),
            }
        })
    }

    fn ask<T>(&self, what: impl FnOnce(&mut UnixStream) -> io::Result<T>) -> io::Result<T> {
        what(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for RootFiles {
    fn drop(&mut self) {
        let stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // It fails only if the other process has gone.
        let _ = stream.shutdown(std::net::Shutdown::Both);
        let _ = waitpid(self.child, None);
    }
}

/// The other process, until the first one has gone.
fn serve(mut stream: UnixStream, config: Option<&Path>) {
    // Ctrl-C and a service manager's SIGTERM are for the other one, whose end is awaited.
    let _ = SigSet::all().thread_block();
    let _ = set_name(c"hf-files");
    if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
        // A reader of our output waits for the responder's end, not for this one's.
        let _ = (dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null));
    }
    close_all_but(&stream);
    // Where it may; it has no business there.
    let _ = unshare(CloneFlags::CLONE_NEWNET);
    if drop_privileges().is_err() {
        return;
    }
    let mut remove = Vec::new();
    let mut sealed = false;
    while let Ok(what) = byte(&mut stream) {
        let done = match what {
            REMOVE if !sealed => take(&mut stream).map(|path| remove.extend(RemovedEntry::now(path))),
            SEAL => {
                sealed = true;
                Ok(())
            }
            CONFIG => answer(&mut stream, config),
            _ => break,
        };
        if done.is_err() {
            break;
        }
    }
    remove.iter().for_each(RemovedEntry::remove);
}

/// Descriptors inherited from the parent process, so that no reader waits for their end in vain.
fn close_all_but(stream: &UnixStream) {
    let own = stream.as_raw_fd();
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && *fd != own) {
        // The directory's own is closed already.
        let _ = close(fd);
    }
}

fn answer(stream: &mut UnixStream, config: Option<&Path>) -> io::Result<()> {
    let read = config.ok_or_else(|| io::ErrorKind::NotFound.into()).and_then(source::read_bounded);
    let (status, content) = match read {
        Ok(content) => (0, content),
        Err(error) => (1, error.to_string().into_bytes()),
    };
    stream.write_all(&[status])?;
    put(stream, &content)
}

/// A file to be removed: this one, and none that has taken its name meanwhile.
struct RemovedEntry {
    path: PathBuf,
    identity: (u64, u64),
}

impl RemovedEntry {
    fn now(path: Vec<u8>) -> Option<RemovedEntry> {
        let path = PathBuf::from(std::ffi::OsString::from_vec(path));
        Some(RemovedEntry { identity: identity(&path)?, path })
    }

    fn remove(&self) {
        if identity(&self.path) == Some(self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn byte(stream: &mut UnixStream) -> io::Result<u8> {
    let mut one = [0];
    stream.read_exact(&mut one).map(|()| one[0])
}

/// Writes the length, then the bytes.
fn put(stream: &mut UnixStream, content: &[u8]) -> io::Result<()> {
    let length = u32::try_from(content.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_ne_bytes())?;
    stream.write_all(content)
}

fn take(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_ne_bytes(length);
    if length > MAX_SIZE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut content = vec![0; length as usize];
    stream.read_exact(&mut content)?;
    Ok(content)
}
