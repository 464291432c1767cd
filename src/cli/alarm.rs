//! Checks once a second for faults that cause no counted drop.

use std::time::{Duration, Instant};

use handfast_report::{InterfaceCounters, InterfaceMonitor};
use handfast_stack::engine::stack::{Effective, Running};
use handfast_stack::xdp::{inspect, vlan};

const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Alarm {
    monitor: InterfaceMonitor,
    next: Instant,
}

impl Alarm {
    pub(super) fn new(active: &Effective) -> Alarm {
        Alarm { monitor: InterfaceMonitor::new(active), next: Instant::now() }
    }

    /// Returns new warnings.
    pub(super) fn look(&mut self, running: &Running) -> Vec<String> {
        let now = Instant::now();
        if now < self.next {
            return Vec::new();
        }
        self.next = now + CHECK_INTERVAL;
        let counted = |name: &str| InterfaceCounters {
            frames: inspect::frames_counted(name),
            hides_tags: vlan::is_hidden(name),
        };
        self.monitor.check(&running.snapshot(), counted)
    }
}
