//! What disturbs a run: other programs on the machine, and a hypervisor that gives its cores to others.

use std::collections::HashMap;
use std::time::Instant;

use procfs::process::all_processes;
use procfs::{CurrentSI, KernelStats, ticks_per_second};
use serde::Serialize;

use super::Cores;

/// The kernel's flag of its own threads (PF_KTHREAD of linux/sched.h): they work for the plan.
const KERNEL_THREAD: u32 = 0x0020_0000;
/// Shares of the plan's cores above which a run is spoilt.
const MOST_OTHERS: f64 = 0.05;
const MOST_STEAL: f64 = 0.03;

/// Of one run; shares of the time of the plan's two cores, 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Disturbance {
    /// What other programs took, as far as the machine's further cores had no room for them. `None`:
    /// unknown.
    pub others: Option<f64>,
    /// The program that took most.
    pub busiest: Option<String>,
    /// What the hypervisor took, from the core that lost most.
    pub steal: Option<f64>,
}

impl Disturbance {
    pub fn is_spoilt(&self) -> bool {
        self.others.unwrap_or(0.0) > MOST_OTHERS || self.steal.unwrap_or(0.0) > MOST_STEAL
    }

    /// To choose among runs.
    pub(super) fn sum(&self) -> f64 {
        self.others.unwrap_or(0.0) + self.steal.unwrap_or(0.0)
    }
}

/// A look at the machine while nothing of ours runs.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    /// Steal of each core, ticks.
    steal: Option<Vec<u64>>,
    programs: Option<HashMap<i32, Program>>,
}

#[derive(Clone, Debug)]
struct Program {
    name: String,
    /// With those of its children that have ended: what ends in between is not lost.
    ticks: u64,
}

impl Look {
    pub fn now() -> Look {
        let steal = KernelStats::current()
            .ok()
            .map(|stats| stats.cpu_time.iter().map(|core| core.steal.unwrap_or(0)).collect());
        Look { at: Instant::now(), steal, programs: programs() }
    }

    /// From `self` to `later`.
    pub fn until(&self, later: &Look, cores: Cores) -> Disturbance {
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

/// Every program but this one and the kernel's.
fn programs() -> Option<HashMap<i32, Program>> {
    let own = std::process::id() as i32;
    let found = all_processes().ok()?.filter_map(|process| {
        // One that has ended meanwhile is its parent's.
        let stat = process.ok()?.stat().ok()?;
        let children = u64::try_from(stat.cutime + stat.cstime).unwrap_or(0);
        let program = Program { name: stat.comm, ticks: stat.utime + stat.stime + children };
        (stat.pid != own && stat.flags & KERNEL_THREAD == 0).then_some((stat.pid, program))
    });
    Some(found.collect())
}

#[derive(Debug, Default, PartialEq)]
struct Taken {
    ticks: u64,
    busiest: Option<String>,
}

/// What all took from one look to the next. Who has ended has left its ticks to its parent.
fn taken(before: &HashMap<i32, Program>, after: &HashMap<i32, Program>) -> Taken {
    let sum = |programs: &HashMap<i32, Program>| programs.values().map(|program| program.ticks).sum::<u64>();
    let since = |(pid, program): (&i32, &Program)| {
        let earlier = before.get(pid).map_or(0, |program| program.ticks);
        (program.ticks.saturating_sub(earlier), program.name.clone())
    };
    let busiest = after.iter().map(since).max_by_key(|(ticks, _)| *ticks).filter(|(ticks, _)| *ticks > 0);
    Taken { ticks: sum(after).saturating_sub(sum(before)), busiest: busiest.map(|(_, name)| name) }
}

/// The share of the plan's two cores that so much other work takes: what fits on the machine's
/// further cores takes nothing.
fn crowding(cores_taken: f64, machine: usize) -> f64 {
    let further = machine.saturating_sub(2) as f64;
    ((cores_taken - further) / 2.0).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(programs: &[(i32, &str, u64)]) -> HashMap<i32, Program> {
        let program =
            |(pid, name, ticks): &(i32, &str, u64)| (*pid, Program { name: (*name).into(), ticks: *ticks });
        programs.iter().map(program).collect()
    }

    #[test]
    fn what_ends_in_between_counts_for_its_parent() {
        let before = seen(&[(1, "init", 100), (20, "make", 50), (21, "cc1", 400)]);
        // cc1 ran for 30 more and ended; another one came and went; the parent has all of both.
        let after = seen(&[(1, "init", 101), (20, "make", 50 + 430 + 60)]);
        assert_eq!(taken(&before, &after), Taken { ticks: 91, busiest: Some("make".into()) });
        assert_eq!(taken(&before, &before), Taken { ticks: 0, busiest: None });
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
        let before = Look::now();
        let cores = Cores { client: 0, server: 0 };
        let name = || before.until(&Look::now(), cores).busiest;
        let until = Instant::now() + std::time::Duration::from_secs(20);
        // The child is a program of its own here: only those of a plan are waited for before a look.
        while name().is_none() && Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let seen = before.until(&Look::now(), cores);
        busy.kill().expect("it runs");
        busy.wait().expect("a child");
        assert!(seen.busiest.is_some() && seen.others.is_some() && seen.steal.is_some(), "{seen:?}");
    }
}
