//! A whole core without a wire and without a clock: frames are put in and taken out by hand,
//! time passes when told to. The same engine as on AF_XDP.

use std::sync::Arc;

use super::core::{Core, CoreConfig, Secrets, Shared, servers};
use super::fault::FaultInjection;
use super::listener_registry::{ListenerRegistry, RulesError};
use super::memory::MemoryPort;
use super::opener::OpenerFactory;
use super::{ForwardQueue, OnStop, Progress, SynBoard, Worker};
use crate::observe::CoreCounters;
use crate::table::{Shard, table};
use crate::tcp::{Config, ConnectionHandler, Cookies, Tcb, Time};
use crate::wire::{EndpointRange, FlowKey4, Mac, ParseConfig};

/// Who answers for what: built once, for every core.
pub type Service = (EndpointRange, MakeHandler);

/// Makes one core's part of a service.
pub type MakeHandler = Box<dyn Fn() -> Box<dyn ConnectionHandler>>;

/// What a simulation is made of.
pub struct Setup {
    /// Settings of the protocol.
    pub config: Config,
    /// Bounds of each core.
    pub bounds: CoreConfig,
    /// Settings of the parser for the first device.
    pub policy: ParseConfig,
    /// Devices behind the first one.
    pub more_devices: Vec<ParseConfig>,
    /// By core: the device of each of its ports. Empty: one port of the first device each.
    pub ports: Vec<Vec<usize>>,
    /// Faults injected into handshakes.
    pub fault: FaultInjection,
    /// Connections per core and address family.
    pub capacity: u32,
    /// Number of cores.
    pub cores: usize,
    /// Frames of each port.
    pub frames: u32,
    /// Seed of all secrets: equal seeds give equal runs.
    pub seed: u64,
    /// Virtual time of the start.
    pub start: Time,
    /// Touch the IPv4 table's memory at start.
    pub prefault: bool,
    /// Who opens connections, from where, and the MAC that they go to.
    pub opener: Option<OpenerFactory>,
    /// Local addresses and ports of active opens.
    pub sources: Vec<EndpointRange>,
    /// Destination MAC of active opens.
    pub gateway: Mac,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            config: Config::default(),
            bounds: CoreConfig::default(),
            policy: ParseConfig::default(),
            more_devices: Vec::new(),
            ports: Vec::new(),
            fault: FaultInjection::default(),
            capacity: 4096,
            cores: 1,
            frames: 1024,
            seed: 1,
            start: Time::from_millis(1_000_000),
            prefault: false,
            opener: None,
            sources: Vec::new(),
            gateway: [2, 0, 0, 0, 0, 9],
        }
    }
}

/// Cores that share one table, each with memory ports.
pub struct Simulation {
    workers: Vec<Worker<MemoryPort>>,
    counters: Vec<Arc<CoreCounters>>,
    now: Time,
    registry: Box<ListenerRegistry>,
}

impl Simulation {
    /// # Panics
    /// When the rules conflict or there is no memory: a simulation is for tests.
    #[allow(clippy::expect_used, reason = "set-up of a test, not the packet path")]
    pub fn new(setup: Setup, services: &[Service]) -> Simulation {
        let owned = services.iter().map(|(owned, _)| owned.clone());
        let (registry, rules) = ListenerRegistry::new(owned, setup.fault).expect("rules without conflict");
        let policies: Vec<ParseConfig> = std::iter::once(setup.policy).chain(setup.more_devices).collect();
        let ports = if setup.ports.is_empty() { vec![vec![0]; setup.cores] } else { setup.ports };
        let shared = Arc::new(Shared {
            config: setup.config,
            servers: servers(policies.len(), ports.iter().cloned()),
            policies,
            secrets: Secrets::fixed(setup.seed),
            forward_queues: (0..setup.cores).map(|_| ForwardQueue::new()).collect(),
            core: setup.bounds,
            sources: setup.sources,
            board: SynBoard::default(),
        });
        let cookies = Cookies::new(shared.secrets.cookie);
        let v4: Vec<Shard<FlowKey4, Tcb>> =
            table(setup.cores, setup.capacity).expect("memory for the IPv4 table");
        let v6 = table(setup.cores, setup.capacity).expect("memory for the IPv6 table");
        if setup.prefault {
            v4.first().map_or(Ok(()), |part| part.populate()).expect("memory for the whole table");
        }
        let counters: Vec<Arc<CoreCounters>> = (0..setup.cores).map(|_| Arc::default()).collect();
        let workers = v4.into_iter().zip(v6).enumerate().map(|(id, (v4, v6))| {
            let users = services.iter().map(|(_, user)| user()).collect();
            let answers = (rules.clone(), users);
            let mut core = Core::new(id, shared.clone(), counters[id].clone(), cookies.clone(), answers);
            if let Some(caller) = &setup.opener {
                core.set_opener(caller(id, setup.cores), setup.gateway);
            }
            let ports = ports[id].iter().map(|device| (MemoryPort::new(setup.frames), *device));
            Worker::new(core, ports.collect(), v4, v6, setup.start)
        });
        Simulation { workers: workers.collect(), counters, now: setup.start, registry: Box::new(registry) }
    }

    /// Other rules, as [`super::stack::Running::listen`] puts them in force; where nothing is
    /// given to make a user with, the one before stays. One core after another: `between` is
    /// called with the number of cores that have them.
    ///
    /// # Errors
    /// [`RulesError`]; nothing has changed.
    pub fn listen(
        &mut self,
        wanted: &[(EndpointRange, Option<MakeHandler>)],
        fault: FaultInjection,
        mut between: impl FnMut(usize, &mut Simulation),
    ) -> Result<(), RulesError> {
        let asked: Vec<_> = wanted.iter().map(|(owned, make)| (owned.clone(), make.is_none())).collect();
        let plan = self.registry.change(&asked, fault)?;
        for core in 0..self.workers.len() {
            let user = |place: usize| wanted[place].1.as_ref().map(|make| make());
            let mut change = plan.for_core(|place| user(place).expect("a rule that begins has one"));
            self.workers[core].apply(&mut change);
            between(core + 1, self);
        }
        *self.registry = plan.registry;
        Ok(())
    }

    /// Forgets the given up rules that `in_use` does not say to be in use; how many are left.
    pub fn forget(&mut self, in_use: impl Fn(&EndpointRange) -> bool) -> usize {
        let in_use: Vec<bool> = self.registry.draining().map(in_use).collect();
        if let Some(plan) = self.registry.forget(&in_use) {
            for worker in &mut self.workers {
                worker.apply(&mut plan.for_core(|_| unreachable!("no rule begins")));
            }
            *self.registry = plan.registry;
        }
        self.registry.draining().count()
    }

    /// One simulation per core, all around the same table: for threads of their own.
    pub fn split(self) -> Vec<Simulation> {
        let (now, registry) = (self.now, self.registry);
        let cores = self.workers.into_iter().zip(self.counters);
        let one = |(worker, counters)| Simulation {
            workers: vec![worker],
            counters: vec![counters],
            now,
            registry: registry.clone(),
        };
        cores.map(one).collect()
    }

    /// Puts a frame on the wire towards core 0.
    pub fn inject(&mut self, frame: &[u8]) -> bool {
        self.inject_at(0, frame)
    }

    /// Puts a frame on the wire towards a core's first port.
    pub fn inject_at(&mut self, core: usize, frame: &[u8]) -> bool {
        self.inject_on(core, 0, frame)
    }

    /// Puts a frame on the wire towards one of a core's ports.
    pub fn inject_on(&mut self, core: usize, port: usize, frame: &[u8]) -> bool {
        self.workers[core].ports_mut()[port].inject(frame)
    }

    /// Lets every core work until none has anything to do.
    pub fn run(&mut self) {
        while self.poll() > 0 {}
    }

    /// One poll of every core; how much there was to do. For a caller that is never done.
    pub fn poll(&mut self) -> usize {
        self.workers.iter_mut().map(|worker| worker.poll(self.now).work).sum()
    }

    /// Lets time pass, in steps no longer than what the timers ask for.
    pub fn advance_ms(&mut self, millis: u32) {
        let mut left = millis;
        while left > 0 {
            let idle = self.workers.iter().map(|worker| worker.idle_ms(left)).min().unwrap_or(left);
            let cx = idle.clamp(1, left);
            self.now = Time { micros: self.now.micros + u64::from(cx) * 1000 };
            left -= cx;
            self.run();
        }
    }

    /// The end of every core, as of a running stack's. `meanwhile` is called after each millisecond.
    pub fn stop(&mut self, plan: OnStop, mut meanwhile: impl FnMut(&mut Simulation)) {
        let start = self.now;
        let mut endings: Vec<_> =
            self.workers.iter_mut().map(|worker| worker.begin_end(plan, start)).collect();
        loop {
            let now = self.now;
            let steps = self.workers.iter_mut().zip(&mut endings);
            let steps: Vec<_> = steps.map(|(worker, ending)| worker.end_some(ending, now)).collect();
            if steps.iter().all(|step| *step == Progress::Over) {
                break;
            }
            self.run();
            if !steps.contains(&Progress::More) {
                meanwhile(self);
                self.now = Time { micros: self.now.micros + 1000 };
            }
        }
        self.run();
        self.workers.iter_mut().zip(&endings).for_each(|(worker, ending)| worker.count_left_open(ending));
    }

    /// Time passes and no core runs, as on a machine that is suspended.
    pub fn suspend_ms(&mut self, millis: u32) {
        self.now = Time { micros: self.now.micros + u64::from(millis) * 1000 };
        self.run();
    }

    /// Milliseconds until a timer may expire or a caller has something to do, at most `most`.
    pub fn idle_ms(&self, most: u32) -> u32 {
        self.workers.iter().map(|worker| worker.idle_ms(most)).min().unwrap_or(most)
    }

    /// The next frame that any core sent.
    pub fn collect(&mut self) -> Option<Vec<u8>> {
        self.workers.iter_mut().flat_map(Worker::ports_mut).find_map(MemoryPort::collect)
    }

    /// The next frame that one of a core's ports sent.
    pub fn collect_on(&mut self, core: usize, port: usize) -> Option<Vec<u8>> {
        self.workers[core].ports_mut()[port].collect()
    }

    /// Looks at every frame that was sent, core by core, and frees it.
    pub fn collect_all(&mut self, mut each: impl FnMut(&[u8])) {
        for worker in &mut self.workers {
            worker.ports_mut().iter_mut().for_each(|port| port.collect_all(&mut each));
        }
    }

    /// Current virtual time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Counters of one core, by its index.
    pub fn counters(&self, core: usize) -> &CoreCounters {
        &self.counters[core]
    }

    /// Connections held by all cores.
    pub fn connections(&self) -> usize {
        self.workers.iter().map(|worker| worker.connections().0 + worker.connections().1).sum()
    }

    /// Frames that nobody owns, which must be none.
    pub fn lost_frames(&self) -> u64 {
        self.workers.iter().map(Worker::lost_frames).sum()
    }

    /// Connections that share an entry in a core's table of link headers.
    pub fn hop_users(&self) -> u64 {
        self.workers.iter().map(Worker::link_users).sum()
    }

    /// One core, to do to it what orders do.
    pub fn worker_mut(&mut self, core: usize) -> &mut Worker<MemoryPort> {
        &mut self.workers[core]
    }

    /// One core, to look at.
    pub fn worker(&self, core: usize) -> &Worker<MemoryPort> {
        &self.workers[core]
    }
}
