//! Which sockets a client believes: root may be told things by a program of anybody's, who may also
//! never answer.

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

use super::socket::OF_SERVICE;

/// Why a socket is not believed, or not reached.
#[derive(Debug)]
pub(super) enum Distrust {
    Cannot(io::Error),
    /// A link, or no socket.
    NoSocket,
    /// Another user's, by name.
    Other(String),
}

/// A connection to a program of root's or of this user's. The file must be a socket and no link, and
/// both it and who listens there must be one of these two's.
pub(super) fn reach(path: &Path, patience: Duration) -> Result<UnixStream, Distrust> {
    let file = fs::symlink_metadata(path).map_err(Distrust::Cannot)?;
    if !file.file_type().is_socket() {
        return Err(Distrust::NoSocket);
    }
    let believed = |uid: Uid| uid.is_root() || uid == geteuid() || put_by_root(path, uid);
    let believe = |uid| if believed(uid) { Ok(()) } else { Err(Distrust::Other(name(uid))) };
    believe(Uid::from_raw(file.uid()))?;
    let stream = connected(path, patience).map_err(Distrust::Cannot)?;
    // As it was when the program began to listen; whatever the name leads to by now.
    let peer =
        getsockopt(&stream, sockopt::PeerCredentials).map_err(|errno| Distrust::Cannot(errno.into()))?;
    believe(Uid::from_raw(peer.uid()))?;
    Ok(stream)
}

/// Whether only root can have let this user have a socket here: in a directory of root's, or in the
/// service's, which the service manager makes for the service's user.
fn put_by_root(path: &Path, uid: Uid) -> bool {
    let Some(folder) = path.parent() else { return false };
    let Ok(is) = fs::symlink_metadata(folder) else { return false };
    let closed = is.is_dir() && is.mode() & 0o022 == 0;
    let of_service = folder == Path::new(OF_SERVICE) && is.uid() == uid.as_raw();
    closed && (is.uid() == 0 || of_service)
}

/// Connects, or gives up: a socket whose queue is full keeps its clients waiting for ever.
fn connected(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let socket: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::SendTimeout, &TimeVal::new(patience.as_secs() as i64, 0))?;
    let (address, until) = (UnixAddr::new(path)?, Instant::now() + patience);
    let connected = loop {
        match connect(socket.as_raw_fd(), &address) {
            // A signal; a connection that was not made has not begun either.
            Err(Errno::EINTR) if Instant::now() < until => {}
            other => break other.map_err(io::Error::from),
        }
    };
    match connected {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(io::Error::new(ErrorKind::TimedOut, "its program accepts no connection"))
        }
        other => other.map(|()| socket.into()),
    }
}

/// No program listens there.
pub(super) fn is_deserted(path: &Path) -> bool {
    const MOMENT: Duration = Duration::from_secs(1);
    matches!(connected(path, MOMENT), Err(error) if error.kind() == ErrorKind::ConnectionRefused)
}

pub(super) fn name(uid: Uid) -> String {
    User::from_uid(uid).ok().flatten().map_or_else(|| format!("uid {uid}"), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[test]
    fn a_link_and_a_file_are_no_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _listener = UnixListener::bind(path("a")).unwrap();
        symlink(path("a"), path("link")).unwrap();
        fs::write(path("file"), "").unwrap();
        assert!(reach(&path("a"), PATIENCE).is_ok());
        assert!(matches!(reach(&path("link"), PATIENCE), Err(Distrust::NoSocket)));
        assert!(matches!(reach(&path("file"), PATIENCE), Err(Distrust::NoSocket)));
        assert!(matches!(reach(&path("nothing"), PATIENCE), Err(Distrust::Cannot(_))));
    }

    #[test]
    fn a_program_that_lets_nobody_in_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let _listener = UnixListener::bind(&path).unwrap();
        let began = Instant::now();
        // The queue holds some; it is never emptied.
        let mut waiting = Vec::new();
        let full = (0..100_000).find_map(|_| match connected(&path, PATIENCE) {
            Ok(stream) => {
                waiting.push(stream);
                None
            }
            Err(error) => Some(error.kind()),
        });
        assert_eq!(full, Some(ErrorKind::TimedOut));
        assert!(!is_deserted(&path) && began.elapsed() >= PATIENCE);
    }

    #[test]
    fn others_may_have_sockets_where_root_lets_them() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), Uid::from_raw(4_000_000_000));
        let mode = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        assert_eq!(put_by_root(&path, other), geteuid().is_root());
        mode(0o1777);
        assert!(!put_by_root(&path, other), "anybody may make one there");
    }
}
