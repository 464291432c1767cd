use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::Action;

/// No command that is run here takes longer, unless something is stuck.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_micros(500);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Why a command told nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program} is not installed (apt-get install {})", package_of(program))]
    Missing { program: String },
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program} did not end within {} s", PATIENCE.as_secs())]
    Stuck { program: String },
    #[error("{program}: {message}")]
    Failed { program: String, message: String },
    #[error("{path}: {source}")]
    Write { path: String, source: io::Error },
}

/// Does it.
pub fn act(action: &Action) -> Result<(), CommandError> {
    match action {
        Action::Run(words) => output(words).map(drop),
        Action::Write { value, path } => {
            std::fs::write(path, value).map_err(|source| CommandError::Write { path: path.clone(), source })
        }
    }
}

/// Runs a command to its end, and returns what it says on standard output. One that does not end is
/// killed.
pub(super) fn output<S: AsRef<str>>(words: &[S]) -> Result<String, CommandError> {
    let (program, arguments) = match words {
        [program, arguments @ ..] => (program.as_ref(), arguments),
        [] => ("", words),
    };
    let owned = || program.to_owned();
    let mut child = Command::new(program)
        .args(arguments.iter().map(AsRef::as_ref))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => CommandError::Missing { program: owned() },
            _ => CommandError::Start { program: owned(), source },
        })?;
    let said = listen(child.stdout.take());
    let complained = listen(child.stderr.take());
    let deadline = Instant::now() + PATIENCE;
    let mut pause = FIRST_PAUSE;
    let status: ExitStatus = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            _ => {
                // It may just have ended: either way there is nothing left to do.
                let _ = child.kill();
                let _ = child.wait();
                return Err(CommandError::Stuck { program: owned() });
            }
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    };
    // What it has started may live on with its pipe: that is not waited for.
    let heard = |text: Receiver<String>| text.recv_timeout(Duration::from_millis(500)).unwrap_or_default();
    match (status.success(), heard(said), heard(complained)) {
        (true, said, _) => Ok(said),
        (false, _, complaint) => {
            let message = match complaint.trim() {
                "" => status.to_string(),
                text => text.to_owned(),
            };
            Err(CommandError::Failed { program: owned(), message })
        }
    }
}

/// Reads to the end in a thread of its own, so that a full pipe stops nobody.
fn listen(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut octets = Vec::new();
        // Half a message is better than none.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut octets));
        // The receiver may have given up.
        let _ = sender.send(String::from_utf8_lossy(&octets).into_owned());
    });
    receiver
}

fn package_of(program: &str) -> &str {
    match program {
        "ip" | "tc" | "ss" => "iproute2",
        "nsenter" | "prlimit" => "util-linux",
        "setcap" => "libcap2-bin",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_says_comes_back_whatever_its_length() {
        assert_eq!(output(&["echo", "a b"]).expect("echo"), "a b\n");
        let long = output(&["seq", "100000"]).expect("seq");
        assert_eq!(long.lines().count(), 100_000);
    }

    #[test]
    fn failures_say_why() {
        let text = |words: &[&str]| output(words).expect_err("it fails").to_string();
        assert!(text(&["sh", "-c", "echo no good >&2; exit 3"]).ends_with("no good"));
        assert!(text(&["sh", "-c", "exit 3"]).contains('3'));
        assert!(text(&["hf-no-such-program"]).contains("apt-get install"));
        assert!(text(&[]).contains("not installed"));
    }
}
