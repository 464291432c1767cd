use std::fs::{self, DirBuilder};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, Uid, geteuid};
use thiserror::Error;

use super::trust::{OF_SERVICE, has_no_listener};

/// The folder of the sockets of root's programs.
const OF_ROOT: &str = "/run/handfast";
/// The folder of the other users' run-time folders.
const OF_USERS: &str = "/run/user";

/// The socket of this program, listening. Dropping it removes its file.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    /// The user who started the program. A program of root may run as another user, which is not accepted.
    owner: Uid,
    path: PathBuf,
}

/// Why there is no control socket.
#[derive(Debug, Error)]
pub enum SocketError {
    #[error("no folder for a control socket: XDG_RUNTIME_DIR is not set")]
    NoFolder,
    #[error("{} is not a folder that only this user can access", .0.display())]
    FolderOpen(PathBuf),
    #[error("another program answers at {}", .0.display())]
    InUse(PathBuf),
    #[error("{} exists and is not a socket", .0.display())]
    NotASocket(PathBuf),
    #[error("cannot create the control socket {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl SocketError {
    /// The fix.
    pub fn fix(&self) -> String {
        match self {
            SocketError::NoFolder => "give a path with --control PATH".to_owned(),
            SocketError::FolderOpen(folder) => {
                format!("rm -r {}, or give another path with --control PATH", folder.display())
            }
            SocketError::InUse(_) => "give another path with --control PATH".to_owned(),
            SocketError::NotASocket(path) => format!("rm {}, or --control PATH", path.display()),
            SocketError::Io { .. } => {
                "--control PATH in a folder that you may write to, or --control none".to_owned()
            }
        }
    }
}

impl Socket {
    /// The default path, where clients search: `PID.sock` in [`folder`]. Sockets of killed programs in
    /// that folder are removed.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn at_default() -> Result<Socket, SocketError> {
        let folder = folder().ok_or(SocketError::NoFolder)?;
        create(&folder)?;
        left_behind(&folder).iter().for_each(|path| {
            // Another program may have removed it.
            let _ = fs::remove_file(path);
        });
        Socket::at(&folder.join(format!("{}.sock", std::process::id())))
    }

    /// Creates the socket at this path. A socket without a listener is replaced.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn at(path: &Path) -> Result<Socket, SocketError> {
        let cannot = |source| SocketError::Io { path: path.to_owned(), source };
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(SocketError::NotASocket(path.to_owned()));
            }
            Ok(_) if !has_no_listener(path) => return Err(SocketError::InUse(path.to_owned())),
            Ok(_) => fs::remove_file(path).map_err(cannot)?,
            Err(_) => {}
        }
        // The umask applies to the whole process, which has one thread at this point.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let listener = bound.map_err(cannot)?;
        listener.set_nonblocking(true).map_err(cannot)?;
        Ok(Socket { listener, owner: geteuid(), path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn owner(&self) -> Uid {
        self.owner
    }

    /// The next client, if there is one.
    pub(super) fn accept(&self) -> Option<UnixStream> {
        self.listener.accept().ok().map(|(stream, _)| stream)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The folder of this user's sockets.
pub(super) fn folder() -> Option<PathBuf> {
    if geteuid().is_root() {
        return Some(OF_ROOT.into());
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|name| !name.is_empty())?;
    Some(PathBuf::from(runtime).join("handfast"))
}

/// Programs of other users, which root does not trust, with the folder and the user of each.
pub(super) fn of_others() -> Vec<(u32, PathBuf, Uid)> {
    if !geteuid().is_root() {
        return Vec::new();
    }
    let owner = |path: &Path| fs::symlink_metadata(path).ok().map(|is| Uid::from_raw(is.uid()));
    let users = fs::read_dir(OF_USERS).into_iter().flatten().flatten().map(|user| user.path());
    let users = users.filter_map(|user| Some((owner(&user)?, user))).filter(|(uid, _)| !uid.is_root());
    let of_user = |(uid, user): (Uid, PathBuf)| {
        let numbers = sockets(&user.join("handfast")).into_iter().map(|(number, _)| number);
        let alive = numbers.filter(move |pid| owner(Path::new(&format!("/proc/{pid}"))) == Some(uid));
        alive.map(move |pid| (pid, user.clone(), uid)).collect::<Vec<_>>()
    };
    users.flat_map(of_user).collect()
}

/// Every socket that this user trusts, with the process ID of its program.
pub(super) fn all() -> Vec<(u32, PathBuf)> {
    let mut folders: Vec<PathBuf> = folder().into_iter().collect();
    if geteuid().is_root() {
        folders.push(OF_SERVICE.into());
    }
    let mut found: Vec<(u32, PathBuf)> = folders.iter().flat_map(|folder| sockets(folder)).collect();
    found.retain(|(_, path)| !has_no_listener(path));
    found.sort();
    found
}

/// `PID.sock` in a folder.
fn sockets(folder: &Path) -> Vec<(u32, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let numbered = entries.filter_map(|entry| {
        let path = entry.path();
        let number = path.file_name()?.to_str()?.strip_suffix(".sock")?.parse().ok()?;
        Some((number, path))
    });
    numbered.collect()
}

/// Sockets whose program is gone. Both conditions are checked: a program that has bound but does not
/// listen yet has no listener for a moment, and process IDs are reused.
fn left_behind(folder: &Path) -> Vec<PathBuf> {
    let gone = |number: u32| kill(Pid::from_raw(number as i32), None) == Err(Errno::ESRCH);
    let dead = sockets(folder).into_iter().filter(|(number, path)| gone(*number) && has_no_listener(path));
    dead.map(|(_, path)| path).collect()
}

/// Creates a folder that only this user can access.
fn create(folder: &Path) -> Result<(), SocketError> {
    let cannot = |source| SocketError::Io { path: folder.to_owned(), source };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(cannot(error)),
        _ => {}
    }
    let is = fs::symlink_metadata(folder).map_err(cannot)?;
    let ours = is.is_dir() && Uid::from_raw(is.uid()) == geteuid() && is.mode() & 0o077 == 0;
    if ours { Ok(()) } else { Err(SocketError::FolderOpen(folder.to_owned())) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_socket_is_private_and_removed_with_its_value() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("here.sock");
        let socket = Socket::at(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::at(&path), Err(SocketError::InUse(_))));
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_without_a_listener_is_replaced_and_anything_else_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("here.sock");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Socket::at(&path).unwrap());
        fs::write(&path, "a file").unwrap();
        assert!(matches!(Socket::at(&path), Err(SocketError::NotASocket(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }

    #[test]
    fn sockets_of_programs_that_are_gone_are_found_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        // No process has this ID: it is above the kernel's maximum.
        let gone = folder.path().join("1073741823.sock");
        let alive = folder.path().join(format!("{}.sock", std::process::id()));
        let named = folder.path().join("other.sock");
        for path in [&gone, &alive, &named] {
            drop(UnixListener::bind(path).unwrap());
        }
        assert_eq!(left_behind(folder.path()), [gone]);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("handfast");
        create(&folder).unwrap();
        create(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(create(&folder), Err(SocketError::FolderOpen(_))));
    }
}
