//! A responder with its own control socket, and `handfast connections` to ask it.

use std::path::PathBuf;
use std::process::Command;

use handfast_control::{Client, Status};
use handfast_lab::Lab;
use support::{Ended, Responder, program, run};
use tempfile::TempDir;

/// A responder that answers at a place only this test knows.
pub struct Asked {
    pub responder: Responder,
    pub socket: PathBuf,
    _folder: TempDir,
}

impl Asked {
    pub fn start(lab: &Lab, arguments: &[&str]) -> Asked {
        // A small table: a program that is not optimized takes a second to look through a large one.
        Asked::start_program(program(), lab, &[arguments, &["--max-connections", "20000"]].concat())
    }

    pub fn start_program(program: impl AsRef<std::ffi::OsStr>, lab: &Lab, arguments: &[&str]) -> Asked {
        let folder = TempDir::new().expect("a directory");
        let socket = folder.path().join("control.sock");
        let place = socket.to_str().expect("UTF-8").to_owned();
        let responder = Responder::start_program(program, lab, &[arguments, &["--control", &place]].concat());
        Asked { responder, socket, _folder: folder }
    }

    pub fn client(&self) -> Client {
        Client::connect(&self.socket).expect("it answers")
    }

    pub fn status(&self) -> Status {
        self.client().status().expect("a status")
    }

    /// `handfast connections` with these arguments.
    pub fn connections(&self, arguments: &[&str]) -> Ended {
        let place = self.socket.to_str().expect("UTF-8");
        handfast(&[&["connections", "--socket", place], arguments].concat())
    }

    /// The connections it lists, which must be no failure.
    pub fn listed(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let said = self.connections(&[&["--json"], arguments].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// States and how many are in each.
    pub fn counted(&self, arguments: &[&str]) -> serde_json::Value {
        let mut lines = self.listed(&[&["--count"], arguments].concat());
        lines.pop().expect("one object")
    }
}

pub fn handfast(arguments: &[&str]) -> Ended {
    run(Command::new(program()).args(arguments))
}
