//! Looks once a second for what goes wrong without a drop to show for it.

use std::time::{Duration, Instant};

use handfast_report::{Counted, Trouble};
use handfast_stack::engine::stack::{Effective, Running};
use handfast_stack::xdp::{inspect, vlan};

const EVERY: Duration = Duration::from_secs(1);

pub(super) struct Alarm {
    trouble: Trouble,
    next: Instant,
}

impl Alarm {
    pub(super) fn new(active: &Effective) -> Alarm {
        Alarm { trouble: Trouble::new(active), next: Instant::now() }
    }

    /// What is new, to be shown as a warning.
    pub(super) fn look(&mut self, running: &Running) -> Vec<String> {
        let now = Instant::now();
        if now < self.next {
            return Vec::new();
        }
        self.next = now + EVERY;
        let counted =
            |name: &str| Counted { frames: inspect::frames_counted(name), hides_tags: vlan::is_hidden(name) };
        self.trouble.look(&running.snapshot(), counted)
    }
}
