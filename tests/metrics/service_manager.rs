//! sd_notify(3), with the test as the service manager.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use support::{Process, TIMEOUT, lab};
use tempfile::TempDir;

use crate::programs::{Responder, bench, json};

struct Manager {
    socket: UnixDatagram,
    directory: TempDir,
}

impl Manager {
    fn new() -> Manager {
        let directory = TempDir::new().expect("a directory");
        // As /run/systemd is: the program is no longer root by then.
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).expect("its own");
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("its own");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a socket");
        Manager { socket, directory }
    }

    fn path(&self) -> std::path::PathBuf {
        self.directory.path().join("notify")
    }

    fn next(&self) -> String {
        let mut buffer = [0; 4096];
        // A machine that was put to sleep meanwhile interrupts a call with a time limit.
        let length = loop {
            match self.socket.recv(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                told => break told.expect("the program tells something"),
            }
        };
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Everything up to a message that has such a line; that one is last.
    fn until(&self, start: &str) -> Vec<String> {
        let deadline = Instant::now() + TIMEOUT;
        let mut told: Vec<String> = Vec::new();
        while !told.last().is_some_and(|last| last.lines().any(|line| line.starts_with(start))) {
            assert!(Instant::now() < deadline, "no {start}: {told:#?}");
            told.push(self.next());
        }
        told
    }
}

#[test]
fn a_responder_tells_when_it_is_ready_how_it_goes_and_that_it_ends() {
    let Some(lab) = lab(|spec| spec) else { return };
    let manager = Manager::new();
    let responder =
        Responder::start_with(&lab, &["--listen", "198.18.1.1:80", "--interval", "0"], |command| {
            command.env("NOTIFY_SOCKET", manager.path()).env("WATCHDOG_USEC", "400000")
        });
    let first = manager.next();
    assert!(first.lines().any(|line| line == "READY=1"), "{first}");
    assert_eq!(responder.get("/healthz").body, "ok\n");
    // A sign of life each 200 ms, and a line of rates each second.
    let began = Instant::now();
    let told = manager.until("STATUS=");
    let signs = told.iter().filter(|told| told.trim() == "WATCHDOG=1").count();
    assert!((2..=6).contains(&signs), "{:?}: {told:#?}", began.elapsed());
    assert!(told.last().is_some_and(|status| status.contains(" established/s ")), "{told:#?}");
    let summary = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| responder.stop());
        let told = manager.until("STOPPING=1");
        assert!(!told.iter().any(|told| told.contains("READY=1")), "{told:#?}");
        stopped.join().expect("it ends")
    });
    assert_eq!(summary["fault"], serde_json::Value::Null);
}

#[test]
fn so_does_a_benchmark() {
    let Some(lab) = lab(|spec| spec) else { return };
    let manager = Manager::new();
    let responder = Responder::start(&lab, &["--listen", "198.18.1.1:80=discard", "--msl", "1"]);
    let report = manager.directory.path().join("bench.json");
    let mut command = bench(&lab, "198.18.1.1:80 --rate 200 --duration 2", &report);
    command.env("NOTIFY_SOCKET", manager.path());
    let bench = Process::start(command);
    assert!(manager.next().contains("READY=1\n"));
    let told = manager.until("STATUS=");
    assert!(told.last().is_some_and(|status| status.contains(" completed, ")), "{told:#?}");
    manager.until("STOPPING=1");
    let ended = bench.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(json(&report)["connections"]["completed"].as_u64() > Some(100));
    responder.stop();
}

/// A socket that is not there is said once, and is no reason not to work.
#[test]
fn a_service_manager_that_is_gone_is_no_fault() {
    let Some(lab) = lab(|spec| spec) else { return };
    let manager = Manager::new();
    let path = manager.path();
    fs::remove_file(&path).expect("the socket's file");
    let responder = Responder::start_with(&lab, &["--listen", "198.18.1.1:80"], |command| {
        command.env("NOTIFY_SOCKET", &path)
    });
    responder.stop();
}
