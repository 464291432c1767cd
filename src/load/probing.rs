//! Asking every held connection whether it still lives.

use super::entry::Phase;
use super::session::{Session, short};
use super::sweep::LOOKS;
use super::timeline::micros;
use super::turn::Wire;
use super::workload::Act;
use crate::tcp::Now;

/// Probes sent in one turn at most.
const PROBES: u64 = 128;

/// Rounds over all connections; from the second one on only the silent ones are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    /// Rounds that are over.
    rounds: u8,
    cursor: u32,
    /// When the round began, and probes sent in it.
    began_us: u64,
    sent: u64,
    /// The round's last probe is out: until then answers have time.
    pause: Option<u64>,
}

impl Probing {
    pub(super) fn new(first: u32, elapsed: u64) -> Probing {
        Probing { rounds: 0, cursor: first, began_us: elapsed, sent: 0, pause: None }
    }

    /// How many more may be sent by now.
    fn allowance(&self, per_second: u32, elapsed: u64) -> u64 {
        let by_now = u128::from(elapsed - self.began_us) * u128::from(per_second) / 1_000_000 + 1;
        (by_now as u64).saturating_sub(self.sent).min(PROBES)
    }
}

impl Session {
    /// One turn of it. `None`: everybody has answered, or was asked often enough.
    pub(super) fn probe(
        &mut self,
        mut probing: Probing,
        per_second: u32,
        wire: &mut impl Wire,
        now: Now,
        elapsed: u64,
    ) -> Option<Probing> {
        let plan = self.control.plan().probes;
        if let Some(until) = probing.pause {
            if elapsed < until {
                return Some(probing);
            }
            let rounds = probing.rounds + 1;
            if rounds >= plan.rounds || probing.sent == 0 {
                return None;
            }
            return Some(Probing { rounds, ..Probing::new(self.entries.span().start, elapsed) });
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
