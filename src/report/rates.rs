use std::time::Duration;

use crate::engine::{CoreSnapshot, Snapshot};

/// Turns snapshots into lines of rates.
#[derive(Default)]
pub struct Rates {
    last: CoreSnapshot,
    elapsed: Duration,
}

impl Rates {
    /// The rates since the last line, over the time since then. `elapsed` is since the start.
    pub fn line(&mut self, snapshot: &Snapshot, elapsed: Duration) -> String {
        let now = snapshot.total();
        let seconds = elapsed.saturating_sub(self.elapsed).as_secs_f64().max(1e-9);
        let rate = |new: u64, old: u64| (new.saturating_sub(old) as f64 / seconds).round() as u64;
        let answers = |core: &CoreSnapshot| core.syn_acks + core.syn_acks_cookie;
        let line = format!(
            "{:>5.0}s  {:>9} frames/s in  {:>9} out  {:>8} SYN/s  {:>8} SYN-ACK/s  {:>8} established/s  \
             {:>8} open  {:>7} drops/s",
            elapsed.as_secs_f64(),
            rate(now.frames_in, self.last.frames_in),
            rate(now.frames_out, self.last.frames_out),
            rate(now.syns, self.last.syns),
            rate(answers(&now), answers(&self.last)),
            rate(now.established, self.last.established),
            now.connections - now.time_wait.min(now.connections),
            rate(now.drops.sum(), self.last.drops.sum()),
        );
        self.last = now;
        self.elapsed = elapsed;
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
