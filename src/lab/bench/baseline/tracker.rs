use std::time::Duration;

use super::script::ClientState;

/// Connections tracked at a time: far more than any window.
const CAPACITY: u32 = 1 << 20;

/// States and counts of the client's connections. Each connection counts once; duplicate replies do not open
/// the window.
pub(super) struct ConnTracker {
    states: Box<[ClientState]>,
    last_progress: Duration,
    pub sent: u64,
    pub outstanding: u32,
    pub syn_ack: u64,
    pub completed: u64,
    pub rst: u64,
    pub reflected: u64,
    pub other: u64,
    pub duplicate: u64,
    /// Timed out.
    pub lost: u64,
    /// No free frame for a further segment.
    pub no_frame: u64,
}

impl ConnTracker {
    pub(super) fn new() -> ConnTracker {
        ConnTracker {
            states: vec![ClientState::Free; CAPACITY as usize].into(),
            last_progress: Duration::ZERO,
            sent: 0,
            outstanding: 0,
            syn_ack: 0,
            completed: 0,
            rst: 0,
            reflected: 0,
            other: 0,
            duplicate: 0,
            lost: 0,
            no_frame: 0,
        }
    }

    /// Connections that have ended, completed or not.
    pub(super) fn ended(&self) -> u64 {
        self.completed + self.rst + self.reflected
    }

    pub(super) fn begin(&mut self, number: u32, now: Duration) {
        let state = &mut self.states[slot(number)];
        // The slot's previous connection is still in progress: its segments are no longer told apart.
        if *state != ClientState::Free {
            self.lost += 1;
            self.outstanding -= 1;
        }
        *state = ClientState::SynSent;
        if self.outstanding == 0 {
            self.last_progress = now;
        }
        self.outstanding += 1;
        self.sent += 1;
    }

    #[inline]
    pub(super) fn state(&self, number: u32) -> ClientState {
        self.states[slot(number)]
    }

    /// Changes to the next state; [`ClientState::Free`] ends the connection.
    #[inline]
    pub(super) fn advance(&mut self, number: u32, next: ClientState, now: Duration) {
        self.states[slot(number)] = next;
        self.last_progress = now;
        self.outstanding -= u32::from(next == ClientState::Free);
    }

    /// Counts all connections in progress as lost once none has progressed for `timeout`.
    pub(super) fn expire(&mut self, now: Duration, timeout: Duration) {
        if self.outstanding > 0 && now > self.last_progress + timeout {
            self.lost += u64::from(self.outstanding);
            self.outstanding = 0;
            self.states.fill(ClientState::Free);
        }
    }
}

fn slot(number: u32) -> usize {
    (number % CAPACITY) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1);
    const LATER: Duration = Duration::from_millis(50);
    const TIMEOUT: Duration = Duration::from_millis(20);

    #[test]
    fn connections_are_lost_after_a_timeout_without_progress() {
        let mut tracker = ConnTracker::new();
        tracker.begin(7, NOW);
        tracker.expire(NOW, TIMEOUT);
        assert_eq!(tracker.outstanding, 1);
        tracker.expire(LATER, TIMEOUT);
        assert_eq!((tracker.outstanding, tracker.lost, tracker.state(7)), (0, 1, ClientState::Free));
    }

    #[test]
    fn a_connection_that_is_overtaken_by_a_whole_round_is_lost() {
        let mut tracker = ConnTracker::new();
        tracker.begin(7, NOW);
        tracker.advance(7, ClientState::Open, NOW);
        tracker.begin(7 + CAPACITY, NOW);
        assert_eq!((tracker.sent, tracker.lost, tracker.outstanding), (2, 1, 1));
        tracker.advance(7, ClientState::Free, LATER);
        assert_eq!(tracker.outstanding, 0);
    }
}
