use std::sync::Arc;

use super::fair::FairLimit;
use super::fault::{FaultInjection, FaultRng};
use super::forward::ForwardQueue;
use super::link_cache::LinkCache;
use super::listener_registry::CoreUpdate;
use super::listeners::ListenerSet;
use super::opener::Opener;
use super::sweep::sweep_ms;
use super::syn_board::SynBoard;
use crate::observe::{Closed, CoreCounters};
use crate::tcp::{
    ClosedConnection, Config, ConnectionHandler, Context, Cookies, Endpoints, IdleClock, IdleLimits,
    SendBuffers, Time, TimerOp,
};
use crate::wire::flow_hash::FlowHashKey;
use crate::wire::{EndpointRange, Flags, Mac, ParseConfig, TuplePrf, TupleSecret, TxSegment};
use crate::xdp::FlowFilter;

/// The data that all cores share. Read only while running, except the forward queues.
pub struct Shared {
    /// Settings of the protocol.
    pub config: Config,
    /// One per device.
    pub policies: Vec<ParseConfig>,
    /// Secrets drawn at start, equal on all cores.
    pub secrets: Secrets,
    /// One per core.
    pub forward_queues: Vec<ForwardQueue>,
    /// By device: the cores that have a queue of it.
    pub servers: Vec<Vec<usize>>,
    /// Bounds of each core.
    pub core: CoreConfig,
    /// Ours without a listener: where an opener's connections come from.
    pub sources: Vec<EndpointRange>,
    /// The load of listeners that answer by cookie.
    pub board: SynBoard,
}

/// Bounds, each per core.
#[derive(Clone, Debug)]
pub struct CoreConfig {
    /// Half-open connections of a listener from which on cookies take over (`auto`).
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
    /// Process the segments of handshakes, data in order and closes on the fast path. False: every segment
    /// takes the general path, with the same effects, for comparisons.
    pub fast_path: bool,
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
            fast_path: true,
        }
    }
}

/// Drawn from the system's randomness at start; a simulation may fix them.
#[derive(Clone)]
pub struct Secrets {
    /// Key of the table's hash and of initial sequence numbers.
    pub tuple: TupleSecret,
    /// Secret from which the SipHash key of SYN cookies is derived for each period.
    pub cookie: (u64, u64),
    /// Added to the timestamp clock of all connections (RFC 7323 5.4).
    pub timestamp_offset: u32,
    /// Key of the filter of known flows.
    pub flow: FlowHashKey,
    /// Under which sources are counted, for limits and shares.
    pub sources: [u64; 2],
    /// Seed of the injected faults.
    pub fault: u64,
}

/// What a RST replies to. Each kind has a limit of its own, so that a flood of one leaves the other alone.
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

/// The state of one core, except its connections.
pub struct Core {
    pub(super) id: usize,
    pub(super) shared: Arc<Shared>,
    /// The listeners: the core's own, so that it can be given others.
    pub(super) rules: Arc<ListenerSet>,
    pub(super) counters: Arc<CoreCounters>,
    pub(super) tcp: TcpEnv,
    pub(super) cookies: Cookies,
    pub(super) link_cache: LinkCache,
    pub(super) services: Services,
    /// The next hop of the opener's SYNs.
    pub(super) next_hop: Option<Mac>,
    /// By [`ResetKind`].
    pub(super) rst_limit: FairLimit<2>,
    /// By the kinds of [`arp_icmp`](super::arp_icmp).
    pub(super) icmp_limit: FairLimit<2>,
    pub(super) fault_rng: FaultRng,
    /// SYNs take the general path: faults are injected, the core is stopping, or known flows are filtered.
    pub(super) general_syns: bool,
    /// The filter of known flows, while it is kept.
    pub(super) filter: Option<Arc<FlowFilter>>,
    /// No new connections: the program ends.
    pub(super) stopping: bool,
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

/// The services of the listeners, and the active opener.
pub(super) struct Services {
    /// By listener: one value serves all its connections on this core.
    pub handlers: Vec<Box<dyn ConnectionHandler>>,
    /// What opens connections from here; not there while it is doing so.
    pub opener: Option<Box<dyn Opener>>,
}

impl Services {
    /// The service of a listener's connections; the active opener for those that it opened.
    #[inline]
    pub(super) fn of(&mut self, listener: u16) -> Option<&mut dyn ConnectionHandler> {
        match self.handlers.get_mut(usize::from(listener)) {
            Some(handler) => Some(&mut **handler),
            None => self.opener.as_deref_mut().map(|opener| opener as &mut dyn ConnectionHandler),
        }
    }

    /// The window that a listener's service gives a new connection.
    #[inline]
    pub(super) fn window(&self, listener: u16) -> u16 {
        self.handlers.get(usize::from(listener)).map_or(0, |handler| handler.window())
    }

    /// Reports the end of a connection to its service.
    pub(super) fn notify_closed(&mut self, listener: u16, ended: &ClosedConnection<'_>, how: Closed) {
        if let Some(handler) = self.of(listener) {
            handler.on_closed(ended, how);
        }
    }
}

/// What the events of connections are given. A field of its own, so that services and connections can be
/// borrowed beside it.
pub(super) struct TcpEnv {
    /// As [`Core::shared`] and [`Core::counters`].
    shared: Arc<Shared>,
    counters: Arc<CoreCounters>,
    pub buffers: SendBuffers,
    /// The time of this poll.
    pub now: Time,
    /// Of `now`: [`Time::millis`] and [`Time::isn_tick`].
    pub millis: u32,
    pub isn_tick: u32,
    /// As [`Secrets::timestamp_offset`].
    pub timestamp_offset: u32,
}

impl TcpEnv {
    /// The time of a poll that begins.
    pub(super) fn set_now(&mut self, now: Time) {
        (self.now, self.millis, self.isn_tick) = (now, now.millis(), now.isn_tick());
    }

    /// The context of one event of connection `number`. `prf`: of the 4-tuple, if it was computed before.
    #[inline(always)]
    pub(super) fn context<'a>(
        &'a mut self,
        endpoints: &'a dyn Endpoints,
        prf: Option<TuplePrf>,
        number: u32,
    ) -> Context<'a> {
        Context {
            now: self.now,
            config: &self.shared.config,
            buffers: &mut self.buffers,
            counters: &self.counters,
            prf,
            timestamp_offset: self.timestamp_offset,
            secret: &self.shared.secrets.tuple,
            endpoints,
            number,
            timer: TimerOp::Keep,
            ended: None,
        }
    }
}

/// Wakes a sleeping core.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

impl Core {
    /// Core number `id` of those that share `shared`; `handlers` by the listeners of `rules`. All cores'
    /// `cookies` are clones of one.
    pub fn new(
        id: usize,
        shared: Arc<Shared>,
        counters: Arc<CoreCounters>,
        cookies: Cookies,
        (rules, handlers): (Arc<ListenerSet>, Vec<Box<dyn ConnectionHandler>>),
    ) -> Core {
        let bounds = &shared.core;
        counters.send_buffers_limit.set(u64::from(bounds.send_buffers));
        let sweep_ms = sweep_ms(&handlers, &shared.config);
        let tcp = TcpEnv {
            shared: shared.clone(),
            counters: counters.clone(),
            buffers: SendBuffers::new(bounds.send_buffers, shared.secrets.sources, shared.config.congestion),
            now: Time::default(),
            millis: 0,
            isn_tick: 0,
            timestamp_offset: shared.secrets.timestamp_offset,
        };
        let core = Core {
            id,
            counters,
            tcp,
            cookies,
            link_cache: LinkCache::new(),
            services: Services { handlers, opener: None },
            next_hop: None,
            rst_limit: FairLimit::new(bounds.rst_rate, shared.secrets.sources),
            icmp_limit: FairLimit::new(bounds.icmp_rate, shared.secrets.sources),
            fault_rng: FaultRng(shared.secrets.fault | 1),
            general_syns: rules.fault != FaultInjection::default(),
            filter: None,
            stopping: false,
            idle: IdleClock::default(),
            sweep_ms,
            short: None,
            devices: Vec::new(),
            wakers: Vec::new(),
            shared,
            rules,
        };
        core.post_windows();
        core
    }

    /// How to wake each core, by number. Without, no core sleeps.
    pub fn set_wakers(&mut self, wakers: Vec<Waker>) {
        self.wakers = wakers;
    }

    /// Other rules, from now on; `change` holds those before afterwards.
    pub(super) fn apply(&mut self, change: &mut CoreUpdate) {
        change.swap(&mut self.rules, &mut self.services.handlers);
        self.post_windows();
        self.choose_path();
        self.sweep_ms = sweep_ms(&self.services.handlers, &self.shared.config);
    }

    /// No new connections from now on.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.choose_path();
    }

    /// Which path SYNs take.
    pub(super) fn choose_path(&mut self) {
        let faults = self.rules.fault != FaultInjection::default();
        self.general_syns = self.stopping || faults || self.filter.is_some();
    }

    /// The windows of new connections, for the cookie tier.
    pub(super) fn post_windows(&self) {
        for listener in 0..self.services.handlers.len() as u16 {
            self.shared.board.set_window(listener, self.services.window(listener));
        }
    }

    /// How long a listener's connections may be silent.
    pub(super) fn idle_limits(&self, listener: u16) -> IdleLimits {
        let handler = self.services.handlers.get(usize::from(listener));
        handler.and_then(|handler| handler.idle_limits()).unwrap_or(self.shared.config.idle)
    }

    /// What opens connections from this core, and the next hop of their SYNs on the core's first
    /// port. Before the core is given to its worker.
    pub fn set_opener(&mut self, opener: Box<dyn Opener>, next_hop: Mac) {
        self.services.opener = Some(opener);
        self.next_hop = Some(next_hop);
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
        let mut tuple = [0; TupleSecret::LEN];
        getrandom::fill(&mut tuple)?;
        let mut others = [0; 9];
        for word in &mut others {
            *word = getrandom::u64()?;
        }
        let [cookie0, cookie1, source0, source1, fault, timestamp, flow @ ..] = others;
        Ok(Secrets {
            tuple: TupleSecret::new(&tuple),
            cookie: (cookie0, cookie1),
            timestamp_offset: timestamp as u32,
            flow: FlowHashKey::new(flow),
            sources: [source0, source1],
            fault,
        })
    }

    /// Always the same: for simulations that must repeat.
    pub fn fixed(seed: u64) -> Secrets {
        Secrets {
            tuple: TupleSecret::fixed(seed),
            cookie: (seed ^ 2, !seed),
            timestamp_offset: (seed.wrapping_mul(0xd1b5_4a32_d192_ed03) >> 32) as u32 ^ 5,
            flow: FlowHashKey::new([seed ^ 6, seed.rotate_left(9), !seed]),
            sources: [seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 4, !seed.rotate_left(17)],
            fault: seed ^ 3,
        }
    }
}
