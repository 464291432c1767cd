use std::ops::Range;
use std::time::{Duration, Instant};

use handfast_stack::engine::CoreConfig;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::service::Service;
use handfast_stack::tcp::{Config, CookieMode};
use handfast_stack::wire::{Flags, Seq};

use crate::peer::{OURS, PeerStep, isn_of, write};

pub const SYN: PeerStep = PeerStep { flags: Flags::SYN, theirs: 0, acked: 0, answered: true };
pub const ACK: PeerStep = PeerStep { flags: Flags::ACK, theirs: 1, acked: 1, answered: false };
pub const FIN: PeerStep =
    PeerStep { flags: Flags::ACK.with(Flags::FIN), theirs: 1, acked: 1, answered: true };
pub const LAST_ACK: PeerStep = PeerStep { flags: Flags::ACK, theirs: 2, acked: 2, answered: false };
pub const RST: PeerStep = PeerStep { flags: Flags::RST, theirs: 1, acked: 0, answered: false };

/// Connections that take a step together: the segments of a batch.
pub const BATCH: u32 = 64;

/// A core, and its ISNs as its peers know them.
pub struct Scene {
    pub simulation: Simulation,
    /// By connection, modulo their number.
    ours: Vec<Seq>,
}

impl Scene {
    /// Allocates `capacity` connections, any number of which may be half open.
    pub fn new(capacity: u32, cookies: CookieMode) -> Scene {
        Scene::with_frames(capacity, cookies, Setup::default().frames)
    }

    /// As [`Scene::new`], with this number of frames.
    pub fn with_frames(capacity: u32, cookies: CookieMode, frames: u32) -> Scene {
        let bounds = CoreConfig { half_open_bound: u32::MAX, ..CoreConfig::default() };
        let config = Config { cookies, ..Config::default() };
        let setup = Setup { config, bounds, capacity, frames, prefault: true, ..Setup::default() };
        let owned = OURS.parse().expect("an address and a port");
        let simulation = Simulation::new(setup, &[(owned, Box::new(|| Service::Discard.user()))]);
        Scene { simulation, ours: vec![Seq(0); capacity as usize] }
    }

    /// Sends a segment of a connection.
    pub fn send(&mut self, number: u32, step: &PeerStep) {
        let mut frame = [0; 128];
        let ours = self.ours[number as usize % self.ours.len()];
        let len = write(&mut frame, 0, number, step, ours);
        assert!(self.simulation.inject(&frame[..len]), "a free frame");
    }

    /// Runs the engine, and returns its time. `opened`: the connections whose SYNs were sent, in order; `expected`: the
    /// number of replies.
    pub fn run(&mut self, opened: Range<u32>, expected: usize) -> Duration {
        let start = Instant::now();
        self.simulation.run();
        let spent = start.elapsed();
        let Scene { simulation, ours } = self;
        let (len, mut numbers, mut answers) = (ours.len(), opened, 0);
        simulation.collect_all(|answer| {
            answers += 1;
            if answer[47] & Flags::SYN.0 == 0 {
                return;
            }
            let (Some(number), Some(isn)) = (numbers.next(), isn_of(answer)) else { return };
            ours[number as usize % len] = isn;
        });
        assert_eq!((answers, numbers.len()), (expected, 0), "answers, and SYNs without one");
        spent
    }

    /// Advances many connections by one step, batch by batch.
    pub fn step(&mut self, numbers: Range<u32>, step: &PeerStep) -> Duration {
        let mut spent = Duration::ZERO;
        for first in numbers.clone().step_by(BATCH as usize) {
            let batch = first..(first + BATCH).min(numbers.end);
            batch.clone().for_each(|number| self.send(number, step));
            let opened = if step.flags == Flags::SYN { batch.clone() } else { 0..0 };
            spent += self.run(opened, if step.answered { batch.len() } else { 0 });
        }
        spent
    }
}
