//! Time that processors were busy, from `/proc/stat`: with the kernel's work in interrupts, which belongs to
//! no process.

use std::time::Instant;

use procfs::{CpuTime, CurrentSI, KernelStats, ticks_per_second};
use serde::{Deserialize, Serialize};

/// The time of one processor between two moments, seconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessorTime {
    pub cpu: usize,
    /// Neither idle nor taken by the hypervisor. The kernel measures idle time exactly; the others below
    /// it samples at each tick.
    pub busy_s: f64,
    pub user_s: f64,
    pub system_s: f64,
    pub softirq_s: f64,
    pub irq_s: f64,
    pub steal_s: f64,
}

/// Busy time of all processors, seconds.
pub fn busy(processors: &[ProcessorTime]) -> f64 {
    processors.iter().map(|processor| processor.busy_s).sum()
}

/// The times of all processors at one moment.
#[derive(Clone, Debug)]
pub struct ProcessorClock {
    at: Instant,
    processors: Vec<CpuTime>,
}

impl ProcessorClock {
    /// `None`: the kernel does not show them.
    pub fn now() -> Option<ProcessorClock> {
        let stats = KernelStats::current().ok()?;
        Some(ProcessorClock { at: Instant::now(), processors: stats.cpu_time })
    }

    /// Returns the seconds up to `later`.
    pub fn elapsed_until(&self, later: &ProcessorClock) -> f64 {
        later.at.duration_since(self.at).as_secs_f64()
    }

    /// Returns the time of each processor up to `later`.
    pub fn until(&self, later: &ProcessorClock) -> Vec<ProcessorTime> {
        let elapsed = self.elapsed_until(later);
        let pairs = self.processors.iter().zip(&later.processors).enumerate();
        pairs.map(|(cpu, (before, after))| between(cpu, elapsed, before, after)).collect()
    }
}

fn between(cpu: usize, elapsed: f64, before: &CpuTime, after: &CpuTime) -> ProcessorTime {
    let seconds =
        |of: fn(&CpuTime) -> u64| of(after).saturating_sub(of(before)) as f64 / ticks_per_second() as f64;
    let steal_s = seconds(|time| time.steal.unwrap_or(0));
    let unused = seconds(|time| time.idle + time.iowait.unwrap_or(0)) + steal_s;
    ProcessorTime {
        cpu,
        busy_s: (elapsed - unused).max(0.0),
        user_s: seconds(|time| time.user + time.nice),
        system_s: seconds(|time| time.system),
        softirq_s: seconds(|time| time.softirq.unwrap_or(0)),
        irq_s: seconds(|time| time.irq.unwrap_or(0)),
        steal_s,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_busy_thread_makes_a_processor_busy_and_no_more_than_all_are() {
        let before = ProcessorClock::now().expect("/proc/stat");
        let until = before.at + Duration::from_millis(300);
        while Instant::now() < until {}
        let after = ProcessorClock::now().expect("/proc/stat");
        let times = before.until(&after);
        let elapsed = (after.at - before.at).as_secs_f64();
        let stolen: f64 = times.iter().map(|time| time.steal_s).sum();
        assert!(busy(&times) > 0.1 - stolen, "{times:?}");
        assert!(times.iter().all(|time| time.busy_s <= elapsed + 1e-9), "{times:?}");
    }
}
