//! The maximum rates of a veth pair: frames per second there and back, without any processing. No
//! TCP stack on this host can exceed them.

mod end;
mod error;
mod measured;
mod program;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;

pub use end::End;
pub use error::MeasureError;
use measured::median;
pub use measured::{Ceiling, MeasuredRates};
use program::Program;

use super::link::Link;
use handfast_lab::bench::baseline::{
    BaselineError, PortOptions, Reflector, ReflectorOptions, ReplayClient, ReplayClientOptions,
};
use handfast_lab::bench::workload::{Pattern, Workload};
use handfast_lab::bench::xdp_tx::{XdpTx, XdpTxOptions};
use handfast_lab::{CLIENT_DEVICE, Lab, SERVER_DEVICE, SOURCES_V4, Spec};
use handfast_stack::wire::{EndpointRange, Mac};
use handfast_stack::xdp::{Device, Mode};

/// Where frames are sent to: from the range for benchmarks (RFC 2544), on the pair alone.
const TARGET: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 1, 1)), 7000);
/// Frames under way.
const WINDOW: u32 = 1024;
/// After this another frame takes its place.
const LOST: Duration = Duration::from_millis(20);

/// The pair to measure, and for how long.
#[derive(Clone, Debug)]
pub struct MeasurePlan {
    /// `None`: a temporary pair in two namespaces.
    pub pair: Option<(End, End)>,
    /// Duration of each run.
    pub duration: Duration,
    pub rounds: u32,
}

const RUNS: [(Program, Mode); 4] = [
    (Program::AfXdp, Mode::Native),
    (Program::AfXdp, Mode::Generic),
    (Program::XdpTx, Mode::Native),
    (Program::XdpTx, Mode::Generic),
];

/// Measures each program in each mode, round after round. `progress` is called before each run.
///
/// # Errors
/// No root, a pair that is none or is in use, or a program that cannot start.
pub fn measure(
    plan: &MeasurePlan,
    stop: &AtomicBool,
    mut progress: impl FnMut(&str),
) -> Result<MeasuredRates, MeasureError> {
    let (lab, (client, server)) = match &plan.pair {
        Some(pair) => (None, pair.clone()),
        None => {
            let lab = Lab::up(&Spec::new(format!("dr{}", std::process::id())))?;
            let ends = (End::of_lab(lab.client(), CLIENT_DEVICE), End::of_lab(lab.server(), SERVER_DEVICE));
            (Some(lab), ends)
        }
    };
    let target = check_pair(&client, &server)?;
    let bench = Bench { client: &client, server: &server, target, duration: plan.duration };
    let mut rates = RUNS.map(|_| Vec::new());
    for round in 0..plan.rounds {
        for ((program, mode), rates) in RUNS.iter().zip(&mut rates) {
            progress(&format!("round {} of {}: {} {mode}", round + 1, plan.rounds, program.name()));
            let rate = bench.run(*program, *mode, stop);
            if stop.load(Relaxed) {
                return Err(MeasureError::Stopped);
            }
            rates.push(rate?);
        }
    }
    drop(lab);
    let ceilings = RUNS.iter().zip(rates).map(|(&(program, mode), rates)| Ceiling {
        program: program.name(),
        mode: mode.to_string(),
        median: median(&rates),
        rates,
    });
    Ok(MeasuredRates {
        pair: if plan.pair.is_some() {
            format!("{client} and {server}")
        } else {
            "a temporary veth pair".into()
        },
        seconds: plan.duration.as_secs_f64(),
        ceilings: ceilings.collect(),
    })
}

/// The server's MAC address, if the two ends are a pair.
fn check_pair(client: &End, server: &End) -> Result<Mac, MeasureError> {
    let look = |end: &End| {
        let device = end.inside(|| Device::open(&end.interface))?;
        let device = device.map_err(|source| MeasureError::Device { end: end.to_string(), source })?;
        Ok::<_, MeasureError>((device, Link::ask(&end.netns(), &end.interface).unwrap_or_default()))
    };
    let ((one, one_link), (other, other_link)) = (look(client)?, look(server)?);
    let joined = one_link.link_index == Some(other.index) && other_link.link_index == Some(one.index);
    match other.mac.filter(|_| joined && one.is_veth() && other.is_veth()) {
        Some(mac) => Ok(mac),
        None => Err(MeasureError::NotAPair(client.to_string(), server.to_string())),
    }
}

/// A veth pair, and the duration of each run.
struct Bench<'a> {
    client: &'a End,
    server: &'a End,
    /// The server's MAC.
    target: Mac,
    duration: Duration,
}

impl Bench<'_> {
    /// Runs a program on one end and a client on the other. Returns frames there and back per second.
    fn run(&self, program: Program, mode: Mode, stop: &AtomicBool) -> Result<f64, MeasureError> {
        let over = AtomicBool::new(false);
        let (ready, is_ready) = mpsc::channel();
        let rate = thread::scope(|scope| {
            let answering = scope.spawn(|| {
                // Moved in here, so that it is dropped and the receiver returns if this thread ends early.
                let ready = ready;
                let started = || {
                    // The receiver is gone only if it has failed.
                    let _ = ready.send(());
                };
                self.server.bare(|| answer(program, port(self.server, mode, 0), &over, started))
            });
            let called = is_ready.recv().map(|()| self.call(mode, stop));
            over.store(true, Relaxed);
            answering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            called.unwrap_or(Ok(0.0))
        })?;
        match rate > 0.0 {
            true => Ok(rate),
            false => Err(MeasureError::NoAnswer(format!("{} {mode} on {}", program.name(), self.server))),
        }
    }

    fn call(&self, mode: Mode, stop: &AtomicBool) -> Result<f64, MeasureError> {
        let options = ReplayClientOptions {
            port: port(self.client, mode, 1),
            peer: TARGET,
            peer_mac: self.target,
            source: SOURCES_V4.parse().unwrap_or(IpNet::from(TARGET.ip())),
            pattern: Pattern::new(Workload::Syn),
            window: WINDOW,
            rate: None,
            sleep: false,
            timeout: LOST,
            count: None,
            duration: Some(self.duration),
        };
        let report = self.client.bare(|| ReplayClient::open(options)?.run(stop))?;
        // Where cores are shared, frames come back that were given up: they were there and back all the same.
        Ok((report.reflected + report.duplicate) as f64 / report.seconds)
    }
}

/// `side`: a core of its own for each, if there are two.
fn port(end: &End, mode: Mode, side: usize) -> PortOptions {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = cores.get(side).filter(|_| cores.len() > 1).map(|core| core.id);
    PortOptions { mode: Some(mode), core, force: true, ..PortOptions::new(end.interface.clone()) }
}

fn answer(
    program: Program,
    port: PortOptions,
    stop: &AtomicBool,
    ready: impl FnOnce(),
) -> Result<(), BaselineError> {
    let own = EndpointRange { prefix: TARGET.ip().into(), ports: TARGET.port()..=TARGET.port() };
    match program {
        Program::AfXdp => {
            let options =
                ReflectorOptions { port, own: vec![own], swap_ip: false, drop: false, duration: None };
            let reflector = Reflector::open(options)?;
            ready();
            reflector.run(stop).map(drop)
        }
        Program::XdpTx => {
            let options = XdpTxOptions { port, tcp_port: TARGET.port(), reflect_syns: true, duration: None };
            let answering = XdpTx::open(options)?;
            ready();
            answering.run(stop).map(drop)
        }
    }
}
