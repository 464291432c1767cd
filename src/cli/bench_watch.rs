//! One step of a benchmark, watched from outside: progress, samples, snapshots.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::alarm::Alarm;
use super::bench_hints::Hints;
use super::notify::Notifier;
use super::{Failure, out};
use handfast_load::{Control, Load, RunStage, StepProgress, Tally, Workload};
use handfast_report::bench::cpu::CpuSample;
use handfast_report::bench::progress as progress_line;
use handfast_stack::engine::Snapshot;
use handfast_stack::engine::stack::Running;

const POLL_INTERVAL: Duration = Duration::from_millis(5);
const SECOND: Duration = Duration::from_secs(1);

/// What was seen of a step.
pub(super) struct Observed {
    pub(super) tally: Tally,
    pub(super) started_at: SystemTime,
    /// Around everything, and around the measured time.
    pub(super) whole: (Snapshot, Snapshot),
    pub(super) measured: (Snapshot, Snapshot),
    pub(super) measured_for: Duration,
    pub(super) cpu: Vec<CpuSample>,
    /// Connections in flight at the end of each second of the measured time.
    pub(super) in_flight: Vec<u64>,
}

/// What is collected on the way.
struct BenchWatch {
    begun: Option<(Instant, SystemTime, Snapshot)>,
    ended: Option<(Duration, Snapshot)>,
    cpu: Vec<CpuSample>,
    in_flight: Vec<u64>,
}

/// What every step of a run is watched with.
pub(super) struct Watcher<'a> {
    pub(super) running: &'a Running,
    pub(super) stop: &'a AtomicBool,
    /// Between two lines of progress; `None`: none.
    pub(super) interval: Option<Duration>,
    /// It ends when standard output has no reader any more.
    pub(super) needs_reader: bool,
    pub(super) notifier: &'a mut Notifier,
    pub(super) alarm: Alarm,
    pub(super) hints: Hints,
}

/// Runs a step to its end, or to a signal or the interface's end.
pub(super) fn step(control: &Control, load: Load, watcher: &mut Watcher<'_>) -> Result<Observed, Failure> {
    let Watcher { running, stop, interval, needs_reader, notifier, alarm, hints } = watcher;
    let running = *running;
    let mut watch = BenchWatch { begun: None, ended: None, cpu: Vec::new(), in_flight: Vec::new() };
    let first = running.snapshot();
    let (began, started_at) = (Instant::now(), SystemTime::now());
    let holds = control.plan().workload == Workload::Hold;
    let mut ticker = Ticker { holds, told: Duration::ZERO, counted: 0 };
    hints.begin(control, first.clone());
    control.step(load).map_err(|error| Failure::new(error.to_string()))?;
    let tally = loop {
        let unread = *needs_reader && out::reader_has_gone();
        if stop.load(Ordering::Relaxed) || unread || running.fault().is_some() {
            control.stop();
        }
        running.news().iter().for_each(|news| eprintln!("note: {news}"));
        let progress = control.progress();
        watch.look(&progress, running).map_err(unreadable)?;
        alarm.look(running).iter().for_each(|trouble| eprintln!("warning: {trouble}"));
        hints.look(&progress, || running.snapshot()).iter().for_each(|hint| eprintln!("warning: {hint}"));
        if let Some(interval) = *interval {
            ticker.tick(interval, began.elapsed(), &progress);
        }
        notifier.tick(|| {
            let StepProgress { established, completed, in_flight, failed, .. } = progress;
            format!(
                "{completed} completed, {established} established, {failed} failed, {in_flight} in flight"
            )
        });
        if let Some(tally) = control.take() {
            break tally;
        }
        thread::sleep(POLL_INTERVAL);
    };
    let last = running.snapshot();
    // Shorter than a look: all of it is the measured time.
    let (begun, started_at, before) = watch.begun.unwrap_or((began, started_at, first.clone()));
    let (measured_for, after) = watch.ended.unwrap_or_else(|| (begun.elapsed(), last.clone()));
    if watch.cpu.len() < 2 {
        watch.cpu.push(CpuSample::read().map_err(unreadable)?);
    }
    Ok(Observed {
        tally,
        started_at,
        whole: (first, last),
        measured: (before, after),
        measured_for,
        cpu: watch.cpu,
        in_flight: watch.in_flight,
    })
}

impl BenchWatch {
    fn look(&mut self, progress: &StepProgress, running: &Running) -> io::Result<()> {
        match (&self.begun, progress.stage) {
            (None, RunStage::Measured) => {
                self.begun = Some((Instant::now(), SystemTime::now(), running.snapshot()));
                self.cpu.push(CpuSample::read()?);
            }
            (Some((begun, ..)), RunStage::Measured) if begun.elapsed() >= SECOND * self.cpu.len() as u32 => {
                self.cpu.push(CpuSample::read()?);
                self.in_flight.push(progress.in_flight);
            }
            (Some((begun, ..)), RunStage::Drain | RunStage::Finished) if self.ended.is_none() => {
                self.ended = Some((begun.elapsed(), running.snapshot()));
                self.cpu.push(CpuSample::read()?);
                self.in_flight.push(progress.in_flight);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A line at each interval.
struct Ticker {
    /// Connections to hold complete all at the end: what is opened is counted instead.
    holds: bool,
    told: Duration,
    counted: u64,
}

impl Ticker {
    fn tick(&mut self, interval: Duration, elapsed: Duration, progress: &StepProgress) {
        let since = elapsed.saturating_sub(self.told);
        if since < interval {
            return;
        }
        let counted = if self.holds { progress.established } else { progress.completed };
        let rate = counted.saturating_sub(self.counted) as f64 / since.as_secs_f64();
        (self.told, self.counted) = (elapsed, counted);
        let StepProgress { established, in_flight, failed, .. } = *progress;
        eprintln!("{}", progress_line(elapsed.as_secs(), rate as u64, established, in_flight, failed));
    }
}

fn unreadable(error: io::Error) -> Failure {
    Failure::new(format!("cannot read /proc/stat: {error}")).fix("mount -t proc proc /proc")
}
