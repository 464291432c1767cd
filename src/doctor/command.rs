use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::Action;

/// Commands that are run here end earlier, unless something is stuck.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const MIN_POLL_INTERVAL: Duration = Duration::from_micros(500);
const MAX_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Why a command has no output.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("{program} is not installed (apt-get install {})", package_of(program))]
    Missing { program: String },
    #[error("{program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("{program} did not end within {} s", COMMAND_TIMEOUT.as_secs())]
    Stuck { program: String },
    #[error("{program}: {message}")]
    Failed { program: String, message: String },
    #[error("{path}: {source}")]
    Write { path: String, source: io::Error },
}

/// Carries out the action.
pub(crate) fn act(action: &Action) -> Result<(), CommandError> {
    match action {
        Action::Run(words) => output(words).map(drop),
        Action::Write { value, path } => {
            std::fs::write(path, value).map_err(|source| CommandError::Write { path: path.clone(), source })
        }
    }
}

/// Runs a command and returns its standard output. A command that does not end in time is killed.
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
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let deadline = Instant::now() + COMMAND_TIMEOUT;
    let mut pause = MIN_POLL_INTERVAL;
    let status: ExitStatus = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            _ => {
                // Either call fails if the command has just ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err(CommandError::Stuck { program: owned() });
            }
        }
        pause = (pause * 2).min(MAX_POLL_INTERVAL);
    };
    // A process that it started may keep its pipe open: do not wait for that.
    let received = |text: Receiver<String>| text.recv_timeout(Duration::from_millis(500)).unwrap_or_default();
    match (status.success(), received(stdout), received(stderr)) {
        (true, stdout, _) => Ok(stdout),
        (false, _, stderr) => {
            let message = match stderr.trim() {
                "" => status.to_string(),
                text => text.to_owned(),
            };
            Err(CommandError::Failed { program: owned(), message })
        }
    }
}

/// Reads to the end in a separate thread, so that a full pipe does not block the command.
fn collect(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // Half a message is better than none.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        // The receiver may have stopped waiting.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
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
    fn output_of_any_length_is_returned() {
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
