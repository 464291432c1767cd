use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use thiserror::Error;

use super::trust::{Distrust, name, reach};
use super::{Reply, Request, Status, socket};
use handfast_text::printable;

/// So long may a program take to let us in, and for each line.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of a line at most: root may be answered by a program of somebody else's.
const MOST_ANSWER: usize = 16 << 20;

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
    #[error("no handfast of root's is running; {} runs one (process {pid})", printable(user))]
    OnlyOfOther { pid: u32, user: String, runtime: PathBuf },
    #[error("{} is no socket: a link to one is not followed", .0.display())]
    NoSocket(PathBuf),
    #[error("{}: it is a program of {}, which is not believed here", path.display(), printable(user))]
    OfOther { path: PathBuf, user: String },
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
    pub fn fix(&self) -> Option<String> {
        if let AskError::OnlyOfOther { user, runtime, .. } = self {
            let (user, runtime) = (printable(user), printable(&runtime.display().to_string()));
            return Some(format!(
                "ask as that user: runuser -u {user} -- env XDG_RUNTIME_DIR={runtime} handfast top"
            ));
        }
        let fix = match self {
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
            AskError::NoSocket(_) => Some("--socket with the path that the program was started with"),
            AskError::OfOther { .. } => {
                Some("ask as that user: runuser -u USER -- handfast top --socket PATH")
            }
            AskError::OnlyOfOther { .. } | AskError::Broken { .. } | AskError::Refused(_) => None,
        };
        fix.map(str::to_owned)
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", PATIENCE.as_secs()))
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
        (None, _) => Err(socket::of_others().into_iter().next().map_or(AskError::NoneRunning, |other| {
            let (pid, runtime, uid) = other;
            AskError::OnlyOfOther { pid, user: name(uid), runtime }
        })),
        (Some(last), false) => {
            found.push(last);
            Err(AskError::Several(found.iter().map(|found| (found.pid, described(found))).collect()))
        }
    }
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
    /// [`AskError::NoAnswer`], or a socket that is not to be believed.
    pub fn connect(path: &Path) -> Result<Client, AskError> {
        let no_answer = |source| AskError::NoAnswer { path: path.to_owned(), source };
        let stream = reach(path, PATIENCE).map_err(|distrust| match distrust {
            Distrust::Cannot(source) => no_answer(source),
            Distrust::NoSocket => AskError::NoSocket(path.to_owned()),
            Distrust::Other(user) => AskError::OfOther { path: path.to_owned(), user },
        })?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(no_answer)?;
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
        let line = self.line().map_err(|source| self.broken(source))?;
        match serde_json::from_slice(&line).map_err(|source| self.strange(source))? {
            Reply::Error(why) => Err(AskError::Refused(printable(&why))),
            reply => Ok(reply),
        }
    }

    /// Within [`PATIENCE`] as a whole, however it comes in pieces.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        let deadline = Instant::now() + PATIENCE;
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
            if end == 0 || line.len() + end > MOST_ANSWER {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            line.extend(&piece[..end]);
            self.stream.consume(end);
        }
        Ok(line)
    }

    fn broken(&self, source: io::Error) -> AskError {
        AskError::Broken { path: self.path.clone(), source }
    }

    fn strange(&self, source: serde_json::Error) -> AskError {
        AskError::Strange { path: self.path.clone(), source }
    }
}
