//! Readiness, state and end for a service manager (sd_notify(3)), where there is one.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// How often the state is told.
const STATUS: Duration = Duration::from_secs(1);

/// Tells the service manager that NOTIFY_SOCKET names; without one, does nothing. It needs no
/// privileges. What cannot be told is said once on standard error: it is no reason to end.
pub(super) struct Notifier {
    there: bool,
    /// Between two signs of life: half of what WATCHDOG_USEC allows.
    watchdog: Option<Duration>,
    alive: Instant,
    told: Instant,
}

impl Notifier {
    /// From the environment.
    pub(super) fn new() -> Notifier {
        let there = std::env::var_os("NOTIFY_SOCKET").is_some_and(|name| !name.is_empty());
        let watchdog = sd_notify::watchdog_enabled().filter(|period| there && !period.is_zero());
        let now = Instant::now();
        Notifier { there, watchdog: watchdog.map(|period| period / 2), alive: now, told: now }
    }

    /// Connections are answered, or opened, from here on.
    pub(super) fn ready(&mut self) {
        self.tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
    }

    /// To be called often: now and then there is something to tell.
    pub(super) fn tick(&mut self, status: impl FnOnce() -> String) {
        if !self.there {
            return;
        }
        let now = Instant::now();
        if self.watchdog.is_some_and(|period| now.duration_since(self.alive) >= period) {
            self.alive = now;
            self.tell(&[NotifyState::Watchdog]);
        }
        if now.duration_since(self.told) >= STATUS {
            self.told = now;
            // One line, without what lines it up with others.
            let status = status().split_whitespace().collect::<Vec<_>>().join(" ");
            self.tell(&[NotifyState::Status(&status)]);
        }
    }

    /// The end begins.
    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    fn tell(&mut self, states: &[NotifyState<'_>]) {
        if !self.there {
            return;
        }
        if let Err(error) = sd_notify::notify(states) {
            eprintln!("note: cannot notify the service manager at NOTIFY_SOCKET: {error}");
            self.there = false;
        }
    }
}
