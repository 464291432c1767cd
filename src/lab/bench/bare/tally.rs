use std::time::Duration;

use super::play::Stage;

/// Connections remembered as under way: far more than any window.
const REMEMBERED: u32 = 1 << 20;

/// What was begun and what became of it. Each connection counts once; copies of answers do not open
/// the window.
pub(super) struct Tally {
    stages: Box<[Stage]>,
    last_move: Duration,
    pub sent: u64,
    pub outstanding: u32,
    pub syn_ack: u64,
    pub completed: u64,
    pub rst: u64,
    pub reflected: u64,
    pub other: u64,
    pub duplicate: u64,
    /// Given up: no answer in time.
    pub lost: u64,
    /// No free frame to go on in.
    pub no_frame: u64,
}

impl Tally {
    pub fn new() -> Tally {
        Tally {
            stages: vec![Stage::Free; REMEMBERED as usize].into(),
            last_move: Duration::ZERO,
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

    /// Connections that are over, however they ended.
    pub fn ended(&self) -> u64 {
        self.completed + self.rst + self.reflected
    }

    pub fn begin(&mut self, number: u32, now: Duration) {
        let stage = &mut self.stages[place(number)];
        // Still under way after a whole round: what comes for the old one is not told apart.
        if *stage != Stage::Free {
            self.lost += 1;
            self.outstanding -= 1;
        }
        *stage = Stage::SynSent;
        if self.outstanding == 0 {
            self.last_move = now;
        }
        self.outstanding += 1;
        self.sent += 1;
    }

    #[inline]
    pub fn stage(&self, number: u32) -> Stage {
        self.stages[place(number)]
    }

    /// Goes on to the next stage; [`Stage::Free`] ends it.
    #[inline]
    pub fn go(&mut self, number: u32, next: Stage, now: Duration) {
        self.stages[place(number)] = next;
        self.last_move = now;
        self.outstanding -= u32::from(next == Stage::Free);
    }

    /// Gives up what is under way once nothing has moved for `timeout`.
    pub fn expire(&mut self, now: Duration, timeout: Duration) {
        if self.outstanding > 0 && now > self.last_move + timeout {
            self.lost += u64::from(self.outstanding);
            self.outstanding = 0;
            self.stages.fill(Stage::Free);
        }
    }
}

fn place(number: u32) -> usize {
    (number % REMEMBERED) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_millis(1);
    const LATER: Duration = Duration::from_millis(50);
    const TIMEOUT: Duration = Duration::from_millis(20);

    #[test]
    fn loss_is_given_up_after_a_time_without_any_move() {
        let mut tally = Tally::new();
        tally.begin(7, NOW);
        tally.expire(NOW, TIMEOUT);
        assert_eq!(tally.outstanding, 1);
        tally.expire(LATER, TIMEOUT);
        assert_eq!((tally.outstanding, tally.lost, tally.stage(7)), (0, 1, Stage::Free));
    }

    #[test]
    fn a_connection_that_is_overtaken_by_a_whole_round_is_lost() {
        let mut tally = Tally::new();
        tally.begin(7, NOW);
        tally.go(7, Stage::Open, NOW);
        tally.begin(7 + REMEMBERED, NOW);
        assert_eq!((tally.sent, tally.lost, tally.outstanding), (2, 1, 1));
        tally.go(7, Stage::Free, LATER);
        assert_eq!(tally.outstanding, 0);
    }
}
