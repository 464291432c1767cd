use std::time::Duration;

use handfast_stack::engine::{CoreSnapshot, Snapshot};
use handfast_stack::xdp::VERDICTS;

/// Makes lines of rates from snapshots.
#[derive(Default)]
pub struct Rates {
    last: Counts,
    elapsed: Duration,
}

/// The counts of a line: of the cores, and of the eBPF program without them.
#[derive(Default)]
struct Counts {
    cores: CoreSnapshot,
    /// SYNs that it answered or limited.
    syns: u64,
    /// Frames that it answered or dropped.
    frames: u64,
}

impl Counts {
    fn of(snapshot: &Snapshot) -> Counts {
        let finished = VERDICTS.iter().filter(|verdict| verdict.is_tx() || verdict.is_drop());
        Counts {
            cores: snapshot.total(),
            syns: snapshot.syns_in_ebpf(),
            frames: finished.map(|verdict| snapshot.steered(*verdict)).sum(),
        }
    }

    fn syns(&self) -> u64 {
        self.cores.syns + self.syns
    }

    fn frames(&self) -> u64 {
        self.cores.frames_in + self.frames
    }
}

impl Rates {
    /// Whether anything happened since the last line.
    pub fn have_changed(&self, snapshot: &Snapshot) -> bool {
        let counts = |at: &Counts| [at.frames(), open(&at.cores), at.cores.drops.sum()];
        counts(&Counts::of(snapshot)) != counts(&self.last)
    }

    /// The rates since the last line, in 80 columns. `elapsed`: since the start.
    pub fn line(&mut self, snapshot: &Snapshot, elapsed: Duration) -> String {
        let (now, last) = (Counts::of(snapshot), &self.last);
        let seconds = elapsed.saturating_sub(self.elapsed).as_secs_f64().max(1e-9);
        let rate = |new: u64, old: u64| short(new.saturating_sub(old) as f64 / seconds);
        let line = format!(
            "{:>4.0}s {:>5} SYN/s {:>5} established/s {:>7} open {:>5} frames/s {:>5} drops/s",
            elapsed.as_secs_f64(),
            rate(now.syns(), last.syns()),
            rate(now.cores.established, last.cores.established),
            open(&now.cores),
            rate(now.frames(), last.frames()),
            rate(now.cores.drops.sum(), last.cores.drops.sum()),
        );
        self.last = now;
        self.elapsed = elapsed;
        line
    }
}

/// Connections that are not in TIME-WAIT.
fn open(core: &CoreSnapshot) -> u64 {
    core.connections.saturating_sub(core.time_wait)
}

/// `999`, `9.99k`, `123k`, `1.23M`: at most five characters below 1 T.
fn short(rate: f64) -> String {
    let (mut value, mut unit) = (rate, "");
    for next in ["k", "M", "G"] {
        // What would be rounded up to four digits.
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    match value {
        value if unit.is_empty() => format!("{value:.0}"),
        value if value < 9.995 => format!("{value:.2}{unit}"),
        value if value < 99.95 => format!("{value:.1}{unit}"),
        value => format!("{value:.0}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::engine::{Named, SteeringSnapshot};

    fn snapshot(syns: u64, established: u64) -> Snapshot {
        let core =
            CoreSnapshot { syns, established, connections: 7, time_wait: 3, ..CoreSnapshot::default() };
        Snapshot { cores: vec![core], ..Snapshot::default() }
    }

    #[test]
    fn rates_are_differences_over_the_time_between() {
        let mut rates = Rates::default();
        rates.line(&snapshot(100, 10), Duration::from_secs(1));
        let line = rates.line(&snapshot(1100, 510), Duration::from_secs(3));
        assert!(line.contains(" 500 SYN/s") && line.contains(" 250 established/s"), "{line}");
        assert!(line.contains(" 4 open"), "{line}");
    }

    #[test]
    fn what_the_program_answers_without_a_core_is_in_the_line() {
        let seen = |syn_acks, unproven| {
            let verdicts =
                [("tx_syn_ack", syn_acks), ("drop_unproven", unproven), ("pass_other", 7 * syn_acks)];
            let verdicts = Named(verdicts.map(|(name, count)| (name.into(), count)).into());
            let steering = vec![SteeringSnapshot { verdicts, ..SteeringSnapshot::default() }];
            Snapshot { steering, ..snapshot(0, 0) }
        };
        let mut rates = Rates::default();
        rates.line(&seen(0, 0), Duration::from_secs(1));
        assert!(!rates.have_changed(&seen(0, 0)) && rates.have_changed(&seen(0, 1)));
        let line = rates.line(&seen(500_000, 1000), Duration::from_secs(2));
        assert!(line.contains(" 500k SYN/s") && line.contains(" 501k frames/s"), "{line}");
    }

    #[test]
    fn a_line_fits_the_terminal() {
        let many = CoreSnapshot {
            syns: 1_234_567,
            established: 999_999,
            connections: 2_097_152,
            frames_in: 12_345_678,
            ..CoreSnapshot::default()
        };
        let line = Rates::default()
            .line(&Snapshot { cores: vec![many], ..Snapshot::default() }, Duration::from_secs(1));
        assert!(line.len() <= 80, "{}: {line}", line.len());
        for part in ["1.23M SYN/s", "1.00M established/s", "2097152 open", "12.3M frames/s"] {
            assert!(line.contains(part), "{line}");
        }
    }

    #[test]
    fn a_line_is_worth_it_when_something_happened() {
        let mut rates = Rates::default();
        assert!(!rates.have_changed(&Snapshot::default()));
        let now = snapshot(100, 10);
        assert!(rates.have_changed(&now));
        rates.line(&now, Duration::from_secs(1));
        assert!(!rates.have_changed(&now));
    }
}
