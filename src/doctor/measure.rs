//! The bare ceilings of a veth pair: how many frames a second go there and back when nothing is
//! done to them. What any TCP on this machine can reach lies below.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ipnet::IpNet;
use nix::sched::{CloneFlags, setns};
use serde::Serialize;

use super::link::Link;
use super::place::Place;
use crate::lab::bench::bare::{BareError, Client, ClientOptions, PortOptions, Reflector, ReflectorOptions};
use crate::lab::bench::workload::{Pattern, Workload};
use crate::lab::bench::xdp_tx::{XdpTx, XdpTxOptions};
use crate::lab::{CLIENT_DEVICE, Lab, LabError, SERVER_DEVICE, SOURCES_V4, Spec};
use crate::text::grouped;
use crate::wire::{Mac, Owned};
use crate::xdp::{Device, Mode, XdpError};

/// Where frames are sent to: from the range for benchmarks (RFC 2544), on the pair alone.
const TARGET: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 1, 1)), 7000);
/// Frames under way.
const WINDOW: u32 = 1024;
/// After this a frame is given up.
const LOST: Duration = Duration::from_millis(20);

/// One end of a pair: `IF`, or `NAMESPACE:IF`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    namespace: Option<String>,
    interface: String,
}

/// What is measured, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `None`: a pair is made in two namespaces, and removed.
    pub pair: Option<(End, End)>,
    /// Of each run.
    pub duration: Duration,
    pub rounds: u32,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    pub pair: String,
    /// Of each run.
    pub seconds: f64,
    pub ceilings: Vec<Ceiling>,
}

/// Frames there and back per second.
#[derive(Clone, Debug, Serialize)]
pub struct Ceiling {
    pub program: &'static str,
    pub mode: String,
    /// One for each round.
    pub rates: Vec<f64>,
    pub median: f64,
}

#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    #[error(transparent)]
    Lab(#[from] LabError),
    #[error("{end}: {source}")]
    Bare { end: String, source: BareError },
    #[error("{end}: {source}")]
    Device { end: String, source: XdpError },
    #[error("cannot enter namespace {namespace}: {source}")]
    Enter { namespace: String, source: io::Error },
    #[error(
        "{0} and {1} are not the two ends of a veth pair: `ip -details link show` names the peer of each"
    )]
    NotAPair(String, String),
    #[error("{0}: no frame came back")]
    Silent(String),
    #[error("stopped before the end")]
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    AfXdp,
    XdpTx,
}

const RUNS: [(Program, Mode); 4] = [
    (Program::AfXdp, Mode::Native),
    (Program::AfXdp, Mode::Generic),
    (Program::XdpTx, Mode::Native),
    (Program::XdpTx, Mode::Generic),
];

impl Program {
    fn name(self) -> &'static str {
        match self {
            Program::AfXdp => "AF_XDP reflector",
            Program::XdpTx => "XDP_TX reflector",
        }
    }
}

/// Measures; each program in each mode in turn, round after round. `tell` hears what comes next.
///
/// # Errors
/// No root, a pair that is none or is in use, or a program that cannot start.
pub fn measure(plan: &Plan, stop: &AtomicBool, mut tell: impl FnMut(&str)) -> Result<Measured, MeasureError> {
    let (lab, (client, server)) = match &plan.pair {
        Some(pair) => (None, pair.clone()),
        None => {
            let lab = Lab::up(&Spec::new(format!("dr{}", std::process::id())))?;
            let end = |namespace: &crate::lab::Namespace, interface: &str| End {
                namespace: Some(namespace.name().to_owned()),
                interface: interface.to_owned(),
            };
            let ends = (end(lab.client(), CLIENT_DEVICE), end(lab.server(), SERVER_DEVICE));
            (Some(lab), ends)
        }
    };
    let target = check_pair(&client, &server)?;
    let bench = Bench { client: &client, server: &server, target, duration: plan.duration };
    let mut rates = RUNS.map(|_| Vec::new());
    for round in 0..plan.rounds {
        for ((program, mode), rates) in RUNS.iter().zip(&mut rates) {
            tell(&format!("round {} of {}: {} {mode}", round + 1, plan.rounds, program.name()));
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
    Ok(Measured {
        pair: if plan.pair.is_some() {
            format!("{client} and {server}")
        } else {
            "a veth pair of its own".into()
        },
        seconds: plan.duration.as_secs_f64(),
        ceilings: ceilings.collect(),
    })
}

/// The server's MAC, if the two are one pair.
fn check_pair(client: &End, server: &End) -> Result<Mac, MeasureError> {
    let look = |end: &End| {
        let device = end.inside(|| Device::open(&end.interface))?;
        let device = device.map_err(|source| MeasureError::Device { end: end.to_string(), source })?;
        let place = end.namespace.clone().map_or(Place::Here, Place::Named);
        Ok::<_, MeasureError>((device, Link::ask(&place, &end.interface).unwrap_or_default()))
    };
    let ((one, one_link), (other, other_link)) = (look(client)?, look(server)?);
    let joined = one_link.link_index == Some(other.index) && other_link.link_index == Some(one.index);
    match other.mac.filter(|_| joined && one.is_veth() && other.is_veth()) {
        Some(mac) => Ok(mac),
        None => Err(MeasureError::NotAPair(client.to_string(), server.to_string())),
    }
}

/// A pair that is one, and how long each run takes.
struct Bench<'a> {
    client: &'a End,
    server: &'a End,
    /// The server's MAC.
    target: Mac,
    duration: Duration,
}

impl Bench<'_> {
    /// One program answers on one end, and is called from the other. Frames there and back per second.
    fn run(&self, program: Program, mode: Mode, stop: &AtomicBool) -> Result<f64, MeasureError> {
        let over = AtomicBool::new(false);
        let (ready, is_ready) = mpsc::channel();
        let rate = thread::scope(|scope| {
            let answering = scope.spawn(|| {
                // Moved in here, so that it is dropped, and nobody waits, if this ends early.
                let ready = ready;
                let tell = || {
                    // Whoever no longer waits has failed, and says so.
                    let _ = ready.send(());
                };
                self.server.bare(|| answer(program, port(self.server, mode, 0), &over, tell))
            });
            let called = is_ready.recv().map(|()| self.call(mode, stop));
            over.store(true, Relaxed);
            answering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            called.unwrap_or(Ok(0.0))
        })?;
        match rate > 0.0 {
            true => Ok(rate),
            false => Err(MeasureError::Silent(format!("{} {mode} on {}", program.name(), self.server))),
        }
    }

    fn call(&self, mode: Mode, stop: &AtomicBool) -> Result<f64, MeasureError> {
        let options = ClientOptions {
            port: port(self.client, mode, 1),
            peer: TARGET,
            peer_mac: self.target,
            source: SOURCES_V4.parse().unwrap_or(IpNet::from(TARGET.ip())),
            pattern: Pattern::new(Workload::Syn),
            window: WINDOW,
            rate: None,
            timeout: LOST,
            count: None,
            duration: Some(self.duration),
        };
        let report = self.client.bare(|| Client::open(options)?.run(stop))?;
        Ok(report.reflected as f64 / report.seconds)
    }
}

/// `side`: a core of its own for each, if there are two.
fn port(end: &End, mode: Mode, side: usize) -> PortOptions {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let core = cores.get(side).filter(|_| cores.len() > 1).map(|core| core.id);
    PortOptions { mode: Some(mode), core, anywhere: true, ..PortOptions::new(end.interface.clone()) }
}

fn answer(
    program: Program,
    port: PortOptions,
    stop: &AtomicBool,
    ready: impl FnOnce(),
) -> Result<(), BareError> {
    let own = Owned { prefix: TARGET.ip().into(), ports: TARGET.port()..=TARGET.port() };
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

fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => middle(count / 2),
        count => (middle(count / 2 - 1) + middle(count / 2)) / 2.0,
    }
}

impl End {
    /// Calls `work` in a thread that is in the end's namespace.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, MeasureError> {
        let there = || -> io::Result<T> {
            if let Some(name) = &self.namespace {
                setns(File::open(format!("/run/netns/{name}"))?, CloneFlags::CLONE_NEWNET)?;
            }
            Ok(work())
        };
        let enter =
            |source| MeasureError::Enter { namespace: self.namespace.clone().unwrap_or_default(), source };
        thread::scope(|scope| scope.spawn(there).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(enter)
    }

    fn bare<T: Send>(&self, work: impl FnOnce() -> Result<T, BareError> + Send) -> Result<T, MeasureError> {
        self.inside(work)?.map_err(|source| MeasureError::Bare { end: self.to_string(), source })
    }
}

impl FromStr for End {
    type Err = String;

    fn from_str(text: &str) -> Result<End, String> {
        let (namespace, interface) = match text.rsplit_once(':') {
            Some((namespace, interface)) => (Some(namespace.to_owned()), interface),
            None => (None, text),
        };
        let odd =
            |part: &str| part.is_empty() || part.contains(['/', ',']) || part.contains(char::is_whitespace);
        if odd(interface) || namespace.as_deref().is_some_and(|name| odd(name) || name.starts_with('.')) {
            return Err(format!("`{text}` is not IF or NAMESPACE:IF"));
        }
        Ok(End { namespace, interface: interface.to_owned() })
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}:{}", self.interface),
            None => f.write_str(&self.interface),
        }
    }
}

/// The medians, beside each other.
impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rounds = self.ceilings.first().map_or(0, |ceiling| ceiling.rates.len());
        writeln!(f, "ceilings of {}: frames there and back a second", self.pair)?;
        writeln!(f, "  {:<18}{:>12}{:>12}", "", "native", "generic")?;
        for program in [Program::AfXdp, Program::XdpTx] {
            let of = |mode: Mode| {
                let found = self
                    .ceilings
                    .iter()
                    .find(|ceiling| ceiling.program == program.name() && ceiling.mode == mode.to_string());
                grouped(found.map_or(0.0, |ceiling| ceiling.median) as u64)
            };
            writeln!(f, "  {:<18}{:>12}{:>12}", program.name(), of(Mode::Native), of(Mode::Generic))?;
        }
        writeln!(f, "  Medians of {rounds} runs of {} s, one core each side. A veth is no NIC.", self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_and_paths_refused() {
        let end =
            |namespace: Option<&str>| End { namespace: namespace.map(str::to_owned), interface: "a".into() };
        assert_eq!("a".parse(), Ok(end(None)));
        assert_eq!("hf-x-client:a".parse(), Ok(end(Some("hf-x-client"))));
        for odd in ["", ":a", "n:", "../x:a", "n:a/b", "..:a"] {
            assert!(odd.parse::<End>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        for (rates, expected) in [(&[][..], 0.0), (&[3.0], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 2.0], 3.0)]
        {
            assert_eq!(median(rates), expected);
        }
    }
}
