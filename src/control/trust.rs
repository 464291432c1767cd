//! The sockets that a client trusts: a program of another user could send root false answers, or
//! none.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use nix::unistd::{Uid, User, geteuid};

/// The folder of the service: packaging/handfast.service runs it as a dynamic user.
pub(super) const OF_SERVICE: &str = "/run/handfast-respond/handfast";

/// Why a socket is not trusted, or cannot be connected.
#[derive(Debug)]
pub(super) enum ConnectError {
    Io(io::Error),
    /// A link, or not a socket.
    NotASocket,
    /// It belongs to this other user.
    OtherUser(String),
}

/// Connects to a program of root or of this user. The file must be a socket, not a link, and both the
/// file and the listening process must belong to one of the two.
pub(super) fn connect_trusted(path: &Path, timeout: Duration) -> Result<UnixStream, ConnectError> {
    let file = fs::symlink_metadata(path).map_err(ConnectError::Io)?;
    if !file.file_type().is_socket() {
        return Err(ConnectError::NotASocket);
    }
    let trusted = |uid: Uid| uid.is_root() || uid == geteuid() || put_by_root(path, uid);
    let trust = |uid| if trusted(uid) { Ok(()) } else { Err(ConnectError::OtherUser(name(uid))) };
    trust(Uid::from_raw(file.uid()))?;
    let stream = connect_within(path, timeout).map_err(ConnectError::Io)?;
    // The credentials at the time of listen(2), whatever the path refers to now.
    let peer =
        getsockopt(&stream, sockopt::PeerCredentials).map_err(|errno| ConnectError::Io(errno.into()))?;
    trust(Uid::from_raw(peer.uid()))?;
    Ok(stream)
}

/// Whether only root can have allowed this user to create a socket here: in a directory of root, or
/// in that of the service, which the service manager creates for the service's user.
fn put_by_root(path: &Path, uid: Uid) -> bool {
    let Some(folder) = path.parent() else { return false };
    let Ok(is) = fs::symlink_metadata(folder) else { return false };
    let closed = is.is_dir() && is.mode() & 0o022 == 0;
    let of_service = folder == Path::new(OF_SERVICE) && is.uid() == uid.as_raw();
    closed && (is.uid() == 0 || of_service)
}

/// Connects with a timeout: a socket whose queue is full would block forever.
fn connect_within(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(timeout.as_secs() as i64, 0))?;
    let (address, until) = (UnixAddr::new(path)?, Instant::now() + timeout);
    let connected = loop {
        match connect(socket.as_raw_fd(), &address) {
            // Interrupted by a signal: no connection was begun.
            Err(Errno::EINTR) if Instant::now() < until => {}
            other => break other.map_err(io::Error::from),
        }
    };
    match connected {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::TimedOut, "the program does not accept the connection"))
        }
        other => other.map(|()| socket.into()),
    }
}

/// Whether no program listens there.
pub(super) fn has_no_listener(path: &Path) -> bool {
    const TIMEOUT: Duration = Duration::from_secs(1);
    matches!(connect_within(path, TIMEOUT), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

pub(super) fn name(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    const TIMEOUT: Duration = Duration::from_secs(1);

    #[test]
    fn a_link_and_a_file_are_not_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _listener = UnixListener::bind(path("a")).unwrap();
        symlink(path("a"), path("link")).unwrap();
        fs::write(path("file"), "").unwrap();
        assert!(connect_trusted(&path("a"), TIMEOUT).is_ok());
        assert!(matches!(connect_trusted(&path("link"), TIMEOUT), Err(ConnectError::NotASocket)));
        assert!(matches!(connect_trusted(&path("file"), TIMEOUT), Err(ConnectError::NotASocket)));
        assert!(matches!(connect_trusted(&path("nothing"), TIMEOUT), Err(ConnectError::Io(_))));
    }

    #[test]
    fn a_program_that_accepts_no_client_times_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let _listener = UnixListener::bind(&path).unwrap();
        let began = Instant::now();
        // The queue holds some; it is never emptied.
        let mut waiting = Vec::new();
        let full = (0..100_000).find_map(|_| match connect_within(&path, TIMEOUT) {
            Ok(stream) => {
                waiting.push(stream);
                None
            }
            Err(error) => Some(error.kind()),
        });
        assert_eq!(full, Some(ErrorKind::TimedOut));
        assert!(!has_no_listener(&path) && began.elapsed() >= TIMEOUT);
    }

    #[test]
    fn another_user_is_trusted_where_root_allows_it() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), Uid::from_raw(4_000_000_000));
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        assert_eq!(put_by_root(&path, other), geteuid().is_root());
        mode(0o1777);
        assert!(!put_by_root(&path, other), "any user may create one there");
    }
}
