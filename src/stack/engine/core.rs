use std::sync::Arc;

use super::ForwardQueue;
use super::fair::FairLimit;
use super::idle::sweep_ms;
use super::link_cache::LinkCache;
use super::listener_registry::{CoreUpdate, ListenerSet};
use super::opener::Opener;
use crate::observe::CoreCounters;
use crate::tcp::{Config, ConnectionHandler, Cookies, IdleClock, IdleLimits, IsnSecret, SendBuffers, Time};
use crate::wire::{EndpointRange, Flags, HashSecret, Mac, ParseConfig, TxSegment};

/// What all cores share. Read only while running, but for the forward_queues.
pub struct Shared {
    pub config: Config,
    /// One per device.
    pub policies: Vec<ParseConfig>,
    pub secrets: Secrets,
    /// One per core.
    pub forward_queues: Vec<ForwardQueue>,
    /// By device: the cores that have a queue of it.
    pub servers: Vec<Vec<usize>>,
    pub core: CoreConfig,
    /// Ours without a listener: where an opener's connections come from.
    pub sources: Vec<EndpointRange>,
}

/// Bounds, each per core.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Half-open connections above which cookies take over (`auto`).
    pub half_open_bound: u32,
    /// Connections in TIME-WAIT; beyond it the oldest goes.
    pub time_wait_budget: u32,
    /// Send buffers.
    pub send_buffers: u32,
    /// RSTs a second.
    pub rst_rate: u32,
    /// ICMP answers a second.
    pub icmp_rate: u32,
    /// Leave ARP requests and neighbour solicitations unanswered: another host answers for our
    /// addresses, and sends on to us what comes.
    pub no_arp: bool,
    /// Count the nanoseconds of each stage: a clock reading per stage and batch.
    pub account_stages: bool,
}

impl Default for CoreConfig {
    fn default() -> CoreConfig {
        CoreConfig {
            half_open_bound: 65_536,
            time_wait_budget: 262_144,
            send_buffers: 65_536,
            rst_rate: 10_000,
            icmp_rate: 1000,
            no_arp: false,
            account_stages: false,
        }
    }
}

/// Drawn from the system's randomness at start; a simulation may fix them.
#[derive(Clone, Copy)]
pub struct Secrets {
    pub hash: HashSecret,
    pub isn: IsnSecret,
    pub cookie: (u64, u64),
    /// Under which sources are counted, for limits and shares.
    pub sources: [u64; 2],
    pub fault: u64,
}

/// What a RST answers. Each kind has a limit of its own, so that a flood of one leaves the other alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResetKind {
    /// A segment with an ACK, of no connection.
    Ack,
    /// A SYN, or what has no ACK, at a closed port.
    Syn,
}

impl ResetKind {
    /// A RST takes its number from the ACK it answers, or else acknowledges (RFC 9293 3.10.7.1).
    #[inline]
    pub(super) fn of(reset: &TxSegment) -> ResetKind {
        if reset.flags.has(Flags::ACK) { ResetKind::Syn } else { ResetKind::Ack }
    }
}

/// How to mistreat SYNs on purpose, for people who test clients.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FaultInjection {
    /// Share of SYNs not answered, 0 to 1.
    pub drop: f64,
    /// Share of SYNs answered with a RST, 0 to 1.
    pub reset: f64,
    /// How late every other SYN is answered, milliseconds.
    pub delay_ms: u32,
}

/// What one core has beside its connections.
pub struct Core {
    pub(super) id: usize,
    pub(super) shared: Arc<Shared>,
    /// Who answers for what: its own, so that it can be given others.
    pub(super) rules: Arc<ListenerSet>,
    pub(super) counters: Arc<CoreCounters>,
    pub(super) buffers: SendBuffers,
    pub(super) cookies: Cookies,
    pub(super) link_cache: LinkCache,
    /// By listener's number: one value serves all its connections on this core.
    pub(super) users: Vec<Box<dyn ConnectionHandler>>,
    /// Who opens connections from here; not there while it is doing so.
    pub(super) opener: Option<Box<dyn Opener>>,
    /// Where its SYNs go.
    pub(super) gateway: Option<Mac>,
    /// By [`ResetKind`].
    pub(super) rst_limit: FairLimit<2>,
    /// By the kinds of [`answers`](super::arp_icmp).
    pub(super) icmp_limit: FairLimit<2>,
    pub(super) fault_rng: FaultRng,
    /// Whether `--fault` mistreats any SYN, or the core is stopping: SYNs are looked at more closely.
    pub(super) faults_enabled: bool,
    /// No new connections: the program ends.
    pub(super) stopping: bool,
    pub(super) now: Time,
    /// How long idle connections have been so.
    pub(super) idle: IdleClock,
    /// How long a look at every connection may take, milliseconds; 0: none may be idle for too long.
    pub(super) sweep_ms: u32,
    /// Since when send buffers are short, and when they were last.
    pub(super) short: Option<(Time, Time)>,
    /// By port, those of devices without a queue here included: its device.
    pub(super) devices: Vec<usize>,
    /// How to wake each core that sleeps.
    pub(super) wakers: Vec<Waker>,
}

/// Wakes a sleeping core.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

impl Core {
    /// Core number `id` of those that share `shared`; `users` by the numbers of `rules`. All cores'
    /// `cookies` are clones of one.
    pub fn new(
        id: usize,
        shared: Arc<Shared>,
        counters: Arc<CoreCounters>,
        cookies: Cookies,
        (rules, users): (Arc<ListenerSet>, Vec<Box<dyn ConnectionHandler>>),
    ) -> Core {
        let bounds = &shared.core;
        counters.send_buffers_limit.set(u64::from(bounds.send_buffers));
        let sweep_ms = sweep_ms(&users, &shared.config);
        Core {
            id,
            counters,
            buffers: SendBuffers::new(bounds.send_buffers, shared.secrets.sources, shared.config.congestion),
            cookies,
            link_cache: LinkCache::new(),
            users,
            opener: None,
            gateway: None,
            rst_limit: FairLimit::new(bounds.rst_rate, shared.secrets.sources),
            icmp_limit: FairLimit::new(bounds.icmp_rate, shared.secrets.sources),
            fault_rng: FaultRng(shared.secrets.fault | 1),
            faults_enabled: rules.fault != FaultInjection::default(),
            stopping: false,
            now: Time::default(),
            idle: IdleClock::default(),
            sweep_ms,
            short: None,
            devices: Vec::new(),
            wakers: Vec::new(),
            shared,
            rules,
        }
    }
}

impl Core {
    /// How to wake each core, by number. Without, nobody sleeps.
    pub fn set_wakers(&mut self, wakers: Vec<Waker>) {
        self.wakers = wakers;
    }

    /// Other rules, from now on; what they replace is in their place then.
    pub(super) fn apply(&mut self, change: &mut CoreUpdate) {
        change.swap(&mut self.rules, &mut self.users);
        self.faults_enabled = self.stopping || self.rules.fault != FaultInjection::default();
        self.sweep_ms = sweep_ms(&self.users, &self.shared.config);
    }

    /// No new connections from now on.
    pub(super) fn stop(&mut self) {
        (self.stopping, self.faults_enabled) = (true, true);
    }

    /// How long a listener's connections may be silent.
    pub(super) fn idle_limits(&self, listener: u16) -> IdleLimits {
        let user = self.users.get(usize::from(listener));
        user.and_then(|user| user.idle_limits()).unwrap_or(self.shared.config.idle)
    }

    /// The window that a listener's service gives a new connection.
    #[inline]
    pub(super) fn window(&self, listener: u16) -> u16 {
        self.users.get(usize::from(listener)).map_or(0, |user| user.window())
    }

    /// Who opens connections from this core, and the next hop of their SYNs on the core's first
    /// port. Before the core is given to its worker.
    pub fn set_opener(&mut self, opener: Box<dyn Opener>, gateway: Mac) {
        self.opener = Some(opener);
        self.gateway = Some(gateway);
    }

    pub(super) fn device_of(&self, port: u8) -> usize {
        self.devices.get(usize::from(port)).copied().unwrap_or(0)
    }

    /// Wakes `owner` if it sleeps, after a frame was forwarded to it.
    pub(super) fn wake_owner(&self, owner: usize) {
        wake_owner(&self.shared, &self.wakers, owner);
    }
}

/// Wakes a sleeping core, after a push to its forward queue.
pub(super) fn wake_owner(shared: &Shared, wakers: &[Waker], owner: usize) {
    if let (Some(queue), Some(wake)) = (shared.forward_queues.get(owner), wakers.get(owner))
        && queue.needs_wakeup()
    {
        wake();
    }
}

/// By device: the cores that have a queue of it; `ports`: by core, the device of each.
pub(super) fn servers(
    devices: usize,
    ports: impl Iterator<Item = impl IntoIterator<Item = usize>>,
) -> Vec<Vec<usize>> {
    let mut servers = vec![Vec::new(); devices];
    for (core, ports) in ports.enumerate() {
        for device in ports {
            if let Some(cores) = servers.get_mut(device)
                && cores.last() != Some(&core)
            {
                cores.push(core);
            }
        }
    }
    servers
}

impl Secrets {
    /// From the system's randomness.
    pub fn random() -> Result<Secrets, getrandom::Error> {
        let mut hash = [0; HashSecret::WORDS];
        let mut others = [0; 7];
        for word in hash.iter_mut().chain(&mut others) {
            *word = getrandom::u64()?;
        }
        let [isn0, isn1, cookie0, cookie1, source0, source1, fault] = others;
        Ok(Secrets {
            hash: HashSecret(hash),
            isn: IsnSecret(isn0, isn1),
            cookie: (cookie0, cookie1),
            sources: [source0, source1],
            fault,
        })
    }

    /// Always the same: for simulations that must repeat.
    pub const fn fixed(seed: u64) -> Secrets {
        Secrets {
            hash: HashSecret::fixed(seed),
            isn: IsnSecret(seed ^ 1, !seed),
            cookie: (seed ^ 2, !seed),
            sources: [seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 4, !seed.rotate_left(17)],
            fault: seed ^ 3,
        }
    }
}

/// xorshift64: decides which SYNs are mistreated; nothing secret hangs on it.
pub(super) struct FaultRng(u64);

impl FaultRng {
    /// Uniform in 0 to 1.
    pub(super) fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}
