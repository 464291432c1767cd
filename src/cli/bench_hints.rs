//! Hints during a run that has no results, each printed once.

use std::time::{Duration, Instant};

use handfast_load::{Control, Plan, StepProgress, Workload};
use handfast_report::bench::NetworkPath;
use handfast_stack::engine::Snapshot;
use handfast_text::grouped;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A SYN is retransmitted after a second (RFC 6298 2.1): no answer to two SYNs is silence.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum time of a second without a free 4-tuple.
const MAX_STARVED_US: u64 = 500_000;

/// Checks once a second.
pub(super) struct Hints {
    path: NetworkPath,
    target: String,
    sources: String,
    tuples: String,
    next: Instant,
    /// Of the step under way.
    step: Option<HintStep>,
    said: [bool; 3],
}

struct HintStep {
    began: Instant,
    first: Snapshot,
    last: StepProgress,
    /// Checks since the last connection was established.
    stuck: u32,
}

impl Hints {
    pub(super) fn new(plan: &Plan, path: NetworkPath) -> Hints {
        let sources: Vec<String> = path.on_link.iter().chain(&path.off_link).cloned().collect();
        let rest = plan.reuse_after.as_secs_f64();
        let allow = plan.tuples_per_second().map_or_else(String::new, |allow| {
            format!(", each is reused {rest:.0} s after its end, which allows {allow:.0} connections/s")
        });
        Hints {
            path,
            target: plan.target.address.to_string(),
            sources: sources.join(", "),
            tuples: format!("no 4-tuple is free: there are {}{allow}", grouped(plan.space().len())),
            next: Instant::now(),
            step: None,
            said: [plan.workload == Workload::Flood, false, false],
        }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, control: &Control, first: Snapshot) {
        let now = Instant::now();
        self.next = now + CHECK_INTERVAL;
        self.step = Some(HintStep { began: now, first, last: control.progress(), stuck: 0 });
    }

    /// New hints.
    pub(super) fn look(&mut self, now: &StepProgress, snapshot: impl FnOnce() -> Snapshot) -> Vec<String> {
        let Some(step) = self.step.as_mut().filter(|_| Instant::now() >= self.next) else {
            return Vec::new();
        };
        self.next = Instant::now() + CHECK_INTERVAL;
        let waited = now.waited_for_tuple_us.saturating_sub(step.last.waited_for_tuple_us);
        step.stuck = if now.established > step.last.established { 0 } else { step.stuck + 1 };
        step.last = *now;
        let path = self.path.between(&step.first, &snapshot());
        let silent = now.attempted > 0 && now.established == 0 && step.began.elapsed() >= SILENCE_TIMEOUT;
        let silent = silent && path.received.map_or(now.failed == 0, |received| received == 0);
        let stuck = step.stuck >= 2 && now.in_flight > 0 && !silent;
        let starved = waited >= MAX_STARVED_US;
        let found = [
            silent.then(|| self.silence(&path, now.attempted)),
            stuck.then(|| path.neighbour_table_full(&self.target)).flatten(),
            starved.then(|| format!("{}; give more source addresses or ports (--source)", self.tuples)),
        ];
        let new = found.into_iter().zip(&mut self.said).filter(|(_, said)| !**said);
        new.filter_map(|(found, said)| {
            *said = found.is_some();
            found
        })
        .collect()
    }

    fn silence(&self, path: &NetworkPath, attempted: u64) -> String {
        let known = path.no_way_back(&self.target).or_else(|| path.neighbour_table_full(&self.target));
        let why = known.unwrap_or_else(|| {
            "check its address, port, route and firewall, with `ping` and with `tcpdump` at the target"
                .to_owned()
        });
        format!("no answer to {} SYNs from {}: {why}", grouped(attempted), self.sources)
    }
}
