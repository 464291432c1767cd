//! Processor time of the cores, by the kernel's accounting in `/proc/stat`.

use std::collections::BTreeMap;
use std::{fs, io};

use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};

/// The kernel's file.
const PROC_STAT: &str = "/proc/stat";
/// Ticks per second if `sysconf` fails: the value of all current kernels.
const USUAL_HZ: f64 = 100.0;

/// One core's ticks since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    /// Nice included.
    pub user: u64,
    pub system: u64,
    pub softirq: u64,
    pub irq: u64,
    pub steal: u64,
    /// Waiting for I/O included.
    pub idle: u64,
}

/// All cores at one moment. Take one at the start of the measured time, one each second, and one
/// at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSample {
    /// By the kernel's core number.
    pub cores: BTreeMap<usize, Ticks>,
}

/// One core's time in the measured time, as shares from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CoreTime {
    /// The host; empty if there is only one.
    pub source: String,
    pub core: usize,
    /// Whether one of the client's loops was pinned to it.
    pub client: bool,
    pub user: f64,
    pub system: f64,
    pub softirq: f64,
    pub irq: f64,
    /// Time that the hypervisor gave to other guests.
    pub steal: f64,
    pub idle: f64,
    /// Busy (user, system, softirq, irq) share of each second.
    pub busy_by_second: Vec<f64>,
}

/// The time of all cores.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {
    pub per_core: Vec<CoreTime>,
    /// Sum of the client's cores' busy time, seconds.
    pub client_busy_core_seconds: f64,
    /// Idle share of the client's loops, without time that other threads used the core: the minimum of the
    /// cores. `None` if it was not measured.
    pub client_idle: Option<f64>,
    /// Completed connections per busy second of the client's cores; `None` without such seconds.
    pub connections_per_core_second: Option<f64>,
}

impl CpuSample {
    /// Reads the kernel's counts.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn read() -> io::Result<CpuSample> {
        fs::read_to_string(PROC_STAT).map(|text| CpuSample::parse(&text))
    }

    /// Parses `/proc/stat` (proc_stat(5)); lines other than those of cores are ignored.
    pub fn parse(text: &str) -> CpuSample {
        CpuSample { cores: text.lines().filter_map(core_line).collect() }
    }
}

/// `cpuN user nice system idle iowait irq softirq steal …`; older kernels end earlier.
fn core_line(line: &str) -> Option<(usize, Ticks)> {
    let mut words = line.split_ascii_whitespace();
    let core = words.next()?.strip_prefix("cpu")?.parse().ok()?;
    let mut field = || words.next().map_or(Some(0), |word| word.parse::<u64>().ok());
    let (user, nice, system) = (field()?, field()?, field()?);
    let (idle, iowait) = (field()?, field()?);
    let (irq, softirq, steal) = (field()?, field()?, field()?);
    Some((core, Ticks { user: user + nice, system, softirq, irq, steal, idle: idle + iowait }))
}

/// Ticks in a second.
pub fn ticks_per_second() -> f64 {
    let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    ticks.filter(|ticks| *ticks > 0).map_or(USUAL_HZ, |ticks| ticks as f64)
}

impl Ticks {
    /// The difference to `earlier`. The kernel's idle counter may decrease a little (proc_stat(5)).
    pub fn since(&self, earlier: &Ticks) -> Ticks {
        Ticks {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
            softirq: self.softirq.saturating_sub(earlier.softirq),
            irq: self.irq.saturating_sub(earlier.irq),
            steal: self.steal.saturating_sub(earlier.steal),
            idle: self.idle.saturating_sub(earlier.idle),
        }
    }

    /// Time used by this host, without steal.
    pub fn busy(&self) -> u64 {
        self.user + self.system + self.softirq + self.irq
    }

    fn total(&self) -> u64 {
        self.busy() + self.steal + self.idle
    }

    fn share(&self, ticks: u64) -> f64 {
        if self.total() == 0 { 0.0 } else { ticks as f64 / self.total() as f64 }
    }
}

impl CoreTime {
    /// Neither idle nor stolen.
    pub fn busy(&self) -> f64 {
        self.user + self.system + self.softirq + self.irq
    }
}

impl Cpu {
    /// The time from the first sample to the last. `client`: the numbers of the client's cores; `hz`:
    /// [`ticks_per_second`].
    pub fn over(samples: &[CpuSample], client: &[usize], hz: f64) -> Cpu {
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return Cpu::default() };
        let mut cpu = Cpu::default();
        for (&core, now) in &last.cores {
            let Some(before) = first.cores.get(&core) else { continue };
            let (ticks, client) = (now.since(before), client.contains(&core));
            if client {
                cpu.client_busy_core_seconds += ticks.busy() as f64 / hz;
            }
            cpu.per_core.push(core_over(core, client, &ticks, samples));
        }
        cpu
    }

    /// Adds the efficiency for this number of completed connections.
    pub fn completing(self, completed: u64) -> Cpu {
        let seconds = self.client_busy_core_seconds;
        Cpu { connections_per_core_second: (seconds > 0.0).then(|| completed as f64 / seconds), ..self }
    }

    pub fn client_cores(&self) -> impl Iterator<Item = &CoreTime> {
        self.per_core.iter().filter(|core| core.client)
    }
}

fn core_over(core: usize, client: bool, ticks: &Ticks, samples: &[CpuSample]) -> CoreTime {
    let between = |pair: &[CpuSample]| match pair {
        [before, after] => {
            let ticks = after.cores.get(&core)?.since(before.cores.get(&core)?);
            Some(ticks.share(ticks.busy()))
        }
        _ => None,
    };
    CoreTime {
        source: String::new(),
        core,
        client,
        user: ticks.share(ticks.user),
        system: ticks.share(ticks.system),
        softirq: ticks.share(ticks.softirq),
        irq: ticks.share(ticks.irq),
        steal: ticks.share(ticks.steal),
        idle: ticks.share(ticks.idle),
        busy_by_second: samples.windows(2).filter_map(between).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "cpu  30 3 60 1100 10 0 100 20 0 0\n\
                          cpu0 10 1 20 500 5 0 50 10 0 0\ncpu1 20 2 40 600 5 0 50 10 0 0\n\
                          intr 12 0 3\nctxt 5\ncpufreq 7\n";
    const AFTER: &str = "cpu0 35 6 60 510 5 2 88 20 0 0\ncpu1 20 2 40 700 5 0 50 10 0 0\n";

    #[test]
    fn lines_of_cores_are_read_and_no_others() {
        let sample = CpuSample::parse(BEFORE);
        assert_eq!(sample.cores.keys().copied().collect::<Vec<_>>(), [0, 1]);
        let expected = Ticks { user: 11, system: 20, softirq: 50, irq: 0, steal: 10, idle: 505 };
        assert_eq!(sample.cores.get(&0), Some(&expected));
        assert_eq!(CpuSample::parse("cpu0 x 1 2\ncpu1"), CpuSample::parse("cpu1 0 0 0 0"));
    }

    #[test]
    fn shares_are_of_the_time_between() {
        let cpu =
            Cpu::over(&[CpuSample::parse(BEFORE), CpuSample::parse(AFTER)], &[0], 100.0).completing(2200);
        let core = cpu.per_core.first().unwrap();
        // 130 ticks: user 30, system 40, irq 2, softirq 38, steal 10, idle 10.
        assert!((core.user - 30.0 / 130.0).abs() < 1e-12 && (core.softirq - 38.0 / 130.0).abs() < 1e-12);
        assert!((core.busy() + core.steal + core.idle - 1.0).abs() < 1e-12);
        assert!(core.client && core.busy_by_second == [110.0 / 130.0]);
        let other = cpu.per_core.last().unwrap();
        assert!(!other.client && other.idle == 1.0);
        assert_eq!(cpu.client_busy_core_seconds, 1.1);
        assert!((cpu.connections_per_core_second.unwrap() - 2000.0).abs() < 1e-9);
    }

    #[test]
    fn counts_that_step_back_are_no_time_and_nothing_is_divided_by_zero() {
        let cpu = Cpu::over(&[CpuSample::parse(AFTER), CpuSample::parse(BEFORE)], &[0], 100.0).completing(1);
        assert!(cpu.per_core.iter().all(|core| core.busy() == 0.0));
        assert_eq!(cpu.connections_per_core_second, None);
        assert_eq!(Cpu::over(&[], &[0], 100.0), Cpu::default());
    }

    #[test]
    fn this_machines_cores_are_read() {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert!(CpuSample::read().unwrap().cores.len() >= cores);
        assert!(ticks_per_second() >= 1.0);
    }
}
