//! The programs of these tests, in the network of one test.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use handfast_lab::{CLIENT_DEVICE, SERVED_V4, SERVER_DEVICE, SERVER_MAC, SOURCES_V4};
use support::program;

pub struct Stage(support::Stage);

impl Deref for Stage {
    type Target = support::Stage;

    fn deref(&self) -> &support::Stage {
        &self.0
    }
}

/// `None` without root.
pub fn stage() -> Option<Stage> {
    support::stage(|spec| spec).map(Stage)
}

impl Stage {
    /// `handfast respond` that closes first, at every address of the responder's.
    pub fn respond(&self, arguments: &str) -> Command {
        let mut command = self.server().command(program());
        command.args(["respond", "--dev", SERVER_DEVICE, "--msl", "1", "--control", "none"]);
        command.args(["--listen", &format!("{SERVED_V4}:81=close")]).args(arguments.split_whitespace());
        command
    }

    /// `handfast bench` of that.
    pub fn bench(&self, arguments: &str) -> Command {
        let mut command = self.client().command(program());
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
