//! Disturbance of a run: processor time that other programs or the hypervisor took.

use std::collections::HashMap;
use std::time::Instant;

use procfs::process::all_processes;
use procfs::{CurrentSI, KernelStats, ticks_per_second};
use serde::Serialize;

use super::plan::Cores;

/// PF_KTHREAD (linux/sched.h), the flag of kernel threads: they work for the comparison.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// Maximum shares of the comparison's cores; a run above either is repeated.
const MAX_OTHERS: f64 = 0.05;
const MAX_STEAL: f64 = 0.03;

/// Shares of the time of the comparison's two cores during one run, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Disturbance {
    /// Taken by other programs, minus the capacity of the host's further cores. `None`: unknown.
    pub others: Option<f64>,
    /// The program with the most processor time.
    pub busiest: Option<String>,
    /// Taken by the hypervisor, of the core with the larger loss.
    pub steal: Option<f64>,
}

impl Disturbance {
    /// Whether it is too much for a result to count.
    pub fn is_excessive(&self) -> bool {
        self.others.unwrap_or(0.0) > MAX_OTHERS || self.steal.unwrap_or(0.0) > MAX_STEAL
    }

    /// Sum of both, to compare attempts.
    pub(super) fn sum(&self) -> f64 {
        self.others.unwrap_or(0.0) + self.steal.unwrap_or(0.0)
    }
}

/// Processor time of all cores and programs, taken while no program of the comparison runs.
#[derive(Debug)]
pub(super) struct CpuSnapshot {
    at: Instant,
    /// Steal time of each core, ticks.
    steal: Option<Vec<u64>>,
    programs: Option<HashMap<i32, OtherProgram>>,
}

#[derive(Clone, Debug)]
struct OtherProgram {
    name: String,
    /// With those of its terminated children.
    ticks: u64,
}

impl CpuSnapshot {
    pub(super) fn now() -> CpuSnapshot {
        let steal = KernelStats::current()
            .ok()
            .map(|stats| stats.cpu_time.iter().map(|core| core.steal.unwrap_or(0)).collect());
        CpuSnapshot { at: Instant::now(), steal, programs: programs() }
    }

    /// Returns the disturbance between `self` and `later`.
    pub(super) fn until(&self, later: &CpuSnapshot, cores: Cores) -> Disturbance {
        let ticks = later.at.duration_since(self.at).as_secs_f64() * ticks_per_second() as f64;
        let machine = later.steal.as_ref().map_or(2, Vec::len);
        let taken = self.programs.as_ref().zip(later.programs.as_ref()).map(|(a, b)| taken(a, b));
        let others = taken.as_ref().map(|taken| crowding(taken.ticks as f64 / ticks, machine));
        let steal = self.steal.as_ref().zip(later.steal.as_ref()).map(|(before, after)| {
            let of = |core: usize| {
                let (before, after) = (before.get(core).copied(), after.get(core).copied());
                after.unwrap_or(0).saturating_sub(before.unwrap_or(0)) as f64 / ticks
            };
            of(cores.client).max(of(cores.server)).clamp(0.0, 1.0)
        });
        Disturbance { others, busiest: taken.and_then(|taken| taken.busiest), steal }
    }
}

/// Every process except this one and kernel threads.
fn programs() -> Option<HashMap<i32, OtherProgram>> {
    let own = std::process::id() as i32;
    let found = all_processes().ok()?.filter_map(|process| {
        // The ticks of one that has just ended are its parent's.
        let stat = process.ok()?.stat().ok()?;
        let children = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        let program = OtherProgram { name: stat.comm, ticks: stat.utime + stat.stime + children };
        (stat.pid != own && stat.flags & KERNEL_THREAD == 0).then_some((stat.pid, program))
    });
    Some(found.collect())
}

#[derive(Debug, Default, PartialEq)]
struct TakenShare {
    ticks: u64,
    busiest: Option<String>,
}

/// Returns the ticks of all programs between two snapshots. Those of a terminated one are its parent's.
fn taken(before: &HashMap<i32, OtherProgram>, after: &HashMap<i32, OtherProgram>) -> TakenShare {
    let sum =
        |programs: &HashMap<i32, OtherProgram>| programs.values().map(|program| program.ticks).sum::<u64>();
    let since = |(pid, program): (&i32, &OtherProgram)| {
        let earlier = before.get(pid).map_or(0, |program| program.ticks);
        (program.ticks.saturating_sub(earlier), program.name.clone())
    };
    let busiest = after.iter().map(since).max_by_key(|(ticks, _)| *ticks).filter(|(ticks, _)| *ticks > 0);
    TakenShare { ticks: sum(after).saturating_sub(sum(before)), busiest: busiest.map(|(_, name)| name) }
}

/// Returns the share of the comparison's two cores that this load takes; it fills the host's further cores first.
fn crowding(cores_taken: f64, machine: usize) -> f64 {
    let further = machine.saturating_sub(2) as f64;
    ((cores_taken - further) / 2.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(programs: &[(i32, &str, u64)]) -> HashMap<i32, OtherProgram> {
        let program = |(pid, name, ticks): &(i32, &str, u64)| {
            (*pid, OtherProgram { name: (*name).into(), ticks: *ticks })
        };
        programs.iter().map(program).collect()
    }

    #[test]
    fn a_terminated_program_counts_for_its_parent() {
        let before = snapshot(&[(1, "init", 100), (20, "make", 50), (21, "cc1", 400)]);
        // cc1 ran for 30 more and ended; another one came and went; the parent has all of both.
        let after = snapshot(&[(1, "init", 101), (20, "make", 50 + 430 + 60)]);
        assert_eq!(taken(&before, &after), TakenShare { ticks: 91, busiest: Some("make".into()) });
        assert_eq!(taken(&before, &before), TakenShare { ticks: 0, busiest: None });
    }

    #[test]
    fn further_cores_have_room_for_other_programs() {
        assert_eq!(crowding(0.0, 2), 0.0);
        assert_eq!(crowding(1.0, 2), 0.5);
        assert_eq!(crowding(4.0, 2), 1.0);
        assert_eq!(crowding(2.0, 4), 0.0);
        assert_eq!(crowding(3.0, 4), 0.5);
        assert_eq!(crowding(0.5, 1), 0.25);
    }

    #[test]
    fn a_busy_program_is_seen_and_named() {
        let mut busy =
            std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("sh");
        let before = CpuSnapshot::now();
        let cores = Cores { client: 0, server: 0 };
        let name = || before.until(&CpuSnapshot::now(), cores).busiest;
        let until = Instant::now() + std::time::Duration::from_secs(20);
        // The child is a program of its own here: only those of a comparison are waited for before a snapshot.
        while name().is_none() && Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let seen = before.until(&CpuSnapshot::now(), cores);
        busy.kill().expect("it runs");
        busy.wait().expect("a child");
        assert!(seen.busiest.is_some() && seen.others.is_some() && seen.steal.is_some(), "{seen:?}");
    }
}
