use std::thread;
use std::time::{Duration, Instant};

/// The time that anything may take that must happen: a line, an end, a file.
pub const TIMEOUT: Duration = Duration::from_secs(40);

/// The time between two looks.
pub const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Waits until it holds. Panics after [`TIMEOUT`].
#[track_caller]
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_until_within(TIMEOUT, what, holds);
}

/// As [`wait_until`], with a limit of its own.
#[track_caller]
pub fn wait_until_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        thread::sleep(POLL_INTERVAL);
    }
}
