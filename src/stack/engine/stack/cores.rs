use std::sync::Arc;
use std::time::Instant;

use nix::sys::eventfd::EventFd;

use super::devices::OpenDevice;
use super::listening::Listening;
use super::tier::{CookieTier, TierCounters};
use super::{Effective, StackConfig, StartError, Watch};
use crate::engine::command_queue::CommandQueue;
use crate::engine::core::{Core, Secrets, Shared, servers};
use crate::engine::inspect::Tables;
use crate::engine::listeners::ListenerSet;
use crate::engine::runner::{Asked, Runner, now, wake_event, waker};
use crate::engine::{ForwardQueue, SynBoard, Worker};
use crate::observe::CoreCounters;
use crate::table::{Shard, table};
use crate::tcp::{Config, Cookies, Tcb};
use crate::wire::{FlowKey4, FlowKey6, Mac, ParseConfig};
use crate::xdp::{Device, Queue, Tier};

/// What a running or finished stack can be asked.
pub(super) struct State {
    pub(super) watch: Watch,
    pub(super) wakes: Vec<Arc<EventFd>>,
    pub(super) orders: Vec<Arc<CommandQueue>>,
    pub(super) tables: Option<Box<Tables>>,
    pub(super) asked: Arc<Asked>,
    shared: Arc<Shared>,
    cookies: Cookies,
    epoch: Instant,
    counters: Vec<Arc<CoreCounters>>,
    tier: Arc<TierCounters>,
}

impl State {
    /// The parts that the thread of the cookie tier works with.
    pub(super) fn cookie_tier(
        &self,
        tier: Arc<Tier>,
        devices: Arc<[OpenDevice]>,
        listening: Arc<Listening>,
    ) -> CookieTier {
        CookieTier {
            tier,
            devices,
            listening,
            commands: self.orders.clone(),
            shared: self.shared.clone(),
            cookies: self.cookies.clone(),
            epoch: self.epoch,
            cores: self.counters.clone(),
            counters: self.tier.clone(),
        }
    }
}

/// The CPUs to run on: those asked for, or as many of those available as there are queues.
pub(super) fn choose_cpus(asked: &[usize], queues: u32) -> Result<Vec<usize>, StartError> {
    let available: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    if let Some(cpu) = asked.iter().find(|cpu| !available.contains(cpu)) {
        let available = available.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(StartError::NoCpu { cpu: *cpu, available });
    }
    let from = if asked.is_empty() { &available } else { asked };
    Ok(from.iter().copied().take((queues as usize).max(1)).collect())
}

/// Secrets and settings that are needed before devices are opened.
pub(super) struct Basis {
    pub(super) secrets: Secrets,
    /// The protocol's settings, with the MSS of these devices.
    pub(super) config: Config,
    pub(super) epoch: Instant,
}

impl Basis {
    pub(super) fn new(options: &StackConfig, devices: &[Device]) -> Result<Basis, StartError> {
        Ok(Basis {
            secrets: Secrets::random().map_err(StartError::Randomness)?,
            config: announce(options, devices),
            epoch: Instant::now(),
        })
    }
}

/// The largest MSS that fits the MTU of every device: the packet less the two headers (MUST-67).
fn announce(options: &StackConfig, devices: &[Device]) -> Config {
    let mtu = devices.iter().map(|device| device.mtu).min().unwrap_or(1500);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let asked = options.mss.unwrap_or(u16::MAX);
    Config {
        mss4: asked.min(mtu.saturating_sub(40)),
        mss6: asked.min(mtu.saturating_sub(60)),
        ..options.config.clone()
    }
}

/// One runner per core, around its queues; they share one table, one set of secrets.
pub(super) fn start_cores(
    options: StackConfig,
    (basis, gateway): (Basis, Option<Mac>),
    rules: Arc<ListenerSet>,
    policies: Vec<ParseConfig>,
    devices: &[OpenDevice],
    ports: Vec<Vec<(Queue, usize)>>,
    active: &mut Effective,
) -> Result<(Vec<Runner>, State), StartError> {
    let cores = ports.len();
    let Basis { secrets, config, epoch } = basis;
    let per_core = options.max_connections.div_ceil(cores as u32);
    let v4: Vec<Shard<FlowKey4, Tcb>> = table(cores, per_core)?;
    let v6: Vec<Shard<FlowKey6, Tcb>> = table(cores, per_core)?;
    if options.prefault {
        v4.first().map_or(Ok(()), |part| part.populate()).map_err(StartError::Prefault)?;
        v6.first().map_or(Ok(()), |part| part.populate()).map_err(StartError::Prefault)?;
    } else if options.opener.is_some() {
        // What opens connections measures from the first one on, and on a core that others use as well
        // the page faults of the first few hundred last for a second. Without it (Linux before 5.14) all
        // works as well.
        let opens = |ipv4: bool| options.owned.iter().any(|owned| owned.prefix.addr().is_ipv4() == ipv4);
        let _ = v4.first().filter(|_| opens(true)).map(|part| part.populate_index());
        let _ = v6.first().filter(|_| opens(false)).map(|part| part.populate_index());
    }
    let bytes = |first: Option<usize>| first.unwrap_or(0);
    active.table_bytes =
        bytes(v4.first().map(|part| part.memory_bytes())) + bytes(v6.first().map(|part| part.memory_bytes()));
    let tables = Tables::of(&v4, &v6).map(Box::new);
    let shared = Arc::new(Shared {
        config,
        policies,
        secrets,
        forward_queues: (0..cores).map(|_| ForwardQueue::new()).collect(),
        servers: servers(devices.len(), ports.iter().map(|ports| ports.iter().map(|(_, device)| *device))),
        core: options.bounds.clone(),
        sources: options.owned.clone(),
        board: SynBoard::default(),
    });
    let cookies = Cookies::new(shared.secrets.cookie);
    let asked = Arc::<Asked>::default();
    let wakes = (0..cores).map(|_| wake_event().map(Arc::new)).collect::<nix::Result<Vec<_>>>();
    let wakes = wakes.map_err(|errno| StartError::Thread(errno.into()))?;
    let counters: Vec<Arc<CoreCounters>> = (0..cores).map(|_| Arc::default()).collect();
    let orders: Vec<_> = wakes.iter().cloned().map(|wake| CommandQueue::new(waker(wake))).collect();
    let tier = Arc::<TierCounters>::default();
    let watch = Watch::new(counters.clone(), &ports, devices, tier.clone());
    let parts = v4.into_iter().zip(v6).zip(ports);
    let runners = parts.enumerate().map(|(id, ((v4, v6), ports))| {
        let users = options.listen.iter().map(|(_, factory)| factory()).collect();
        let answers = (rules.clone(), users);
        let mut core = Core::new(id, shared.clone(), counters[id].clone(), cookies.clone(), answers);
        if let (Some(factory), Some(gateway)) = (&options.opener, gateway) {
            core.set_opener(factory(id, cores), gateway);
        }
        core.set_wakers(wakes.iter().cloned().map(waker).collect());
        Runner {
            worker: Worker::new(core, ports, v4, v6, now(epoch)),
            cpu: active.cpus[id],
            polling: options.polling,
            priority: options.priority,
            epoch,
            asked: asked.clone(),
            on_stop: options.on_stop,
            wake: wakes[id].clone(),
            commands: orders[id].clone(),
            core: id,
            shared: shared.clone(),
        }
    });
    let runners = runners.collect();
    Ok((runners, State { watch, wakes, orders, tables, asked, shared, cookies, epoch, counters, tier }))
}
