use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::error::ComparisonError;
use crate::process::{Process, Reading};

/// The time that a program may take to start, or to end.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Interval at which waits check for signals.
pub(in crate::bench) const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running program of a comparison. Dropping it ends it.
#[derive(Debug)]
pub(in crate::bench) struct Child {
    who: &'static str,
    process: Process,
}

impl Child {
    pub(in crate::bench) fn start(who: &'static str, mut command: Command) -> Result<Child, ComparisonError> {
        // Ctrl-C reaches this process alone, which ends its children in order.
        command.process_group(0);
        let process = Process::start(command).map_err(|source| ComparisonError::Start { who, source })?;
        Ok(Child { who, process })
    }

    /// The number of the process.
    pub(in crate::bench) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for the line that begins with `ready`.
    pub(in crate::bench) fn wait_ready(&mut self, stop: &AtomicBool) -> Result<(), ComparisonError> {
        match self.process.read_until_ready(Instant::now() + TIMEOUT, Some(stop)) {
            Reading::Found => Ok(()),
            Reading::Closed => Err(ComparisonError::Early { who: self.who, text: self.process.text() }),
            Reading::TimedOut => Err(self.late("was not ready", TIMEOUT)),
            Reading::Interrupted => Err(ComparisonError::Interrupted),
        }
    }

    /// Waits for its end, which is due after `duration`, and returns its report: from that file, or
    /// from what it printed.
    pub(in crate::bench) fn finish(
        mut self,
        duration: Duration,
        file: Option<&Path>,
        stop: &AtomicBool,
    ) -> Result<Value, ComparisonError> {
        self.report_within(duration + TIMEOUT, file, Some(stop))
    }

    /// Asks it to end, and returns its report: as [`Child::finish`].
    pub(in crate::bench) fn stop(mut self, file: Option<&Path>) -> Result<Value, ComparisonError> {
        // Fails if it has ended already: the report shows that.
        let _ = self.process.signal(Signal::SIGTERM);
        self.report_within(TIMEOUT, file, None)
    }

    fn report_within(
        &mut self,
        limit: Duration,
        file: Option<&Path>,
        stop: Option<&AtomicBool>,
    ) -> Result<Value, ComparisonError> {
        match self.process.read_to_end(Instant::now() + limit, stop) {
            Reading::TimedOut => Err(self.late("did not end", limit)),
            Reading::Interrupted => Err(ComparisonError::Interrupted),
            Reading::Found | Reading::Closed => self.report(file),
        }
    }

    /// Once its output has ended.
    fn report(&mut self, file: Option<&Path>) -> Result<Value, ComparisonError> {
        let status =
            self.process.wait().map_err(|source| ComparisonError::Start { who: self.who, source })?;
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
                text: self.process.text(),
            });
        }
        let printed =
            self.process.printed().iter().filter(|line| !line.is_error).map(|line| line.text.as_str());
        let report = match written {
            Some(text) => serde_json::from_str(&text).ok(),
            None => last_json(&printed.collect::<Vec<_>>()),
        };
        report.ok_or_else(|| ComparisonError::Report { who: self.who, text: self.process.text() })
    }

    fn late(&self, what: &'static str, limit: Duration) -> ComparisonError {
        ComparisonError::Late { who: self.who, what, seconds: limit.as_secs(), text: self.process.text() }
    }
}

/// The report among what was printed: one line, or, written for people, from a line `{` to the end.
fn last_json(lines: &[&str]) -> Option<Value> {
    let object = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    let one_line = lines.iter().rev().find_map(|line| object(line));
    one_line.or_else(|| {
        let start = lines.iter().rposition(|line| *line == "{")?;
        object(&lines[start..].join("\n"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

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
    fn what_fails_says_what_it_printed() {
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
