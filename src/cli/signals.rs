//! Signals that ask for the end. None of them takes away what was made or measured: the handlers set a
//! flag, which the loops look at.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

use super::Failure;

/// Exit code of what was ended before it was done, as a shell reports SIGINT.
pub(super) const INTERRUPTED: u8 = 130;
/// Time left for the end of a run after the second signal.
const SECOND_SIGNAL_TIMEOUT: Duration = Duration::from_millis(500);

/// Becomes true on Ctrl-C, SIGTERM or the end of the terminal, however often they come.
pub(super) fn stop() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM].into_iter().chain(terminal()) {
        flag::register(signal, stop.clone()).map_err(cannot)?;
    }
    Ok(stop)
}

/// A responder's, that takes its time to end and counts what cuts it short.
pub(super) struct Signals {
    pub stop: Arc<AtomicBool>,
    /// A byte for each.
    received: UnixStream,
    count: u32,
    second: Option<Instant>,
}

impl Signals {
    /// `reloads`: SIGHUP means something else.
    pub(crate) fn new(reloads: bool) -> Result<Signals, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let (received, sender) = UnixStream::pair().map_err(cannot)?;
        received.set_nonblocking(true).map_err(cannot)?;
        for signal in [SIGINT, SIGTERM].into_iter().chain(terminal().filter(|_| !reloads)) {
            low_level::pipe::register(signal, sender.try_clone().map_err(cannot)?).map_err(cannot)?;
            flag::register(signal, stop.clone()).map_err(cannot)?;
        }
        Ok(Signals { stop, received, count: 0, second: None })
    }

    /// Whether to cut the end short: soon after the second signal, at once after the third. Cheap enough to
    /// call often. `without_signal`: no signal began the end.
    pub(crate) fn cut_short(&mut self, without_signal: bool) -> bool {
        let mut bytes = [0; 64];
        loop {
            match self.received.read(&mut bytes) {
                Ok(count) if count > 0 => self.count += count as u32,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => break,
            }
        }
        let count = self.count + u32::from(without_signal);
        if count >= 2 && self.second.is_none() {
            self.second = Some(Instant::now());
        }
        count >= 3 || self.second.is_some_and(|second| second.elapsed() >= SECOND_SIGNAL_TIMEOUT)
    }
}

/// Becomes true on SIGHUP. Only for a program that has something to reload.
pub(super) fn hangup() -> Result<Arc<AtomicBool>, Failure> {
    let hangup = Arc::new(AtomicBool::new(false));
    flag::register(SIGHUP, hangup.clone()).map_err(cannot)?;
    Ok(hangup)
}

/// A file that may not grow (ulimit -f) is an error of that write, and does not end the program.
pub(super) fn survive_the_limit_of_files() {
    // Refused, it is as before.
    let _ = flag::register(SIGXFSZ, Arc::default());
}

/// SIGHUP, unless it is ignored from the start, as nohup(1) does.
fn terminal() -> impl Iterator<Item = i32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (ignored & 1 << (SIGHUP - 1) == 0).then_some(SIGHUP).into_iter()
}

fn cannot(error: std::io::Error) -> Failure {
    Failure::new(format!("cannot handle signals: {error}"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_second_signal_leaves_half_a_second_and_the_third_nothing() {
        let mut signals = Signals::new(false).unwrap();
        let raise = || low_level::raise(SIGTERM).unwrap();
        raise();
        assert!(!signals.cut_short(false));
        raise();
        assert!(!signals.cut_short(false));
        thread::sleep(SECOND_SIGNAL_TIMEOUT);
        assert!(signals.cut_short(false));
        signals.second = Some(Instant::now() + Duration::from_secs(60));
        assert!(!signals.cut_short(false) && signals.cut_short(true));
        raise();
        assert!(signals.cut_short(false));
    }
}
