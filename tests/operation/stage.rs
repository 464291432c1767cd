//! The network of one test, and the programs in it.

#[path = "../support/skip.rs"]
mod skip;

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use handfast_lab::{CLIENT_DEVICE, Lab, SERVED_V4, SERVER_DEVICE, SERVER_MAC, SOURCES_V4, Spec};
use serde_json::Value;
use tempfile::TempDir;

pub use skip::root;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_handfast");

/// So long may anything take that must happen.
pub const PATIENCE: Duration = Duration::from_secs(40);

pub struct Stage {
    lab: Lab,
    directory: TempDir,
}

impl Deref for Stage {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

/// `None`, said loudly, where there can be no lab.
pub fn stage() -> Option<Stage> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    root()?;
    let name = format!("o{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let lab = Lab::up(&Spec::new(name)).expect("the lab");
    Some(Stage { lab, directory: TempDir::new().expect("a directory") })
}

impl Stage {
    pub fn folder(&self) -> &Path {
        self.directory.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// `handfast respond` that closes first, at every address of the responder's.
    pub fn respond(&self, arguments: &str) -> Command {
        let mut command = self.server().command(PROGRAM);
        command.args(["respond", "--dev", SERVER_DEVICE, "--msl", "1", "--control", "none"]);
        command.args(["--listen", &format!("{SERVED_V4}:81=close")]).args(arguments.split_whitespace());
        command
    }

    /// `handfast bench` of that.
    pub fn bench(&self, arguments: &str) -> Command {
        let mut command = self.client().command(PROGRAM);
        command.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "--msl", "1"]);
        // The kernel's table of neighbours is one for all namespaces: other tests may have filled it.
        command.args(["198.18.1.1:81", "--gateway", SERVER_MAC, "--poll", "adaptive", "--control", "none"]);
        command.args(arguments.split_whitespace());
        command
    }

    /// The names of the files in the test's folder, and what is in them.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.folder()).expect("a folder");
        let read = |path: PathBuf| std::fs::read(path).expect("a file");
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            (path.file_name().expect("a name").to_string_lossy().into_owned(), read(path))
        };
        let mut files: Vec<_> = entries.map(file).collect();
        files.sort();
        files
    }
}

/// What a program printed, and its exit code.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// To its end, into files of its own.
pub fn run(mut command: Command) -> Ended {
    let folder = TempDir::new().expect("a directory");
    let path = |name: &str| folder.path().join(name);
    let file = |name: &str| File::create(path(name)).expect("a file");
    let mut child =
        Ends(command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().expect("it runs"));
    let code = child.code();
    let text = |name: &str| String::from_utf8_lossy(&std::fs::read(path(name)).expect("a file")).into_owned();
    Ended { code, out: text("out"), err: text("err") }
}

/// A program that is killed when dropped.
pub struct Ends(pub Child);

impl Ends {
    /// Waits for its end; `None`: a signal was it.
    pub fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().expect("a child of ours") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn json(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Looks often, for a while.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
