//! The schedule of the search for idle connections: a hand goes round the slots, once in a quarter of the
//! shortest time-out.

use crate::tcp::{Config, ConnectionHandler, IdleLimits};

/// A round is divided by this: a core that sleeps wakes so often for it.
const PARTS: u32 = 8;
/// The longest sleep, milliseconds: the idle clock takes longer ones for a machine's own.
const LONGEST_SLEEP_MS: u32 = 1000;
/// The shortest round, milliseconds.
const SHORTEST_MS: u32 = 40;

/// Where the hand is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sweep {
    /// Places from the first slot on: the next one, and the end of this round.
    pub hand: u32,
    end: u32,
    /// When the round began, by the idle clock.
    begun_ms: u32,
}

/// How long a round may take for the limits of all these services; 0: none has any.
pub(super) fn sweep_ms(handlers: &[Box<dyn ConnectionHandler>], config: &Config) -> u32 {
    let shortest = |limits: IdleLimits| {
        let interval = if limits.keepalive_ms > 0 { config.keepalive_interval_ms } else { 0 };
        let each = [limits.keepalive_ms, limits.timeout_ms, interval];
        each.into_iter().filter(|ms| *ms > 0).min()
    };
    let limits = handlers.iter().map(|handler| handler.idle_limits().unwrap_or(config.idle));
    limits.filter_map(shortest).min().map_or(0, |ms| (ms / 4).max(SHORTEST_MS))
}

impl Sweep {
    /// How far the hand is to be now; a new round begins when the last one's time is over.
    pub(super) fn target(&mut self, idle_ms: u32, round_ms: u32, used: u32) -> u32 {
        if self.hand >= self.end {
            if idle_ms.wrapping_sub(self.begun_ms) < round_ms {
                return self.hand;
            }
            *self = Sweep { hand: 0, end: used, begun_ms: idle_ms };
        }
        let part = 1 + idle_ms.wrapping_sub(self.begun_ms) / (round_ms / PARTS);
        (u64::from(self.end) * u64::from(part.min(PARTS)) / u64::from(PARTS)) as u32
    }

    /// Milliseconds until the hand moves on, at most `most`.
    pub(super) fn due_ms(mut self, idle_ms: u32, round_ms: u32, used: u32, most: u32) -> u32 {
        if self.target(idle_ms, round_ms, used) > self.hand {
            return 0;
        }
        let passed = idle_ms.wrapping_sub(self.begun_ms);
        let part = round_ms / PARTS;
        let left = if self.hand < self.end { part - passed % part } else { round_ms.saturating_sub(passed) };
        left.min(most).min(LONGEST_SLEEP_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every place once a round, in equal parts.
    #[test]
    fn the_hand_goes_round_in_time() {
        let mut sweep = Sweep { begun_ms: u32::MAX - 500, ..Sweep::default() };
        let mut passed = Vec::new();
        for ms in 0..4000u32 {
            let target = sweep.target(ms.wrapping_sub(501), 1000, 80);
            passed.push(target);
            sweep.hand = target;
        }
        assert_eq!((passed[0], passed[999]), (0, 0), "the first round begins when its time has come");
        assert_eq!((passed[1000], passed[1125], passed[1874], passed[1875]), (10, 20, 70, 80));
        assert_eq!((passed[1999], passed[2000]), (80, 10));
        assert_eq!((passed[2999], passed[3000]), (80, 10));
    }
}
