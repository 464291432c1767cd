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
                messages => break messages.expect("the program sends something"),
            }
        };
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    /// Everything up to a message that has such a line; that one is last.
    fn until(&self, start: &str) -> Vec<String> {
        let deadline = Instant::now() + TIMEOUT;
        let mut messages: Vec<String> = Vec::new();
        while !messages.last().is_some_and(|last| last.lines().any(|line| line.starts_with(start))) {
            assert!(Instant::now() < deadline, "no {start}: {messages:#?}");
            messages.push(self.next());
        }
        messages
    }
}

#[test]
fn a_responder_reports_that_it_is_ready_its_status_and_its_end() {
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
    let messages = manager.until("STATUS=");
    let signs = messages.iter().filter(|messages| messages.trim() == "WATCHDOG=1").count();
    assert!((2..=6).contains(&signs), "{:?}: {messages:#?}", began.elapsed());
    assert!(messages.last().is_some_and(|status| status.contains(" established/s ")), "{messages:#?}");
    let summary = std::thread::scope(|scope| {
        let stopped = scope.spawn(|| responder.stop());
        let messages = manager.until("STOPPING=1");
        assert!(!messages.iter().any(|messages| messages.contains("READY=1")), "{messages:#?}");
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
    let messages = manager.until("STATUS=");
    assert!(messages.last().is_some_and(|status| status.contains(" completed, ")), "{messages:#?}");
    manager.until("STOPPING=1");
    let ended = bench.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    assert!(json(&report)["connections"]["completed"].as_u64() > Some(100));
    responder.stop();
}

/// A socket that is missing is reported once, and the program works without it.
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
