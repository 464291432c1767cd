//! When the eBPF program answers for a listener under `--cookies auto`: by the rate of SYNs that no ACK
//! answers. Pure.

use std::time::Duration;

/// The window of a rate.
const WINDOW: Duration = Duration::from_millis(100);
/// The program begins at this many unanswered SYNs a second: with fewer, the cores' cookies cost little.
const BEGIN: u64 = 10_000;
/// It ends when there were fewer than this for [`QUIET`].
const END: u64 = 5_000;
const QUIET: Duration = Duration::from_secs(2);

/// SYNs answered by cookie, and ACKs with a valid cookie, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// By cores and by the program.
    pub syns: u64,
    /// Connections that came of them.
    pub proven: u64,
}

/// One listener that answers by cookie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Switch {
    /// The load asks for the program.
    pub wanted: bool,
    /// It does.
    pub on: bool,
    /// At the beginning of the window, and how long ago that is.
    last: Answered,
    elapsed: Duration,
    /// The time since when few SYNs are unanswered.
    quiet: Duration,
}

impl Switch {
    /// For a listener that has begun to answer by cookie.
    pub(super) fn new(answered: Answered) -> Switch {
        Switch { wanted: false, on: false, last: answered, elapsed: Duration::ZERO, quiet: Duration::ZERO }
    }

    /// Takes note of the answers until now, `elapsed` after the last time.
    pub(super) fn note(&mut self, answered: Answered, elapsed: Duration) {
        self.elapsed += elapsed;
        if self.elapsed < WINDOW {
            return;
        }
        let syns = answered.syns.saturating_sub(self.last.syns);
        let unanswered = syns.saturating_sub(answered.proven.saturating_sub(self.last.proven));
        let rate = u128::from(unanswered) * 1_000_000 / self.elapsed.as_micros();
        self.quiet = if rate < u128::from(END) { self.quiet + self.elapsed } else { Duration::ZERO };
        self.wanted = match self.wanted {
            true => self.quiet < QUIET,
            false => rate >= u128::from(BEGIN),
        };
        (self.last, self.elapsed) = (answered, Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(50);

    /// Time passes at these rates, SYNs and proven ACKs per second.
    fn pass(switch: &mut Switch, at: &mut Answered, millis: u64, syns: u64, proven: u64) {
        for _ in 0..millis / 50 {
            at.syns += syns / 20;
            at.proven += proven / 20;
            switch.note(*at, TICK);
        }
    }

    #[test]
    fn unanswered_syns_begin_and_end_it_with_a_pause() {
        let mut at = Answered { syns: 77, proven: 7 };
        let mut switch = Switch::new(at);
        pass(&mut switch, &mut at, 1000, 9_000, 0);
        assert!(!switch.wanted);
        pass(&mut switch, &mut at, 50, 500_000, 0);
        assert!(!switch.wanted, "the window is not over");
        pass(&mut switch, &mut at, 50, 500_000, 0);
        assert!(switch.wanted);
        pass(&mut switch, &mut at, 10_000, 7_000, 0);
        assert!(switch.wanted, "between both rates nothing changes");
        pass(&mut switch, &mut at, 1_900, 1_000, 0);
        pass(&mut switch, &mut at, 100, 6_000, 0);
        pass(&mut switch, &mut at, 1_900, 1_000, 0);
        assert!(switch.wanted, "not quiet for long enough");
        pass(&mut switch, &mut at, 100, 1_000, 0);
        assert!(!switch.wanted);
    }

    #[test]
    fn clients_that_answer_are_no_load() {
        let mut at = Answered::default();
        let mut switch = Switch::new(at);
        pass(&mut switch, &mut at, 1000, 100_000, 98_000);
        assert!(!switch.wanted);
        // More proven than sent: of the window before.
        pass(&mut switch, &mut at, 1000, 10_000, 20_000);
        assert!(!switch.wanted);
        pass(&mut switch, &mut at, 1000, 100_000, 80_000);
        assert!(switch.wanted);
    }
}
