use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

use super::{Reply, Request, Status, socket};

/// So long may a program take for its next line.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of a line at most: root may be answered by a program of somebody else's.
const MOST_ANSWER: u64 = 16 << 20;

/// A running program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub pid: u32,
    pub socket: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum AskError {
    #[error("no handfast of yours is running")]
    NoneRunning,
    #[error("several are running:\n{}", listed(.0))]
    Several(Vec<(u32, String)>),
    #[error("there is no handfast with process number {0} that answers you")]
    NoSuch(u32),
    #[error("nobody answers at {}: {source}", path.display())]
    NoAnswer { path: PathBuf, source: io::Error },
    #[error("{}: the program went away before it had answered: {source}", path.display())]
    Broken { path: PathBuf, source: io::Error },
    #[error("{}: an answer that this version does not understand: {source}", path.display())]
    Strange { path: PathBuf, source: serde_json::Error },
    #[error("{0}")]
    Refused(String),
}

impl AskError {
    /// What to do about it.
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            AskError::NoneRunning => Some(
                "start one: handfast respond or handfast bench; ask as root, or as the user who started it; \
                 --socket PATH for one with --control PATH",
            ),
            AskError::Several(_) => Some("--pid N"),
            AskError::NoSuch(_) => {
                Some("leave --pid out to see those there are; --socket PATH for one with --control PATH")
            }
            AskError::NoAnswer { .. } => {
                Some("start the program with --control PATH; ask as root, or as the user who started it")
            }
            AskError::Strange { .. } => Some("use the program's own version of handfast"),
            AskError::Broken { .. } | AskError::Refused(_) => None,
        }
    }
}

/// The only running program, or the one with this process number.
///
/// # Errors
/// None, or several and no number.
pub fn find(pid: Option<u32>) -> Result<Found, AskError> {
    let mut found: Vec<Found> =
        socket::all().into_iter().map(|(pid, socket)| Found { pid, socket }).collect();
    if let Some(pid) = pid {
        let one = found.into_iter().find(|found| found.pid == pid);
        return one.ok_or(AskError::NoSuch(pid));
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(AskError::NoneRunning),
        (Some(last), false) => {
            found.push(last);
            Err(AskError::Several(found.iter().map(|found| (found.pid, described(found))).collect()))
        }
    }
}

/// What a terminal cannot take for a command.
pub fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn listed(several: &[(u32, String)]) -> String {
    let lines: Vec<String> = several.iter().map(|(pid, what)| format!("  {pid}: {what}")).collect();
    lines.join("\n")
}

/// As an operator tells them apart.
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

/// A talk with a running program.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Client {
    /// # Errors
    /// [`AskError::NoAnswer`].
    pub fn connect(path: &Path) -> Result<Client, AskError> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = connect().map_err(|source| AskError::NoAnswer { path: path.to_owned(), source })?;
        Ok(Client { stream: BufReader::with_capacity(64 * 1024, stream), path: path.to_owned() })
    }

    /// Another talk with the same program.
    ///
    /// # Errors
    /// [`AskError::NoAnswer`].
    pub fn again(&self) -> Result<Client, AskError> {
        Client::connect(&self.path)
    }

    /// Everything but what takes looking at every connection.
    ///
    /// # Errors
    /// [`AskError`].
    pub fn status(&mut self) -> Result<Status, AskError> {
        self.ask(&Request::Status { states: false })?;
        match self.answer()? {
            Reply::Status(status) => Ok(*status),
            other => Err(AskError::Refused(format!("no status: {other:?}"))),
        }
    }

    /// Sends a request; [`Client::answer`] has what is answered.
    ///
    /// # Errors
    /// [`AskError::Broken`].
    pub fn ask(&mut self, request: &Request) -> Result<(), AskError> {
        let mut line = serde_json::to_vec(request).map_err(|source| self.strange(source))?;
        line.push(b'\n');
        match self.stream.get_mut().write_all(&line) {
            // It has refused us: why is left to read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|source| self.broken(source)),
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// [`AskError`], what the program refuses among them.
    pub fn answer(&mut self) -> Result<Reply, AskError> {
        let mut line = Vec::new();
        match self.stream.by_ref().take(MOST_ANSWER).read_until(b'\n', &mut line) {
            Err(source) => return Err(self.broken(source)),
            Ok(_) if !line.ends_with(b"\n") => {
                return Err(self.broken(io::ErrorKind::UnexpectedEof.into()));
            }
            Ok(_) => {}
        }
        match serde_json::from_slice(&line).map_err(|source| self.strange(source))? {
            Reply::Error(why) => Err(AskError::Refused(printable(&why))),
            reply => Ok(reply),
        }
    }

    fn broken(&self, source: io::Error) -> AskError {
        AskError::Broken { path: self.path.clone(), source }
    }

    fn strange(&self, source: serde_json::Error) -> AskError {
        AskError::Strange { path: self.path.clone(), source }
    }
}
