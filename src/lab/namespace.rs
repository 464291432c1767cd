use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::{panic, thread};

use nix::sched::{CloneFlags, setns};

use super::LabError;

/// The directory of `ip netns`.
const FOLDER: &str = "/run/netns";

/// A named network namespace of `ip netns`.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn named(name: String) -> Namespace {
        Namespace { name }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    /// Returns a command that runs inside, with the namespace's `/sys`. The child is the program itself, not a wrapper:
    /// process id and signals are the program's.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a command inside to its end. Returns its standard output.
    ///
    /// # Errors
    /// The program cannot be started, or ends with another status than 0.
    pub fn run(&self, arguments: &[&str]) -> Result<String, LabError> {
        let mut all = vec!["netns", "exec", self.name.as_str()];
        all.extend_from_slice(arguments);
        run("ip", &all)
    }

    /// Calls `work` in a new thread inside the namespace. Sockets opened there stay inside, whichever thread uses them.
    ///
    /// # Errors
    /// The namespace cannot be entered. A panic of `work` is propagated.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, LabError> {
        let inside = || -> io::Result<T> {
            setns(File::open(self.path())?, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| panic::resume_unwind(panic))
            .map_err(|source| LabError::Enter { namespace: self.name.clone(), source })
    }

    /// Creates it, with the lab's mark on its loopback, which distinguishes it from others of that name.
    pub(super) fn add(&self, mark: &str) -> Result<(), LabError> {
        run("ip", &["netns", "add", &self.name])?;
        run("ip", &["-n", &self.name, "link", "set", "lo", "alias", mark]).map(drop)
    }

    /// Returns the names of all namespaces.
    pub(super) fn all() -> Vec<String> {
        let entries = fs::read_dir(FOLDER).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    pub(super) fn delete(&self) -> Result<(), LabError> {
        run("ip", &["netns", "delete", &self.name]).map(drop)
    }

    /// Runs `ip` commands inside, one per line.
    pub(super) fn ip_batch(&self, lines: &str) -> Result<(), LabError> {
        let mut command = tool("ip");
        command.args(["-n", &self.name, "-batch", "-"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| missing("ip", source))?;
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output().map_err(|source| missing("ip", source))?;
        match written {
            // If `ip` stopped reading, its error message is more precise.
            Some(Err(source)) if output.status.success() => Err(missing("ip", source)),
            _ => checked(&format!("ip -n {} -batch -", self.name), output).map(drop),
        }
    }

    /// Returns ids and names of the processes inside.
    pub(super) fn processes(&self) -> Vec<(i32, String)> {
        let Ok(listing) = run("ip", &["netns", "pids", &self.name]) else { return Vec::new() };
        listing
            .split_whitespace()
            .filter_map(|pid| {
                let pid = pid.parse().ok()?;
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                // A program can choose its name: control characters are replaced.
                Some((pid, name.trim_end().replace(char::is_control, "?")))
            })
            .collect()
    }

    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(FOLDER).join(&self.name)
    }
}

/// Runs a program to its end. Returns its standard output.
pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String, LabError> {
    let output = tool(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| missing(program, source))?;
    checked(&format!("{program} {}", arguments.join(" ")), output)
}

/// Returns a command in its own process group: Ctrl-C reaches this process alone, which removes an incomplete lab.
fn tool(program: &str) -> Command {
    let mut command = Command::new(program);
    command.process_group(0);
    command
}

fn missing(program: &str, source: io::Error) -> LabError {
    LabError::Tool { program: program.into(), source }
}

fn checked(command: &str, output: Output) -> Result<String, LabError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let message = match complaint.trim() {
        "" => output.status.to_string(),
        text => text.to_string(),
    };
    Err(LabError::Command { command: command.into(), message })
}
