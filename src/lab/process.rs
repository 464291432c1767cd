//! A child process that prints a line when it is ready: started, read line by line, signalled, waited for.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The time between two looks at whether reading is interrupted.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A child process and what it has printed. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    lines: Receiver<Line>,
    printed: Vec<Line>,
}

/// A line that a process printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Without its end.
    pub text: String,
    /// On standard error.
    pub is_error: bool,
}

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The line was printed.
    Found,
    /// Both streams were closed before it.
    Closed,
    /// The deadline passed before it.
    TimedOut,
    /// The flag was set before it.
    Interrupted,
}

impl Process {
    /// Starts it with its output in pipes and nothing on its standard input.
    pub fn start(mut command: Command) -> io::Result<Process> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), false, sender.clone());
        forward(child.stderr.take(), true, sender);
        Ok(Process { child, lines, printed: Vec::new() })
    }

    /// Reads up to the line that is wanted, which is then the last of [`Process::printed`].
    pub fn read_until(
        &mut self,
        deadline: Instant,
        interrupt: Option<&AtomicBool>,
        wanted: impl Fn(&Line) -> bool,
    ) -> Reading {
        loop {
            if interrupt.is_some_and(|interrupt| interrupt.load(Relaxed)) {
                return Reading::Interrupted;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = if interrupt.is_some() { left.min(POLL_INTERVAL) } else { left };
            match self.lines.recv_timeout(wait) {
                Ok(line) => {
                    let found = wanted(&line);
                    self.printed.push(line);
                    if found {
                        return Reading::Found;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Reading::Closed,
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Reading::TimedOut,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Reads up to the line that begins with `ready`.
    pub fn read_until_ready(&mut self, deadline: Instant, interrupt: Option<&AtomicBool>) -> Reading {
        self.read_until(deadline, interrupt, |line| line.text.starts_with("ready"))
    }

    /// Reads until it has closed both streams.
    pub fn read_to_end(&mut self, deadline: Instant, interrupt: Option<&AtomicBool>) -> Reading {
        self.read_until(deadline, interrupt, |_| false)
    }

    /// Reads what is there, without waiting. The number of lines.
    pub fn read_now(&mut self) -> usize {
        let before = self.printed.len();
        self.printed.extend(self.lines.try_iter());
        self.printed.len() - before
    }

    /// What was read so far.
    pub fn printed(&self) -> &[Line] {
        &self.printed
    }

    /// As [`Process::printed`], both streams in one text.
    pub fn text(&self) -> String {
        self.printed.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal. An error where the process has ended and was waited for.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(id), signal).map_err(io::Error::from)
    }

    /// How it ended; `None` while it runs.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail once it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line of the stream on, until it ends.
fn forward(stream: Option<impl Read + Send + 'static>, is_error: bool, lines: Sender<Line>) {
    let Some(stream) = stream else { return };
    thread::spawn(move || {
        for text in BufReader::new(stream).lines().map_while(Result::ok) {
            if lines.send(Line { text, is_error }).is_err() {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start(command).expect("sh")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn reading_ends_with_the_line_the_output_the_time_or_the_interruption() {
        let mut process = shell("echo one; echo ready; sleep 60");
        assert_eq!(process.read_until_ready(soon(), None), Reading::Found);
        assert_eq!(process.printed().last().map(|line| line.text.as_str()), Some("ready"));
        assert_eq!(process.text(), "one\nready");
        assert_eq!(process.read_to_end(Instant::now(), None), Reading::TimedOut);
        let interrupt = AtomicBool::new(true);
        assert_eq!(process.read_to_end(soon(), Some(&interrupt)), Reading::Interrupted);
        process.signal(Signal::SIGTERM).expect("it runs");
        assert_eq!(process.wait().expect("a child of ours").code(), None);

        // Of two streams either may be read first.
        let mut process = shell("echo two >&2; sleep 60");
        assert_eq!(process.read_until(soon(), None, |line| line.is_error), Reading::Found);
        assert_eq!(process.text(), "two");

        let mut process = shell("echo over; exit 3");
        assert_eq!(process.read_until_ready(soon(), None), Reading::Closed);
        assert_eq!(process.wait().expect("a child of ours").code(), Some(3));
    }
}
