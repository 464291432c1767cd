use std::fmt;
use std::time::Duration;

use nix::errno::Errno;

/// The step in which a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Before the SYN: out of descriptors or ports, or invalid address.
    Open,
    Connect,
    Send,
    Receive,
    Close,
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Errno(Step, Errno),
    /// Timed out.
    Timeout(Step),
    /// Other bytes, or fewer, than the script expects.
    WrongResponse,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Errno(step, errno) => write!(f, "{}: {}", step.name(), errno.desc()),
            Failure::Timeout(step) => write!(f, "{}: timed out", step.name()),
            Failure::WrongResponse => f.write_str("unexpected response"),
        }
    }
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Step::Open => "open",
            Step::Connect => "connect",
            Step::Send => "send",
            Step::Receive => "receive",
            Step::Close => "close",
        }
    }
}

/// Results of a run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub started: u64,
    /// Completed handshakes.
    pub established: u64,
    /// Completed scripts.
    pub completed: u64,
    /// Failures and their counts.
    pub failures: Vec<(Failure, u64)>,
    /// From the first `connect` to the end of the last connection.
    pub elapsed: Duration,
}

impl Tally {
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }

    /// Completed connections per second.
    pub fn rate(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.completed as f64 / seconds } else { 0.0 }
    }

    /// Returns the count of this failure.
    pub fn failed_by(&self, failure: Failure) -> u64 {
        self.failures.iter().find(|(kind, _)| *kind == failure).map_or(0, |(_, count)| *count)
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.add(failure, 1);
    }

    /// Adds the results of another thread over the same time.
    pub(super) fn merge(mut self, other: Tally) -> Tally {
        self.started += other.started;
        self.established += other.established;
        self.completed += other.completed;
        for (failure, count) in other.failures {
            self.add(failure, count);
        }
        self.elapsed = self.elapsed.max(other.elapsed);
        self
    }

    fn add(&mut self, failure: Failure, more: u64) {
        match self.failures.iter_mut().find(|(kind, _)| *kind == failure) {
            Some((_, count)) => *count += more,
            None => self.failures.push((failure, more)),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} completed of {} started in {:.2} s ({:.0}/s), {} failed",
            self.completed,
            self.started,
            self.elapsed.as_secs_f64(),
            self.rate(),
            self.failed()
        )?;
        self.failures.iter().try_for_each(|(failure, count)| write!(f, "\n  {count} × {failure}"))
    }
}
