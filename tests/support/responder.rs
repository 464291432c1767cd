//! `handfast respond` in the server's namespace of a lab.

use std::ffi::OsStr;
use std::ops::{Deref, DerefMut};

use handfast_lab::{Lab, SERVER_DEVICE};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::{Ended, Process, Summary, program};

/// A responder that runs. Killed when dropped.
#[derive(Debug)]
pub struct Responder {
    process: Process,
    folder: TempDir,
}

impl Deref for Responder {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Responder {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Responder {
    /// Starts on the lab's device, and returns once it is ready.
    #[track_caller]
    pub fn start(lab: &Lab, arguments: &[&str]) -> Responder {
        Responder::start_program(program(), lab, arguments)
    }

    #[track_caller]
    pub fn start_program(program: impl AsRef<OsStr>, lab: &Lab, arguments: &[&str]) -> Responder {
        let mut responder = Responder::spawn(program, lab, &["--dev", SERVER_DEVICE], arguments);
        responder.await_line("ready");
        responder
    }

    /// As [`Responder::start`], with these arguments and no others: the device is among them.
    #[track_caller]
    pub fn start_alone(lab: &Lab, arguments: &[&str]) -> Responder {
        let mut responder = Responder::spawn(program(), lab, &[], arguments);
        responder.await_line("ready");
        responder
    }

    /// Starts a responder that ends by itself, and waits for that.
    #[track_caller]
    pub fn run(lab: &Lab, arguments: &[&str]) -> Ended {
        Responder::spawn(program(), lab, &[], arguments).ended()
    }

    fn spawn(program: impl AsRef<OsStr>, lab: &Lab, device: &[&str], arguments: &[&str]) -> Responder {
        let folder = TempDir::new().expect("a directory");
        // A hangup ends it, also where the tests run under nohup.
        let mut command = lab.server().command("env");
        command.arg("--default-signal=HUP").arg(program).arg("respond").args(device).args(arguments);
        // Into a pipe it prints no rates unless they are asked for.
        if !arguments.contains(&"--interval") {
            command.args(["--interval", "1"]);
        }
        command.arg("--json").arg(folder.path().join("summary.json"));
        Responder { process: Process::start(command), folder }
    }

    /// Waits for a new line of rates with this number of open connections.
    #[track_caller]
    pub fn await_open(&mut self, connections: u64) {
        self.skip_printed();
        let wanted = format!(" {connections} open");
        self.await_line_where(|line| line.contains(&wanted));
    }

    /// Ends it by SIGTERM. Its summary.
    #[track_caller]
    pub fn stop(self) -> Summary {
        self.signal(Signal::SIGTERM);
        let file = self.folder.path().join("summary.json");
        let Responder { process, folder: _folder } = self;
        let Ended { code, text, .. } = process.ended();
        assert_eq!(code, Some(0), "{text}");
        let summary = Summary::read(&file, text);
        summary.assert_sound();
        summary
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn ended(self) -> Ended {
        let Responder { process, folder: _folder } = self;
        process.ended()
    }

    /// Ends it by SIGKILL.
    pub fn kill(self) {
        self.process.kill();
    }
}
