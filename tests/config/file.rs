//! A configuration file of one test's own, and a responder that reads it.

use std::fs;

use handfast_lab::Lab;
use nix::sys::signal::Signal;
use support::Responder;
use tempfile::TempDir;

pub struct File {
    directory: TempDir,
}

impl File {
    pub fn new(text: impl AsRef<[u8]>) -> File {
        let file = File { directory: TempDir::new().expect("a directory") };
        file.write(text);
        file
    }

    /// As an editor does: a new file in the place of the old one.
    pub fn write(&self, text: impl AsRef<[u8]>) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).expect("written");
        fs::rename(new, self.path()).expect("renamed");
    }

    pub fn path(&self) -> String {
        self.directory.path().join("f.toml").to_str().expect("UTF-8").to_owned()
    }
}

/// Settings for a lab's device that listen to these.
pub fn listening(more: &str, listeners: &[&str]) -> String {
    format!("dev = [\"{}\"]\n{more}\nlisten = {listeners:?}\n", handfast_lab::SERVER_DEVICE)
}

/// A responder in the lab's server that reads the file.
pub fn respond(lab: &Lab, file: &File, more: &[&str]) -> Responder {
    Responder::start_alone(lab, &[&["--config", &file.path()], more].concat())
}

/// Writes, signals, and waits for the answer, which starts so.
pub fn reload(responder: &mut Responder, file: &File, text: &str, answer: &str) -> String {
    file.write(text);
    responder.signal(Signal::SIGHUP);
    responder.await_line_where(|line| line.starts_with(answer))
}
