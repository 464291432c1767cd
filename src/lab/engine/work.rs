use std::ops::Range;
use std::time::Duration;

use super::clock::{Clock, processor_time};
use super::peer::{PeerStep, isn_of, write};
use super::workload::EngineWorkload;
use handfast_stack::engine::simulation::Simulation;
use handfast_stack::observe::{DropReason, STAGES};
use handfast_stack::wire::{Flags, Seq};

/// Connections that take each step together: the segments of a batch.
const BATCH: u32 = 64;

/// Connections opened before they are reset again.
pub(super) const CHUNK: u32 = 1 << 15;
/// Numbers of connections: many times the table's capacity.
const NUMBERS: u32 = 1 << 27;

const SYN: PeerStep = PeerStep { flags: Flags::SYN, theirs: 0, acked: 0, answered: true };
const ACK: PeerStep = PeerStep { flags: Flags::ACK, theirs: 1, acked: 1, answered: false };
const FIN: PeerStep = PeerStep { flags: Flags::ACK.with(Flags::FIN), theirs: 1, acked: 1, answered: true };
const LAST_ACK: PeerStep = PeerStep { flags: Flags::ACK, theirs: 2, acked: 2, answered: false };
const RST: PeerStep = PeerStep { flags: Flags::RST, theirs: 1, acked: 0, answered: false };

/// One core's part.
pub(super) struct Work {
    simulation: Simulation,
    core: u32,
    workload: EngineWorkload,
    live: u32,
    /// The connection to open next, and the oldest that `Replace` has not removed.
    next: u32,
    oldest: u32,
    ours: Vec<Seq>,
    share: CoreShare,
    clock: Clock,
}

/// Results of one core.
#[derive(Default)]
pub(super) struct CoreShare {
    pub spent: Duration,
    pub connections: u64,
    /// In and out.
    pub segments: u64,
    pub stages_ns: Vec<(&'static str, u64)>,
    /// Bytes that the first connections took.
    pub resident: Option<f64>,
}

impl CoreShare {
    pub(super) fn rate(&self) -> f64 {
        self.connections as f64 / self.spent.as_secs_f64().max(1e-9)
    }
}

impl Work {
    pub(super) fn new(simulation: Simulation, core: u32, workload: EngineWorkload, live: u32) -> Work {
        let ours = vec![Seq(0); BATCH as usize];
        Work {
            simulation,
            core,
            workload,
            live,
            next: 0,
            oldest: 0,
            ours,
            share: CoreShare::default(),
            clock: Clock::default(),
        }
    }

    /// Fills the table, runs one chunk to warm up, and measures until `time` is spent.
    pub(super) fn run(mut self, core: usize, time: Duration) -> Result<CoreShare, String> {
        if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
            return Err(format!("CPU {core} is not available to this process: choose others with --cores"));
        }
        self.clock = Clock::calibrated();
        let before = resident();
        self.fill()?;
        self.share.resident = before.and_then(|before| Some(resident()? - before));
        self.chunk(Duration::MAX)?;
        self.share = CoreShare { resident: self.share.resident, ..CoreShare::default() };
        let stages = self.stages();
        while self.share.spent < time {
            self.chunk(time)?;
        }
        let after = self.stages();
        self.share.stages_ns = STAGES
            .iter()
            .zip(stages.iter().zip(after))
            .map(|(stage, (a, b))| (stage.name(), b - a))
            .collect();
        Ok(self.share)
    }

    fn fill(&mut self) -> Result<(), String> {
        let cookies = self.workload == EngineWorkload::Cookie;
        while !cookies && self.next < self.live {
            let numbers = self.next..self.next + BATCH;
            self.run_steps(numbers, &[SYN, ACK])?;
            self.next += BATCH;
        }
        Ok(())
    }

    /// Adds connections, and removes those that do not end by themselves, unmeasured.
    fn chunk(&mut self, time: Duration) -> Result<(), String> {
        let steps: &[PeerStep] = match self.workload {
            EngineWorkload::SynAck | EngineWorkload::Cookie => &[SYN],
            EngineWorkload::Handshake | EngineWorkload::Replace => &[SYN, ACK],
            EngineWorkload::Lifecycle => &[SYN, ACK, FIN, LAST_ACK],
        };
        let (first, mut added) = (self.next, 0);
        while added < CHUNK && self.share.spent < time {
            self.run_steps(self.next..self.next + BATCH, steps)?;
            self.next = after(self.next);
            if self.workload == EngineWorkload::Replace {
                self.run_steps(self.oldest..self.oldest + BATCH, &[RST])?;
                self.oldest = after(self.oldest);
            }
            added += BATCH;
            self.share.connections += u64::from(BATCH);
        }
        if matches!(self.workload, EngineWorkload::SynAck | EngineWorkload::Handshake) {
            let kept = (self.share.spent, self.share.segments);
            for from in (first..first + added).step_by(BATCH as usize) {
                self.run_steps(from..from + BATCH, &[RST])?;
            }
            (self.share.spent, self.share.segments) = kept;
            self.next = first;
        }
        Ok(())
    }

    /// Runs connections through some steps.
    fn run_steps(&mut self, numbers: Range<u32>, steps: &[PeerStep]) -> Result<(), String> {
        for step in steps {
            let mut frame = [0; 128];
            for (number, ours) in numbers.clone().zip(&self.ours) {
                let len = write(&mut frame, self.core, number, step, *ours);
                self.simulation.inject(&frame[..len]);
            }
            let before = processor_time();
            self.simulation.run();
            self.share.spent += self.clock.since(before);
            self.answers(&numbers, step)?;
        }
        Ok(())
    }

    fn answers(&mut self, numbers: &Range<u32>, step: &PeerStep) -> Result<(), String> {
        let Work { simulation, ours, share, .. } = self;
        let mut answers = 0;
        simulation.collect_all(|answer| {
            if let (true, Some(isn), Some(place)) =
                (step.flags.has(Flags::SYN), isn_of(answer), ours.get_mut(answers))
            {
                *place = isn;
            }
            answers += 1;
        });
        let expected = if step.answered { numbers.len() } else { 0 };
        share.segments += (numbers.len() + answers) as u64;
        // A connection that the index refuses, one in 10^8 or fewer with every slot in use, gets a RST for
        // each of its segments.
        let refused = simulation.counters(0).drops[DropReason::TableFull as usize].value();
        if answers.abs_diff(expected) as u64 > refused {
            return Err(format!(
                "{answers} replies instead of {expected} to {:?}: this is a bug",
                step.flags
            ));
        }
        Ok(())
    }

    fn stages(&self) -> Vec<u64> {
        self.simulation.counters(0).stages.iter().map(|stage| stage.value()).collect()
    }
}

/// Returns the next batch. Numbers of ended connections are reused.
fn after(number: u32) -> u32 {
    (number + BATCH) % NUMBERS
}

/// Resident bytes of this process.
fn resident() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096.0)
}
