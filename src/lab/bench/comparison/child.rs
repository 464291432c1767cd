use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::error::ComparisonError;

/// Timeout for a program to start or to end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Interval at which waits check for signals.
pub(super) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running program of a comparison. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Child {
    who: &'static str,
    child: process::Child,
    lines: Receiver<Line>,
    printed: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    text: String,
    is_error: bool,
}

impl Child {
    pub fn start(who: &'static str, mut command: Command) -> Result<Child, ComparisonError> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches this process alone, which ends its children in order.
            .process_group(0)
            .spawn()
            .map_err(|source| ComparisonError::Start { who, source })?;
        let (sender, lines) = mpsc::channel();
        forward(child.stdout.take(), false, sender.clone());
        forward(child.stderr.take(), true, sender);
        Ok(Child { who, child, lines, printed: Vec::new() })
    }

    /// Waits for the line that begins with `ready`.
    pub fn wait_ready(&mut self, stop: &AtomicBool) -> Result<(), ComparisonError> {
        let late = |child: &Child| child.late("was not ready", TIMEOUT);
        match self.read(Instant::now() + TIMEOUT, Some(stop), |line| line.text.starts_with("ready"))? {
            Reading::Found => Ok(()),
            Reading::End => Err(ComparisonError::Early { who: self.who, text: self.text() }),
            Reading::Late => Err(late(self)),
        }
    }

    /// Waits for its end, due after `duration`, and returns its report: from the file, or else from its output.
    pub fn finish(
        mut self,
        duration: Duration,
        file: Option<&Path>,
        stop: &AtomicBool,
    ) -> Result<Value, ComparisonError> {
        let timeout = duration + TIMEOUT;
        match self.read(Instant::now() + timeout, Some(stop), |_| false)? {
            Reading::Late => Err(self.late("did not end", timeout)),
            _ => self.report(file),
        }
    }

    /// Terminates it, and returns its report as [`Child::finish`] does.
    pub fn stop(mut self, file: Option<&Path>) -> Result<Value, ComparisonError> {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Fails if it has ended already: the report shows that.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        match self.read(Instant::now() + TIMEOUT, None, |_| false)? {
            Reading::Late => Err(self.late("did not end", TIMEOUT)),
            _ => self.report(file),
        }
    }

    /// Reads lines up to the first that `wanted` accepts.
    fn read(
        &mut self,
        until: Instant,
        stop: Option<&AtomicBool>,
        wanted: impl Fn(&Line) -> bool,
    ) -> Result<Reading, ComparisonError> {
        loop {
            if stop.is_some_and(|stop| stop.load(Relaxed)) {
                return Err(ComparisonError::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left.min(POLL_INTERVAL)) {
                Ok(line) => {
                    let found = wanted(&line);
                    self.printed.push(line);
                    if found {
                        return Ok(Reading::Found);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(Reading::End),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(Reading::Late),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Returns its report, after the end of its output.
    fn report(&mut self, file: Option<&Path>) -> Result<Value, ComparisonError> {
        let status = self.child.wait().map_err(|source| ComparisonError::Start { who: self.who, source })?;
        let written = file.and_then(|file| {
            let text = std::fs::read_to_string(file).ok();
            // No longer needed.
            let _ = std::fs::remove_file(file);
            text
        });
        if !ExitStatus::success(&status) {
            return Err(ComparisonError::Failed {
                who: self.who,
                status: status.to_string(),
                text: self.text(),
            });
        }
        let printed = self.printed.iter().filter(|line| !line.is_error).map(|line| line.text.as_str());
        let report = match written {
            Some(text) => serde_json::from_str(&text).ok(),
            None => last_json(&printed.collect::<Vec<_>>()),
        };
        report.ok_or_else(|| ComparisonError::Report { who: self.who, text: self.text() })
    }

    fn late(&self, what: &'static str, timeout: Duration) -> ComparisonError {
        ComparisonError::Late { who: self.who, what, seconds: timeout.as_secs(), text: self.text() }
    }

    fn text(&self) -> String {
        self.printed.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail if it has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why reading stopped.
enum Reading {
    Found,
    End,
    Late,
}

/// Finds the report in the output: one line, or pretty-printed from a line `{` to the end.
fn last_json(lines: &[&str]) -> Option<Value> {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let one_line = lines.iter().rev().find_map(|line| object(line));
    one_line.or_else(|| {
        let start = lines.iter().rposition(|line| *line == "{")?;
        object(&lines[start..].join("\n"))
    })
}

/// Sends each line of the stream to the channel, until the stream ends.
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

    #[test]
    fn a_report_is_one_line_or_the_last_lines() {
        for (lines, expected) in [
            (&["ready", "{\"a\":1}"][..], Some(1)),
            (&["{\"a\":1}", "{\"a\":2}", "bye"], Some(2)),
            (&["ready", "{", "  \"a\": 3,", "  \"b\": {", "  }", "}"], Some(3)),
            (&["ready", "[1]"], None),
            (&[], None),
        ] {
            let found = last_json(lines).and_then(|report| report.get("a").and_then(Value::as_u64));
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn errors_contain_the_output() {
        let shell = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Child::start("shell", command).expect("sh")
        };
        let stop = AtomicBool::new(false);
        let error =
            shell("echo no luck >&2; exit 3").finish(Duration::ZERO, None, &stop).expect_err("failed");
        assert!(error.to_string().contains("no luck") && error.to_string().contains('3'), "{error}");
        let error = shell("echo hello").wait_ready(&stop).expect_err("never ready");
        assert!(matches!(error, ComparisonError::Early { .. }), "{error}");
        let mut ready =
            shell("trap 'echo {\\\"a\\\": 1}; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
        ready.wait_ready(&stop).expect("ready");
        assert_eq!(ready.stop(None).expect("a report")["a"], 1);
        stop.store(true, Relaxed);
        let error = shell("sleep 60").finish(Duration::ZERO, None, &stop).expect_err("interrupted");
        assert!(matches!(error, ComparisonError::Interrupted), "{error}");
    }
}
