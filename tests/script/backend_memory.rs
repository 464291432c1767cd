//! handfast's engine without a wire, under a clock that is turned by hand: minutes pass in no time.

use std::collections::VecDeque;
use std::time::Duration;

use handfast_stack::engine::simulation::{Service, Setup, Simulation};
use handfast_stack::service;
use handfast_stack::tcp::{Config, CookieMode};
use handfast_stack::wire::{EndpointRange, ParseConfig};

use super::backend::Backend;
use super::language::{self, Role};
use super::netns::{DEVICE_MAC, device_address};
use super::number::Family;

/// A whole core with every role, made for one script.
pub struct Memory {
    simulation: Simulation,
    started: u64,
    /// What it has sent: its own frames are few.
    answers: VecDeque<Vec<u8>>,
}

impl Memory {
    pub fn new(setup: language::Setup) -> Self {
        Self::with(Config { cookies: cookie_mode(setup), ..Config::default() })
    }

    /// The same with another configuration.
    pub fn with(config: Config) -> Self {
        let setup = Setup {
            config,
            policy: ParseConfig {
                mac: Some(DEVICE_MAC),
                subnets: vec!["192.0.2.0/24".parse().expect("a subnet")],
                accept_partial_checksum: false,
            },
            capacity: 256,
            ..Setup::default()
        };
        let simulation = Simulation::new(setup, &services());
        Self { started: simulation.now().micros, simulation, answers: VecDeque::new() }
    }

    fn collect(&mut self) {
        while let Some(frame) = self.simulation.collect() {
            self.answers.push_back(frame);
        }
    }

    /// Frames that the engine has lost sight of.
    pub fn lost_frames(&self) -> u64 {
        self.simulation.lost_frames()
    }
}

pub fn cookie_mode(setup: language::Setup) -> CookieMode {
    match setup {
        language::Setup::Plain => CookieMode::Auto,
        language::Setup::Cookies => CookieMode::Always,
    }
}

fn services() -> Vec<Service> {
    let roles = [Family::V4, Family::V6].into_iter().flat_map(|f| Role::SERVED.map(|role| (f, role)));
    let service = |(family, role): (Family, Role)| -> Service {
        let kind: service::Service = role.name().parse().expect("every role is a service");
        let owned = EndpointRange { prefix: device_address(family).into(), ports: role.port()..=role.port() };
        (owned, Box::new(move || kind.user()))
    };
    roles.map(service).collect()
}

impl Backend for Memory {
    fn send(&mut self, frame: &[u8]) {
        self.simulation.inject(frame);
        self.simulation.run();
        self.collect();
    }

    fn receive(&mut self, timeout: Duration) -> Option<Vec<u8>> {
        let mut left = timeout.as_nanos().div_ceil(1_000_000) as u32;
        loop {
            self.collect();
            if let Some(frame) = self.answers.pop_front() {
                return Some(frame);
            }
            if left == 0 {
                return None;
            }
            let step = self.simulation.idle_ms(left).clamp(1, left);
            self.simulation.advance_ms(step);
            left -= step;
        }
    }

    fn now(&self) -> Duration {
        Duration::from_micros(self.simulation.now().micros - self.started)
    }
}
