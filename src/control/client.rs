use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::trust::{ConnectError, connect_trusted, name};
use super::{Reply, Request, Status, socket};
use handfast_text::printable;

/// Maximum time for a program to accept the connection, and for each line.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum size of a line in bytes: the program that answers root may belong to another user.
const MAX_ANSWER: usize = 16 << 20;

/// A running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub pid: u32,
    pub socket: PathBuf,
}

/// Why a program could not be queried.
#[derive(Debug, Error)]
pub enum ClientError {
    #[error("no handfast of this user is running")]
    NoneRunning,
    #[error("several programs are running:\n{}", listed(.0))]
    Ambiguous(Vec<(u32, String)>),
    #[error("no handfast with process ID {0} answers this user")]
    NotFound(u32),
    #[error("root runs no handfast; {} runs one (process {pid})", printable(user))]
    OnlyOfOtherUser { pid: u32, user: String, runtime: PathBuf },
    #[error("{} is not a socket (links are not followed)", .0.display())]
    NotASocket(PathBuf),
    #[error("{}: the program belongs to {}, which is not trusted here", path.display(), printable(user))]
    OfOtherUser { path: PathBuf, user: String },
    #[error("no program answers at {}: {source}", path.display())]
    NoAnswer { path: PathBuf, source: io::Error },
    #[error("{}: the program disconnected before it answered: {source}", path.display())]
    Disconnected { path: PathBuf, source: io::Error },
    #[error("{}: this version does not understand the answer: {source}", path.display())]
    UnexpectedReply { path: PathBuf, source: serde_json::Error },
    #[error("{0}")]
    Refused(String),
}

impl ClientError {
    /// The fix, if there is one.
    pub fn fix(&self) -> Option<String> {
        if let ClientError::OnlyOfOtherUser { user, runtime, .. } = self {
            let (user, runtime) = (printable(user), printable(&runtime.display().to_string()));
            return Some(format!(
                "run it as that user: runuser -u {user} -- env XDG_RUNTIME_DIR={runtime} handfast top"
            ));
        }
        let fix = match self {
            ClientError::NoneRunning => Some(
                "start one: handfast respond or handfast bench; or run this as root, or as the user who started \
                 it; --socket PATH for one with --control PATH",
            ),
            ClientError::Ambiguous(_) => Some("--pid N"),
            ClientError::NotFound(_) => Some(
                "leave --pid out to list the running programs; --socket PATH for one with --control PATH",
            ),
            ClientError::NoAnswer { .. } => {
                Some("start the program with --control PATH; run this as root, or as the user who started it")
            }
            ClientError::UnexpectedReply { .. } => Some("use the same version of handfast as the program"),
            ClientError::NotASocket(_) => Some("give the path of the program's --control PATH with --socket"),
            ClientError::OfOtherUser { .. } => {
                Some("run it as that user: runuser -u USER -- handfast top --socket PATH")
            }
            ClientError::OnlyOfOtherUser { .. }
            | ClientError::Disconnected { .. }
            | ClientError::Refused(_) => None,
        };
        fix.map(str::to_owned)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()))
}

/// The only running program, or the one with this process ID.
///
/// # Errors
/// No program, or several without a process ID.
pub fn find(pid: Option<u32>) -> Result<Found, ClientError> {
    let mut found: Vec<Found> =
        socket::all().into_iter().map(|(pid, socket)| Found { pid, socket }).collect();
    if let Some(pid) = pid {
        let one = found.into_iter().find(|found| found.pid == pid);
        return one.ok_or(ClientError::NotFound(pid));
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(socket::of_others().into_iter().next().map_or(ClientError::NoneRunning, |other| {
            let (pid, runtime, uid) = other;
            ClientError::OnlyOfOtherUser { pid, user: name(uid), runtime }
        })),
        (Some(last), false) => {
            found.push(last);
            Err(ClientError::Ambiguous(found.iter().map(|found| (found.pid, described(found))).collect()))
        }
    }
}

fn listed(several: &[(u32, String)]) -> String {
    let lines: Vec<String> = several.iter().map(|(pid, what)| format!("  {pid}: {what}")).collect();
    lines.join("\n")
}

/// A description by which an operator can distinguish programs.
fn described(found: &Found) -> String {
    match Client::connect(&found.socket).and_then(|mut client| client.status()) {
        Ok(status) => {
            let devices: Vec<String> =
                status.active.devices.iter().map(|device| device.name.clone()).collect();
            format!(
                "{} on {}, for {:.0} s, of {}",
                printable(&status.program),
                printable(&devices.join(" ")),
                status.uptime_s,
                printable(&status.user)
            )
        }
        Err(error) => error.to_string(),
    }
}

/// A connection to a running program.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// # Errors
    /// [`ClientError::NoAnswer`], or an untrusted socket.
    pub fn connect(path: &Path) -> Result<Client, ClientError> {
        let no_answer = |source| ClientError::NoAnswer { path: path.to_owned(), source };
        let stream = connect_trusted(path, ANSWER_TIMEOUT).map_err(|error| match error {
            ConnectError::Io(source) => no_answer(source),
            ConnectError::NotASocket => ClientError::NotASocket(path.to_owned()),
            ConnectError::OtherUser(user) => ClientError::OfOtherUser { path: path.to_owned(), user },
        })?;
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).map_err(no_answer)?;
        Ok(Client { stream: BufReader::with_capacity(64 * 1024, stream), path: path.to_owned() })
    }

    /// Another connection to the same program.
    ///
    /// # Errors
    /// [`ClientError::NoAnswer`].
    pub fn reconnect(&self) -> Result<Client, ClientError> {
        Client::connect(&self.path)
    }

    /// The status, without connections by state.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn status(&mut self) -> Result<Status, ClientError> {
        self.send(&Request::Status { states: false })?;
        match self.receive()? {
            Reply::Status(status) => Ok(*status),
            other => Err(ClientError::Refused(format!("unexpected answer: {other:?}"))),
        }
    }

    /// Sends a request; [`Client::receive`] reads the answer.
    ///
    /// # Errors
    /// [`ClientError::Disconnected`].
    pub fn send(&mut self, request: &Request) -> Result<(), ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|source| self.unexpected(source))?;
        line.push(b'\n');
        match self.stream.get_mut().write_all(&line) {
            // It has refused the client: the reason can still be read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|source| self.disconnected(source)),
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// [`ClientError`], including a refusal by the program.
    pub fn receive(&mut self) -> Result<Reply, ClientError> {
        let line = self.line().map_err(|source| self.disconnected(source))?;
        match serde_json::from_slice(&line).map_err(|source| self.unexpected(source))? {
            Reply::Error(why) => Err(ClientError::Refused(printable(&why))),
            reply => Ok(reply),
        }
    }

    /// Reads a whole line within [`ANSWER_TIMEOUT`].
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            if self.stream.buffer().is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(too_slow());
                }
                self.stream.get_ref().set_read_timeout(Some(left))?;
            }
            let piece = match self.stream.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(too_slow()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            let end = piece.iter().position(|byte| *byte == b'\n').map_or(piece.len(), |at| at + 1);
            if end == 0 || line.len() + end > MAX_ANSWER {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            line.extend(&piece[..end]);
            self.stream.consume(end);
        }
        Ok(line)
    }

    fn disconnected(&self, source: io::Error) -> ClientError {
        ClientError::Disconnected { path: self.path.clone(), source }
    }

    fn unexpected(&self, source: serde_json::Error) -> ClientError {
        ClientError::UnexpectedReply { path: self.path.clone(), source }
    }
}
