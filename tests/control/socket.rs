//! The socket's file, and which program is asked.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use support::{Responder, lab, owned, wait_until};

use crate::asked::{Asked, handfast};

const FOLDER: &str = "/run/handfast";

fn of(pid: u32) -> PathBuf {
    Path::new(FOLDER).join(format!("{pid}.sock"))
}

#[test]
fn it_is_roots_alone_and_goes_with_the_program() {
    let Some(lab) = lab(|spec| spec) else { return };
    let responder = Responder::start(&lab, &["--listen", &owned(false, "80=http")]);
    let path = of(responder.id());
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert!(fs::metadata(&path).expect("it is there").file_type().is_socket());
    assert_eq!((mode(&path), mode(Path::new(FOLDER))), (0o600, 0o700));
    responder.stop();
    assert!(!path.exists());
}

/// Also in a directory of root's, and also when the program is killed: it is another user by then.
#[test]
fn it_goes_from_a_place_of_roots_however_the_program_ends() {
    let Some(lab) = lab(|spec| spec) else { return };
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("control.sock");
    let listener = owned(false, "80=http");
    let arguments = ["--listen", listener.as_str(), "--control", path.to_str().expect("UTF-8")];
    let responder = Responder::start(&lab, &arguments);
    assert!(path.exists());
    responder.stop();
    assert!(!path.exists());
    let responder = Responder::start(&lab, &arguments);
    assert!(path.exists());
    responder.kill();
    wait_until("it is removed", || !path.exists());

    // A start that fails removes nothing of another's.
    let asked = Responder::start(&lab, &arguments);
    let second = Responder::run(&lab, &[&["--dev", "hf-s"], &arguments[..]].concat());
    assert!(second.text.contains("another program answers at"), "{}", second.text);
    assert!(path.exists());
    asked.stop();
}

#[test]
fn the_next_program_removes_what_a_killed_one_left() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "80=http");
    // Root without another process that would remove it.
    let killed = Responder::start(&lab, &["--listen", &listener, "--user", "root"]);
    let left = of(killed.id());
    assert!(left.exists());
    // SIGKILL leaves it; whichever program starts first from now on may remove it.
    killed.kill();
    let next = Responder::start(&lab, &["--listen", &listener]);
    assert!(!left.exists());
    assert!(of(next.id()).exists());
    next.stop();
}

#[test]
fn of_two_programs_one_is_chosen_by_its_number() {
    let (Some(one), Some(two)) = (lab(|spec| spec), lab(|spec| spec)) else { return };
    let first = Responder::start(&one, &["--listen", &owned(false, "7=echo")]);
    let second = Responder::start(&two, &["--listen", &owned(false, "80=http")]);
    let several = handfast(&["connections"]);
    assert_eq!(several.code, Some(1), "{several:?}");
    assert!(several.err.contains("several programs are running"), "{several:?}");
    let choices = several.err.split_once("\nfix: ").expect("what to do").1;
    for responder in [&first, &second] {
        let pid = responder.id().to_string();
        assert!(several.err.contains(&format!("  {pid}: respond on hf-s, for ")), "{several:?}");
        assert!(choices.contains(&format!("handfast connections --pid {pid}\n")), "{several:?}");
        let counted = handfast(&["connections", "--count", "--pid", &pid]);
        assert_eq!(
            (counted.code, counted.out.as_str()),
            (Some(0), "total                   0\n"),
            "{counted:?}"
        );
    }
    first.stop();
    second.stop();
}

#[test]
fn who_is_not_there_is_named() {
    let nobody = handfast(&["connections", "--pid", "1073741823"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.err.contains("process ID 1073741823"), "{nobody:?}");
    let nowhere = handfast(&["connections", "--socket", "/nonexistent/control.sock"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.err.contains("no program answers at /nonexistent/control.sock"), "{nowhere:?}");
}

#[test]
fn a_socket_that_was_asked_for_must_be_made_and_none_is_none() {
    let Some(lab) = lab(|spec| spec) else { return };
    let listener = owned(false, "80=http");
    let wrong = ["--dev", "hf-s", "--listen", &listener, "--control", "/nonexistent/control.sock"];
    let ended = Responder::run(&lab, &wrong);
    assert_eq!(ended.code, Some(1), "{}", ended.text);
    assert!(
        ended.text.contains("cannot create the control socket /nonexistent/control.sock"),
        "{}",
        ended.text
    );
    assert!(ended.text.contains("fix: --control PATH"), "{}", ended.text);

    let asked = Asked::start(&lab, &["--listen", &listener]);
    assert!(!of(asked.responder.id()).exists());
    let place = asked.socket.to_str().expect("UTF-8");
    let second = Responder::run(&lab, &["--dev", "hf-s", "--listen", &listener, "--control", place]);
    assert!(second.text.contains("another program answers at"), "{}", second.text);
    asked.responder.stop();

    let mute = Responder::start(&lab, &["--listen", &listener, "--control", "none"]);
    assert!(!of(mute.id()).exists());
    mute.stop();
}
