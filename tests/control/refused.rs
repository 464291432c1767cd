//! Other users, invalid requests, many clients and silent ones: none of them disturbs those who may ask.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use support::{copy_into, lab, owned, run, wait_until};
use tempfile::TempDir;

use crate::asked::Asked;

const NOBODY: u32 = 65_534;

#[test]
fn another_user_gets_a_refusal() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = Asked::start(&lab, &["--listen", &owned(false, "80=http")]);
    // Where every user gets to it; the file's own mode would be enough.
    let public = TempDir::new().expect("a directory");
    let program = copy_into(&public);
    let open = |path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    let connections = || {
        let mut command = Command::new(&program);
        run(command.args(["connections", "--socket"]).arg(&asked.socket).uid(NOBODY).gid(NOBODY))
    };
    let shut = connections();
    assert_eq!(shut.code, Some(1), "{shut:?}");
    assert!(shut.err.contains("no program answers at") && shut.err.contains("run this as root"), "{shut:?}");

    open(asked.socket.parent().expect("a folder"), 0o755);
    open(&asked.socket, 0o666);
    let unauthorized = connections();
    assert_eq!(unauthorized.code, Some(1), "{unauthorized:?}");
    assert_eq!(unauthorized.err, "handfast: only root and root may use this socket\n");
    assert!(unauthorized.out.is_empty(), "{unauthorized:?}");
    let control = asked.status().control;
    assert_eq!((control.unauthorized, control.clients), (1, 1), "{control:?}");
    asked.responder.stop();
}

#[test]
fn an_invalid_request_is_named_and_disturbs_no_other() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = Asked::start(&lab, &["--listen", &owned(false, "80=http")]);
    let open = || {
        let stream = UnixStream::connect(&asked.socket).expect("it answers");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        stream
    };
    let line = |stream: &UnixStream| {
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).expect("a line");
        line
    };
    let mut stream = open();
    for (request, part) in [
        ("\n", "invalid request"),
        ("{}\n", "missing field"),
        ("{\"ask\":\"password\"}\n", "unknown variant"),
        ("{\"ask\":\"connections\",\"state\":[\"open\"]}\n", "invalid state `open`"),
        ("{\"ask\":\"connections\",\"local\":\"here\"}\n", "invalid address `here`"),
        ("{\"ask\":\"connections\",\"limit\":-1}\n", "invalid request"),
    ] {
        stream.write_all(request.as_bytes()).expect("sent");
        let answer = line(&stream);
        assert!(answer.starts_with("{\"error\":") && answer.contains(part), "{request}: {answer}");
    }
    // Too long: an error, and the end of the connection.
    let mut huge = open();
    let _ = huge.write_all(&vec![b'x'; 1 << 20]);
    assert!(line(&huge).contains("at most 4096 bytes"));
    assert_eq!(asked.status().control.bad_requests, 7);
    asked.responder.stop();
}

#[test]
fn a_crowd_is_bounded_and_the_silent_do_not_hold_up_the_end() {
    let Some(lab) = lab(|spec| spec) else { return };
    let asked = Asked::start(&lab, &["--listen", &owned(false, "80=http")]);
    let mut crowd: Vec<_> = (0..8).map(|_| asked.client()).collect();
    crowd.iter_mut().for_each(|client| assert!(client.status().is_ok()));
    let refused = asked.client().status().expect_err("one too many").to_string();
    assert!(refused.contains("8 clients are connected already"), "{refused}");
    crowd.pop();
    wait_until("there is room again", || asked.client().status().is_ok());
    assert!(crowd[0].status().expect("still answered").control.too_many >= 1);
    // Seven are connected and silent, for which they have a minute; `stop` waits a quarter of it.
    asked.responder.stop();
    drop(crowd);
}
