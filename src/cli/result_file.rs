//! Files for results. They are checked before the run, and changed only by results: an existing file
//! stays until new results replace it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::geteuid;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::{Failure, out, standard_output};
use handfast_report::bench::write_json;

/// Maximum time to wait for the reader of a pipe.
const READER_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for standard output, whose reader may be a pager.
const PAGER_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL_MS: u16 = 50;

/// One of them.
#[derive(Debug)]
pub(super) struct ResultFile {
    path: PathBuf,
    place: FilePlace,
    /// An empty file of ours, that goes again if nothing comes of the run.
    made: bool,
}

#[derive(Debug)]
enum FilePlace {
    /// Standard output or error, a pipe, a device: nothing to be replaced.
    Stream(File),
    /// A regular file that is written at the end; `None`: there is none yet.
    Whole(Option<File>),
    /// A file that is written during the run: a temporary file until the start has succeeded.
    Growing(Option<NamedTempFile>),
}

impl ResultFile {
    /// For a file that is written once, at the end. Changes nothing.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn check(path: &Path) -> Result<ResultFile, Failure> {
        let (path, found) = find(path).map_err(|error| refused(path, &error))?;
        let place = match found {
            OpenedFile::Stream(file) => FilePlace::Stream(file),
            OpenedFile::Regular(file) => FilePlace::Whole(Some(file)),
            OpenedFile::Nothing => FilePlace::Whole(None),
        };
        if let FilePlace::Whole(None) = place {
            tempfile::tempfile_in(folder(&path)).map_err(|error| refused(&path, &error))?;
        }
        Ok(ResultFile { path, place, made: false })
    }

    /// For a file that is written during the run; returns the open file. Changes nothing until
    /// [`ResultFile::hold`].
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn growing(path: &Path) -> Result<(ResultFile, File), Failure> {
        let grow = || -> io::Result<(ResultFile, File)> {
            let (path, found) = find(path)?;
            let (place, file) = match found {
                OpenedFile::Stream(file) => (FilePlace::Stream(file.try_clone()?), file),
                OpenedFile::Regular(old) => beside(&path, Some(&old))?,
                OpenedFile::Nothing => beside(&path, None)?,
            };
            Ok((ResultFile { path, place, made: false }, file))
        };
        grow().map_err(|error| match error.raw_os_error() {
            Some(code) if code == Errno::ENXIO as i32 => Failure::cannot_write(path, &error)
                .fix(format!("start the reader of the pipe first, as in: tshark -i {}", path.display())),
            _ => refused(path, &error),
        })
    }

    /// A regular file that is written at once, or will be one.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.place, FilePlace::Whole(_))
    }

    /// The start has succeeded: what needs a privilege is done while there are any.
    ///
    /// # Errors
    /// It cannot be written any more.
    pub(crate) fn hold(&mut self) -> Result<(), Failure> {
        let path = &self.path;
        let cannot = |error: io::Error| refused(path, &error);
        match &mut self.place {
            FilePlace::Whole(held @ None) => {
                let new = temporary(path, None).map_err(cannot)?;
                *held = Some(new.persist(path).map_err(|error| cannot(error.error))?);
                self.made = true;
            }
            FilePlace::Growing(beside) => {
                let replaced = beside.take().map(|file| file.persist(path)).transpose();
                replaced.map_err(|error| cannot(error.error))?;
            }
            _ => {}
        }
        Ok(())
    }

    /// All of it, or what was there before.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn write(mut self, content: &[u8]) -> Result<(), Failure> {
        self.put(content).map_err(|error| refused(&self.path, &error))?;
        self.made = false;
        Ok(())
    }

    fn put(&mut self, content: &[u8]) -> io::Result<()> {
        match &mut self.place {
            FilePlace::Stream(file) if standard_output::is_meant(&self.path) => {
                match stream(file, content, PAGER_TIMEOUT) {
                    // `| head` had what it wanted.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
                    other => other,
                }
            }
            FilePlace::Stream(file) => stream(file, content, READER_TIMEOUT),
            FilePlace::Growing(_) => Ok(()),
            FilePlace::Whole(held) => match (replace(&self.path, held.as_ref(), content), held) {
                // Privileges are gone, and with them the right to rename in this folder, or to give the
                // new file to the old one's owner.
                (Err(error), Some(held)) if error.kind() == ErrorKind::PermissionDenied => {
                    overwrite(held, content)
                }
                (result, _) => result,
            },
        }
    }
}

impl Drop for ResultFile {
    fn drop(&mut self) {
        if self.made {
            // Without the right to, it stays, empty.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What is at a path, open.
enum OpenedFile {
    Stream(File),
    Regular(File),
    Nothing,
}

/// The path as it is written to, and what is there now.
fn find(path: &Path) -> io::Result<(PathBuf, OpenedFile)> {
    let text = path.to_string_lossy();
    if standard_output::is_meant(path) {
        return Ok((path.to_owned(), OpenedFile::Stream(standard_output::open()?)));
    }
    if text == "/dev/stderr" {
        return Ok((path.to_owned(), OpenedFile::Stream(io::stderr().as_fd().try_clone_to_owned()?.into())));
    }
    let mut options = OpenOptions::new();
    // Of a pipe: no waiting for a reader.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    options.write(true).custom_flags(flags);
    if text.starts_with("/dev/fd/") || text.starts_with("/proc/self/fd/") {
        return Ok((path.to_owned(), OpenedFile::Stream(options.append(true).open(path)?)));
    }
    let path = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok((path.to_owned(), OpenedFile::Nothing));
        }
        Err(error) => return Err(error),
        Ok(found) if !found.is_symlink() => path.to_owned(),
        // Another user may have put it there, for root to overwrite its target.
        Ok(_) if geteuid().is_root() => return Err(Errno::ELOOP.into()),
        Ok(_) => fs::canonicalize(path)?,
    };
    let file = options.custom_flags(flags | libc::O_NOFOLLOW).open(&path)?;
    let metadata = file.metadata()?;
    let found = match metadata.file_type() {
        kind if kind.is_block_device() => return Err(Errno::ENOTSUP.into()),
        kind if !kind.is_file() => OpenedFile::Stream(file),
        // It has another name, which keeps what it has.
        _ if metadata.nlink() > 1 => OpenedFile::Nothing,
        _ => OpenedFile::Regular(file),
    };
    Ok((path, found))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// An empty file in the same folder, with the owner and the mode of the old one.
fn temporary(path: &Path, old: Option<&File>) -> io::Result<NamedTempFile> {
    let mode = fs::Permissions::from_mode(0o666);
    let new = tempfile::Builder::new().prefix(".handfast-").permissions(mode).tempfile_in(folder(path))?;
    if let Some(old) = old {
        let (old, own) = (old.metadata()?, new.as_file().metadata()?);
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            fchown(new.as_file(), Some(old.uid()), Some(old.gid()))?;
        }
        new.as_file().set_permissions(old.permissions())?;
    }
    Ok(new)
}

fn beside(path: &Path, old: Option<&File>) -> io::Result<(FilePlace, File)> {
    let new = temporary(path, old)?;
    let file = new.as_file().try_clone()?;
    Ok((FilePlace::Growing(Some(new)), file))
}

fn replace(path: &Path, old: Option<&File>, content: &[u8]) -> io::Result<()> {
    let mut new = temporary(path, old)?;
    new.write_all(content)?;
    new.persist(path).map(drop).map_err(|error| error.error)
}

/// Room for all of it first: a full disk leaves what was there.
fn overwrite(file: &mut File, content: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    match fallocate(&*file, FallocateFlags::empty(), 0, content.len().max(1) as libc::off_t) {
        Ok(()) | Err(Errno::EOPNOTSUPP) => {}
        Err(errno) => {
            let _ = file.set_len(before);
            return Err(errno.into());
        }
    }
    file.seek(SeekFrom::Start(0))?;
    file.write_all(content)?;
    file.set_len(content.len() as u64)
}

/// Into a pipe or a device, that may take a little at a time.
fn stream(file: &mut File, mut content: &[u8], timeout: Duration) -> io::Result<()> {
    let mut taken = Instant::now();
    while !content.is_empty() {
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
        // Interrupted or not: it is tried again.
        let ready = poll(&mut fds, PollTimeout::from(POLL_INTERVAL_MS)).is_ok_and(|ready| ready > 0);
        let chunk = &content[..content.len().min(out::CHUNK)];
        match if ready { file.write(chunk) } else { Err(ErrorKind::WouldBlock.into()) } {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => (content, taken) = (&content[written..], Instant::now()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        if taken.elapsed() > timeout {
            return Err(io::Error::new(ErrorKind::TimedOut, "its reader does not read"));
        }
    }
    Ok(())
}

/// As a file has it: one line a field, a second or a core, not one a number.
///
/// # Errors
/// The value has no form in JSON.
pub(super) fn json(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    write_json(&mut text, value).map_err(Failure::of)?;
    Ok(text)
}

/// The failure with its fix.
fn refused(path: &Path, error: &io::Error) -> Failure {
    let failure = Failure::cannot_write(path, error);
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ELOOP) => Failure::new(format!(
            "cannot write {}: it is a symbolic link, which is not followed as root",
            path.display()
        ))
        .fix(match fs::canonicalize(path) {
            Ok(target) => format!("name the file itself: {}", target.display()),
            Err(_) => format!("rm {}", path.display()),
        }),
        Some(Errno::ENXIO) => {
            failure.fix(format!("start the reader of the pipe first, as in: cat {} &", path.display()))
        }
        Some(Errno::ENOSPC) => failure.fix("free space on the disk, or name a file on another one"),
        Some(Errno::ENOTSUP) => {
            Failure::new(format!("cannot write {}: it is a block device", path.display()))
                .fix("name a file, or a pipe")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests;
