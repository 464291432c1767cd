use std::path::{Path, PathBuf};
use std::thread::Scope;

use clap::Args;

use super::Failure;
use handfast_control::{Client, ClientError, Serving, Socket, SocketError, StatusSource, find};
use handfast_stack::engine::stack::Running;

/// The control socket of `respond` and `bench`.
#[derive(Clone, Debug, Args)]
pub struct ControlArgs {
    /// Unix socket for `handfast top` and `handfast connections`; `none` = no socket
    ///
    /// It accepts root and the user who starts the program only.
    /// [default: /run/handfast/PID.sock, or handfast/PID.sock in $XDG_RUNTIME_DIR for other users than root]
    #[arg(long = "control", value_name = "PATH|none", help_heading = "Report")]
    control: Option<PathBuf>,
}

/// A socket, or the reason why there is none.
pub(super) enum ControlSocket {
    Open(Socket),
    None(Option<String>),
}

impl ControlArgs {
    /// Creates the socket. To be called before privileges are dropped. Only an explicit path is an error if it fails.
    pub(super) fn open(&self) -> Result<ControlSocket, Failure> {
        let asked = self.control.as_deref();
        if asked.is_some_and(|path| path.as_os_str() == "none") {
            return Ok(ControlSocket::None(None));
        }
        match asked.map_or_else(Socket::at_default, Socket::at) {
            Ok(socket) => Ok(ControlSocket::Open(socket)),
            Err(error) if asked.is_some() => Err(failure(&error)),
            Err(error) => Ok(ControlSocket::None(Some(format!(
                "handfast connections and handfast top cannot reach this program: {error}; {}",
                error.fix()
            )))),
        }
    }
}

impl ControlSocket {
    /// A note for the operator.
    pub(super) fn note(&self) -> Option<&str> {
        match self {
            ControlSocket::None(Some(note)) => Some(note),
            _ => None,
        }
    }

    /// The path of the socket.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            ControlSocket::Open(socket) => Some(socket.path()),
            ControlSocket::None(_) => None,
        }
    }

    /// Answers as long as the value lives.
    pub(super) fn serve<'scope>(
        self,
        scope: &'scope Scope<'scope, '_>,
        source: &'scope StatusSource,
        running: &'scope Running,
    ) -> Result<Option<Serving>, Failure> {
        match self {
            ControlSocket::Open(socket) => socket.serve(scope, source, running).map(Some).map_err(|error| {
                Failure::new(format!("cannot serve the control socket: {error}")).fix("--control none")
            }),
            ControlSocket::None(_) => Ok(None),
        }
    }
}

fn failure(error: &SocketError) -> Failure {
    Failure::new(error.to_string()).fix(error.fix())
}

/// The running program to query.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetProcess {
    /// Process ID of the program [default: the only one that is running]
    #[arg(long, value_name = "N")]
    pid: Option<u32>,

    /// Control socket of the program, as in its --control PATH
    #[arg(long, value_name = "PATH", conflicts_with = "pid")]
    socket: Option<PathBuf>,
}

impl TargetProcess {
    /// `command`: the command that connects.
    pub(super) fn connect(&self, command: &str) -> Result<Client, Failure> {
        let client = match &self.socket {
            Some(path) => Client::connect(path),
            None => find(self.pid).and_then(|found| Client::connect(&found.socket)),
        };
        client.map_err(|error| match &error {
            ClientError::Ambiguous(several) => unanswered(&error).fix(choices(command, several)),
            error => unanswered(error),
        })
    }
}

/// Commands to copy, one for each running program.
fn choices(command: &str, several: &[(u32, String)]) -> String {
    let choice = |(pid, _): &(u32, String)| format!("handfast {command} --pid {pid}");
    several.iter().map(choice).collect::<Vec<_>>().join("\n or: ")
}

/// The failure for a program that does not answer.
pub(super) fn unanswered(error: &ClientError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error.fix() {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}
