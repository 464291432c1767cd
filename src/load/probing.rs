//! Asking every held connection whether it still lives.

use super::entry::Phase;
use super::session::{Session, short};
use super::sweep::LOOKS;
use super::timeline::micros;
use super::turn::Wire;
use super::workload::Act;
use handfast_stack::tcp::Time;

/// Probes sent in one turn at most.
const PROBES: u64 = 128;

/// Probes without an answer at a time. Faster than the peer answers they would be lost in its rings,
/// and what lives would be taken for dead.
const WINDOW: u64 = 1024;
/// No answer for so long: those that are out are given up, until the next round.
const STALL_US: u64 = 50_000;

/// Rounds over all connections; from the second one on only the silent ones are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Rounds that are over.
    rounds: u8,
    cursor: u32,
    /// When the round began, and probes sent in it.
    began_us: u64,
    sent: u64,
    /// Answers in the step when the round began, answers in the round, and when the last was seen.
    base: u64,
    answered: u64,
    answered_us: u64,
    /// Of those sent: no longer waited for, and when that was looked at.
    given_up: u64,
    given_up_us: u64,
    /// The round's last probe is out: until then answers have time.
    pause: Option<u64>,
}

impl Probing {
    /// `answers`: in the step so far.
    pub(super) fn new(first: u32, answers: u64, elapsed: u64) -> Probing {
        Probing {
            rounds: 0,
            cursor: first,
            began_us: elapsed,
            sent: 0,
            base: answers,
            answered: 0,
            answered_us: elapsed,
            given_up: 0,
            given_up_us: elapsed,
            pause: None,
        }
    }

    /// Looks at how many have answered.
    fn see(&mut self, answers: u64, elapsed: u64) {
        let answered = answers.saturating_sub(self.base);
        if answered > self.answered {
            (self.answered, self.answered_us, self.given_up_us) = (answered, elapsed, elapsed);
        } else if elapsed - self.given_up_us >= STALL_US {
            self.given_up = self.sent.saturating_sub(answered);
            self.given_up_us = elapsed;
        }
    }

    /// How many more may be sent by now.
    fn allowance(&self, per_second: u32, elapsed: u64) -> u64 {
        let by_now = u128::from(elapsed - self.began_us) * u128::from(per_second) / 1_000_000 + 1;
        let out = self.sent.saturating_sub(self.answered + self.given_up);
        (by_now as u64).saturating_sub(self.sent).min(WINDOW.saturating_sub(out)).min(PROBES)
    }

    /// Probes a second that were answered in time.
    fn pace(&self) -> u64 {
        let took = u128::from(self.answered_us.saturating_sub(self.began_us).max(1));
        (u128::from(self.answered) * 1_000_000 / took) as u64
    }
}

impl Session {
    /// One turn of it. `None`: everybody has answered, or was asked often enough.
    pub(super) fn probe(
        &mut self,
        mut probing: Probing,
        per_second: u32,
        wire: &mut impl Wire,
        now: Time,
        elapsed: u64,
    ) -> Option<Probing> {
        let plan = self.control.plan().probes;
        probing.see(self.answers, elapsed);
        if let Some(until) = probing.pause {
            let all = probing.answered >= probing.sent;
            if elapsed < until && !all {
                return Some(probing);
            }
            if probing.rounds == 0 && probing.answered > 0 {
                self.turn.aborts_per_second = Some(probing.pace());
            }
            let rounds = probing.rounds + 1;
            // A peer that answered nothing at all is not asked again.
            if rounds >= plan.rounds || all || (rounds == 1 && probing.answered == 0) {
                return None;
            }
            let next = Probing::new(self.entries.span().start, self.answers, elapsed);
            return Some(Probing { rounds, ..next });
        }
        let mut allowance = probing.allowance(per_second, elapsed);
        let end = self.entries.span().end;
        let look_to = probing.cursor.saturating_add(LOOKS).min(end);
        while probing.cursor < look_to && allowance > 0 {
            let entry = self.entries.get_mut(probing.cursor);
            if let Some(entry) = entry.filter(|entry| matches!(entry.phase, Phase::Open | Phase::Probed)) {
                entry.set(Phase::Probed, short(now));
                self.act(wire, now, probing.cursor, Act::PROBE);
                probing.sent += 1;
                allowance -= 1;
            }
            probing.cursor += 1;
        }
        if probing.cursor >= end {
            // Nobody silent: nobody to wait for.
            let wait = if probing.sent == 0 { 0 } else { micros(plan.wait) };
            probing.pause = Some(elapsed.saturating_add(wait));
        }
        Some(probing)
    }
}
