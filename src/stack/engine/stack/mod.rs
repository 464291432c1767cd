//! Devices, queues and threads around the engine: what `handfast respond` is, for any program.
//!
//! - `options`: what can be chosen, and why it may not start; `active`: what came of it.
//! - `devices`: interfaces, their program and queues; `cores`: one runner per core around them.
//! - `notes`: what the operator should know of it before the first frame.
//! - `launch`: starts the threads of the cores, scheduled as asked.
//! - `listening`: other listeners for a stack at work; `follow`: other addresses, MACs and names of its
//!   interfaces; `announce`: which addresses are announced, and when.
//! - `tier`: the thread that decides when the eBPF program answers SYNs by cookie.
//! - `running`: a stack at work, and its end; `watch` its counts, for any thread.

mod active;
mod announce;
mod cores;
mod devices;
mod follow;
mod launch;
mod listening;
mod notes;
mod options;
mod running;
mod tier;
mod watch;

use std::sync::Arc;
use std::time::Instant;

pub use active::{ActiveTier, Effective, EffectiveDevice};
pub use listening::{ListenChange, ListenError};
pub use options::{
    CookieTierOptions, Gateway, ServiceFactory, StackConfig, StartError, TierChoice, UnprovenAcks,
};
pub use running::{Finished, RunError, Running};
pub use tier::TierSnapshot;
pub use watch::Watch;

use super::Polling;
use super::listener_registry::ListenerRegistry;
use super::runner::Runner;
use crate::capture::{Begun, Capture};
use crate::xdp::{Changes, Device, Network, Queue};
use cores::{Basis, State, choose_cpus, start_cores};
use devices::{Given, OpenDevice, open_device};
use follow::{Follow, Followed};
use launch::Launcher;
use listening::{Listening, steering_rules};
use tier::{CookieTier, TierThread};

/// Opened, attached and bound; no thread runs yet. Needs no privilege from here on.
pub struct Stack {
    devices: Arc<[OpenDevice]>,
    runners: Vec<Runner>,
    launcher: Launcher,
    state: State,
    capture: Option<Begun>,
    listening: Arc<Listening>,
    follow: Follow,
    tier: Option<CookieTier>,
    /// What is really active.
    pub active: Effective,
}

impl Stack {
    /// Loads, attaches and binds. Needs `CAP_BPF`, `CAP_PERFMON`, `CAP_NET_ADMIN` and `CAP_NET_RAW`.
    ///
    /// # Errors
    /// [`StartError`]; every interface is then as it was found.
    pub fn open(mut options: StackConfig) -> Result<Stack, StartError> {
        if options.devices.is_empty() {
            return Err(StartError::NoDevice);
        }
        match (&options.opener, options.gateway) {
            (None, _) if options.listen.is_empty() => return Err(StartError::NoListener),
            (Some(_), None) => return Err(StartError::NoGateway),
            _ => {}
        }
        let listen = options.listen.iter().map(|(owned, _)| owned.clone());
        let (book, rules) = ListenerRegistry::new(listen, options.fault)?;
        if options.priority.is_realtime() && options.polling == Polling::Busy {
            return Err(StartError::BusyRealtime);
        }
        let launcher = Launcher::new(options.priority)?;
        // First: what changes from here on is heard of.
        let changes = Changes::subscribe().map_err(StartError::Changes)?;
        let network = Network::read()?;
        let found = find(&network, &options.devices)?;
        // Before the steering program takes what a next hop answers.
        let gateway = options.gateway.map(|gateway| gateway.resolve(&found[0].name)).transpose()?;
        let queues = found.iter().map(|device| device.rx_queues).sum();
        let cpus = choose_cpus(&options.cores, queues)?;
        let mut active = Effective {
            devices: Vec::new(),
            cpus: cpus.clone(),
            polling: options.polling,
            priority: options.priority,
            max_connections: options.max_connections,
            table_bytes: 0,
            notes: Vec::from_iter(notes::idle_cores(&options.cores, &cpus, queues)),
        };
        let local = network.local();
        active.notes.extend(notes::shared(&book.owned().chain(&options.owned).collect::<Vec<_>>(), &network));
        let basis = Basis::new(&options, &found)?;
        let tier = devices::tier(&options, &basis)?;
        let rules_of_devices = steering_rules(&book, &options.owned);
        let mut devices = Vec::new();
        let mut ports: Vec<Vec<(Queue, usize)>> = cpus.iter().map(|_| Vec::new()).collect();
        let (mut next, mut speakers) = (0, Vec::new());
        for (number, device) in found.into_iter().enumerate() {
            let steered = (&rules_of_devices[..], &local[..], tier.as_ref());
            let (open, queues) = open_device(&options, device, steered, &mut active)?;
            speakers.push(next % cpus.len());
            for mut queue in queues {
                if let Some(capture) = &mut options.capture {
                    queue.set_tap(capture.tap(queue.ifname(), queue.queue_id()));
                }
                ports[next % cpus.len()].push((queue, number));
                next += 1;
            }
            devices.push(open);
        }
        let devices: Arc<[OpenDevice]> = devices.into();
        let given = Given::of(&options);
        let policies: Vec<_> = devices.iter().map(|open| given.policy(&network, open.device.index)).collect();
        for (open, policy) in devices.iter().zip(&policies) {
            open.configure_tier(policy);
        }
        let capture = options.capture.take();
        let listening = Arc::new(Listening::new(book, options.owned.clone(), devices.clone(), local));
        let (announce, no_arp) = (options.announce, options.bounds.no_arp);
        let (runners, state) =
            start_cores(options, (basis, gateway), rules, policies.clone(), &devices, ports, &mut active)?;
        let tier = tier.map(|tier| state.cookie_tier(tier, devices.clone(), listening.clone()));
        let followed = Followed {
            changes,
            devices: devices.clone(),
            listening: listening.clone(),
            orders: state.orders.clone(),
            speakers,
            given,
            network,
            policies,
            names: state.watch.names(),
        };
        let follow = Follow::new(followed, announce, no_arp)?;
        let capture = capture.map(Capture::begin).transpose().map_err(StartError::Capture)?;
        Ok(Stack { devices, runners, launcher, state, capture, listening, follow, tier, active })
    }

    /// Starts one pinned thread per core.
    pub fn run(self) -> Result<Running, StartError> {
        let Stack { devices, runners, launcher, state, capture, listening, follow, tier, .. } = self;
        // Not earlier: a thread keeps the privileges it was started with.
        let capture = capture.map(Begun::start).transpose().map_err(StartError::Capture)?;
        let started = Instant::now();
        let threads = launcher.start(runners).map_err(StartError::Thread)?;
        let follower = follow.start().map_err(StartError::Thread)?;
        let tier = tier.map(TierThread::start).transpose().map_err(StartError::Thread)?;
        Ok(Running { devices, threads, state, capture, listening, follower, tier, started })
    }
}

/// The interfaces of these names. Two names may be one interface's.
fn find(network: &Network, names: &[String]) -> Result<Vec<Device>, StartError> {
    let mut found: Vec<Device> = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let device = Device::of(network, name)?;
        if let Some(before) = found.iter().position(|known| known.index == device.index) {
            return Err(StartError::Twice { name: names[place].clone(), also: names[before].clone() });
        }
        found.push(device);
    }
    Ok(found)
}
