//! Readiness, state and end for a service manager (sd_notify(3)), where there is one.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Interval between two status messages.
const STATUS: Duration = Duration::from_secs(1);

/// Notifies the service manager named by NOTIFY_SOCKET, if any. It needs no privileges. If it fails,
/// it prints one note on standard error, and the program continues.
pub(super) struct Notifier {
    there: bool,
    /// Interval between two keep-alives: half of WATCHDOG_USEC.
    watchdog: Option<Duration>,
    alive: Instant,
    sent: Instant,
}

impl Notifier {
    /// From the environment.
    pub(super) fn new() -> Notifier {
        let there = std::env::var_os("NOTIFY_SOCKET").is_some_and(|name| !name.is_empty());
        let watchdog = sd_notify::watchdog_enabled().filter(|period| there && !period.is_zero());
        let now = Instant::now();
        Notifier { there, watchdog: watchdog.map(|period| period / 2), alive: now, sent: now }
    }

    /// The program is ready.
    pub(super) fn ready(&mut self) {
        self.send(&[NotifyState::Ready, NotifyState::Status("ready")]);
    }

    /// To be called often; it sends a message when one is due.
    pub(super) fn tick(&mut self, status: impl FnOnce() -> String) {
        if !self.there {
            return;
        }
        let now = Instant::now();
        if self.watchdog.is_some_and(|period| now.duration_since(self.alive) >= period) {
            self.alive = now;
            self.send(&[NotifyState::Watchdog]);
        }
        if now.duration_since(self.sent) >= STATUS {
            self.sent = now;
            // One line, without alignment.
            let status = status().split_whitespace().collect::<Vec<_>>().join(" ");
            self.send(&[NotifyState::Status(&status)]);
        }
    }

    /// The program is stopping.
    pub(super) fn stopping(&mut self) {
        self.send(&[NotifyState::Stopping]);
    }

    fn send(&mut self, states: &[NotifyState<'_>]) {
        if !self.there {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            eprintln!("note: cannot notify the service manager at NOTIFY_SOCKET: {error}");
            self.there = false;
        }
    }
}
