//! What root's `connections` and `top` do not believe, and do not wait for.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use support::{ChildGuard, Ended, lab, owned, root, wait_until};
use tempfile::TempDir;

use crate::asked::{Asked, handfast};

const NOBODY: u32 = 65_534;

/// Another user's program that listens at a place and gives every request the same false answer.
fn liar_at(path: &Path) -> ChildGuard {
    let listens = "use IO::Socket::UNIX; $SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new(Local => shift, Listen => 5) or die; \
                   while (my $c = $s->accept) { <$c>; print $c qq({\"states\":{\"ESTABLISHED\":7}}\\n); }";
    let mut command = Command::new("perl");
    command.args(["-e", listens]).arg(path).uid(NOBODY).gid(NOBODY).stdin(Stdio::null());
    let liar = ChildGuard::spawn(command);
    wait_until("it listens", || UnixStream::connect(path).is_ok());
    liar
}

fn asks(path: &Path) -> [Ended; 2] {
    let path = path.to_str().expect("UTF-8");
    [&["connections", "--count", "--socket", path][..], &["top", "--once", "--socket", path]].map(handfast)
}

#[track_caller]
fn assert_refused(path: &Path, why: &str) {
    for said in asks(path) {
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
    }
}

#[test]
fn another_users_program_is_not_believed() {
    let Some(()) = root() else { return };
    let folder = TempDir::new().expect("a directory");
    chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("root");
    let path = folder.path().join("1.sock");
    let _liar = liar_at(&path);
    assert_refused(
        &path,
        "the program belongs to nobody, which is not trusted here\nfix: run it as that user",
    );
    // Nor with a file that looks like root's: who listens counts.
    chown(&path, Some(0), Some(0)).expect("root");
    assert_refused(&path, "the program belongs to nobody");
    // Where root alone can have put it, it is meant.
    chown(folder.path(), Some(0), Some(0)).expect("root");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("root");
    let [counted, _] = asks(&path);
    assert!(counted.code == Some(0) && counted.out.contains("ESTABLISHED"), "{counted:?}");
}

#[test]
fn a_link_is_not_followed() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = Asked::start(&lab, &["--listen", &owned(false, "80=http")]);
    let folder = TempDir::new().expect("a directory");
    let link = folder.path().join("link.sock");
    symlink(&asked.socket, &link).expect("a link");
    assert_refused(&link, "is not a socket (links are not followed)");
    let [counted, _] = asks(&asked.socket);
    assert_eq!(counted.code, Some(0), "{counted:?}");
    asked.responder.stop();
}

/// Byte by byte, for ever: each of them comes soon enough.
#[test]
fn an_answer_without_an_end_is_given_up() {
    let folder = TempDir::new().expect("a directory");
    let path = folder.path().join("drip.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                while stream.write_all(b"x").is_ok() {
                    thread::sleep(Duration::from_millis(100));
                }
            });
        }
    });
    assert_refused(&path, "no answer within 10 s");
}
