//! Devices, queues and threads around the engine: what `handfast respond` is, for any program.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ipnet::{IpNet, Ipv4Net};
use nix::net::if_::if_nametoindex;
use nix::sys::eventfd::EventFd;

use super::core::{Core, CoreConfig, Fault, Secrets, Shared};
use super::listeners::{ListenerError, Listeners};
use super::runner::{Polling, Runner, now, wake_event, waker};
use super::snapshot::{QueueSnapshot, Snapshot};
use super::{Mailbox, Worker};
use crate::observe::CoreCounters;
use crate::table::{TableError, table};
use crate::tcp::{Config, Cookies, User};
use crate::wire::{Owned, Policy};
use crate::xdp::{
    self, Device, Mode, Opened, Preference, Program, ProgramError, Queue, QueueConfig, XdpError,
};

/// Makes one core's part of a service.
pub type ServiceFactory = Box<dyn Fn() -> Box<dyn User> + Send>;

/// Everything that can be chosen. [`Responder::open`] takes it.
pub struct Options {
    /// Interfaces, by name.
    pub devices: Vec<String>,
    /// What is ours, and who answers for it. Of several that contain a segment, the longest
    /// prefix, then the narrowest port range.
    pub listen: Vec<(Owned, ServiceFactory)>,
    /// On-link prefixes; empty: those of the interfaces.
    pub subnets: Vec<IpNet>,
    /// CPUs; empty: the first ones, at most one per queue.
    pub cores: Vec<usize>,
    /// `None`: what is fastest on the driver.
    pub mode: Option<Mode>,
    pub copy: xdp::Copy,
    pub hugepages: bool,
    pub polling: Polling,
    pub config: Config,
    /// `None`: what the interface's MTU allows.
    pub mss: Option<u16>,
    pub bounds: CoreConfig,
    /// Connections per address family, all cores together.
    pub max_connections: u32,
    pub fault: Fault,
    pub accept_partial_checksum: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            devices: Vec::new(),
            listen: Vec::new(),
            subnets: Vec::new(),
            cores: Vec::new(),
            mode: None,
            copy: xdp::Copy::Auto,
            hugepages: false,
            polling: Polling::default(),
            config: Config::default(),
            mss: None,
            bounds: CoreConfig::default(),
            max_connections: 1 << 20,
            fault: Fault::default(),
            accept_partial_checksum: false,
        }
    }
}

/// Why a responder cannot start, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("nothing to do: no interface was named (--dev IF)")]
    NoDevice,
    #[error("nothing to do: no listener was given (--listen ADDR:PORT)")]
    NoListener,
    #[error(transparent)]
    Listeners(#[from] ListenerError),
    #[error(transparent)]
    Xdp(#[from] XdpError),
    #[error("{0}")]
    Program(#[from] ProgramError),
    #[error("CPU {cpu} is not available to this process; available are {available}: choose with --cores")]
    NoCpu { cpu: usize, available: String },
    #[error("{0}; fewer connections take less: --max-connections")]
    Table(#[from] TableError),
    #[error("the system's randomness is not available: {0}")]
    Randomness(getrandom::Error),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// Opened, attached and bound; no thread runs yet. Needs no privilege from here on.
pub struct Responder {
    devices: Vec<OpenDevice>,
    runners: Vec<Runner>,
    state: State,
    /// What is really active.
    pub active: Active,
}

struct OpenDevice {
    device: Device,
    program: Program,
}

/// What a running or finished responder can be asked.
struct State {
    counters: Vec<Arc<CoreCounters>>,
    wakes: Vec<Arc<EventFd>>,
    stop: Arc<AtomicBool>,
}

/// What is really active, on every device, after all fall-backs.
#[derive(Clone, Debug)]
pub struct Active {
    pub devices: Vec<ActiveDevice>,
    pub cpus: Vec<usize>,
    pub polling: Polling,
    pub max_connections: u32,
    /// Octets of address space for the tables of both families; resident follows use.
    pub table_bytes: usize,
    /// What was asked for and could not be had, one sentence each.
    pub notes: Vec<String>,
}

/// One device of [`Active`].
#[derive(Clone, Debug)]
pub struct ActiveDevice {
    pub name: String,
    pub driver: String,
    pub mode: Mode,
    pub zero_copy: bool,
    pub queues: u32,
    pub tx_budget: u32,
    pub hugepages: bool,
}

impl Responder {
    /// Loads, attaches and binds. Needs `CAP_BPF`, `CAP_NET_ADMIN` and `CAP_NET_RAW`.
    ///
    /// # Errors
    /// [`StartError`]; every interface is then as it was found.
    pub fn open(options: Options) -> Result<Responder, StartError> {
        if options.devices.is_empty() {
            return Err(StartError::NoDevice);
        }
        if options.listen.is_empty() {
            return Err(StartError::NoListener);
        }
        let rules = options.listen.iter().enumerate();
        let listeners =
            Listeners::new(rules.map(|(index, (owned, _))| (owned.prefix, owned.ports.clone(), index)))?;
        let found: Vec<Device> =
            options.devices.iter().map(|name| Device::open(name)).collect::<Result<_, _>>()?;
        let cpus = choose_cpus(&options.cores, found.iter().map(|device| device.rx_queues).sum())?;
        let mut active = Active {
            devices: Vec::new(),
            cpus: cpus.clone(),
            polling: options.polling,
            max_connections: options.max_connections,
            table_bytes: 0,
            notes: Vec::new(),
        };
        let mut devices = Vec::new();
        let mut ports: Vec<Vec<(Queue, usize)>> = cpus.iter().map(|_| Vec::new()).collect();
        let mut next = 0;
        for (number, device) in found.into_iter().enumerate() {
            let (open, queues) = open_device(&options, device, &mut active)?;
            for queue in queues {
                ports[next % cpus.len()].push((queue, number));
                next += 1;
            }
            devices.push(open);
        }
        let policies = devices.iter().map(|open| policy(&options, &open.device)).collect();
        let (runners, state) = start_cores(options, listeners, policies, &devices, ports, &mut active)?;
        Ok(Responder { devices, runners, state, active })
    }

    /// Starts one pinned thread per core.
    pub fn run(self) -> Result<Running, StartError> {
        let Responder { devices, runners, state, .. } = self;
        let started = Instant::now();
        let mut threads = Vec::new();
        for runner in runners {
            let name = format!("hf-core-{}", runner.cpu);
            let thread = std::thread::Builder::new().name(name).spawn(move || runner.run());
            threads.push(thread.map_err(StartError::Thread)?);
        }
        Ok(Running { devices, threads, state, started })
    }
}

/// A responder at work.
pub struct Running {
    devices: Vec<OpenDevice>,
    threads: Vec<JoinHandle<(Worker<Queue>, Option<xdp::Fault>)>>,
    state: State,
    started: Instant,
}

/// The end of a run.
pub struct Finished {
    pub snapshot: Snapshot,
    pub elapsed: Duration,
    /// Why it ended by itself, if it did.
    pub fault: Option<RunError>,
}

/// Why a running responder ended by itself. There is no way back without privileges.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RunError {
    #[error("{0}; start again when it is back")]
    Device(xdp::Fault),
    #[error(
        "interface {0} is gone: it was removed or moved to another namespace; start again when it is back"
    )]
    InterfaceGone(String),
    #[error("a core's thread ended unexpectedly: this is a bug, please report it")]
    Thread,
}

impl Running {
    /// The counts so far; queues' own come with [`Running::stop`].
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(&self.state.counters, self.devices.iter().map(|open| (&open.device, &open.program)))
    }

    /// Why it no longer works, if so. Cheap: look as often as you like.
    pub fn fault(&self) -> Option<RunError> {
        let gone = self
            .devices
            .iter()
            .find(|open| if_nametoindex(open.device.name.as_str()).ok() != Some(open.device.index));
        if let Some(open) = gone {
            return Some(RunError::InterfaceGone(open.device.name.clone()));
        }
        self.threads.iter().any(JoinHandle::is_finished).then_some(RunError::Thread)
    }

    /// Ends all threads, then detaches the program from every interface.
    pub fn stop(self) -> Finished {
        let gone = self.fault();
        self.state.stop.store(true, Relaxed);
        self.state.wakes.iter().cloned().map(waker).for_each(|wake| wake());
        let elapsed = self.started.elapsed();
        let mut queues = Vec::new();
        let mut fault = None;
        for (core, thread) in self.threads.into_iter().enumerate() {
            match thread.join() {
                Ok((worker, trouble)) => {
                    queues.extend(worker.ports().iter().map(|queue| QueueSnapshot::of(core, queue)));
                    fault = fault.or(trouble.map(RunError::Device));
                }
                Err(_) => fault = Some(RunError::Thread),
            }
        }
        let devices = self.devices.iter().map(|open| (&open.device, &open.program));
        let mut snapshot = Snapshot::new(&self.state.counters, devices);
        snapshot.queues = queues;
        let fault = match gone {
            Some(RunError::InterfaceGone(name)) => Some(RunError::InterfaceGone(name)),
            other => fault.or(other),
        };
        Finished { snapshot, elapsed, fault }
    }
}

/// Opens every queue of a device behind its steering program. A queue without a socket would
/// drop what we own, so it is all of them or none.
fn open_device(
    options: &Options,
    device: Device,
    active: &mut Active,
) -> Result<(OpenDevice, Vec<Queue>), StartError> {
    let mut config = QueueConfig::new(&device.name, device.index, 0);
    config.copy = options.copy;
    config.hugepages = options.hugepages;
    device.check(config.frame_size)?;
    let owned: Vec<Owned> = options.listen.iter().map(|(owned, _)| owned.clone()).collect();
    let local: Vec<IpAddr> = device.addresses.iter().map(|(address, _)| *address).collect();
    let mut program = Program::load(&owned, &local)?;
    let mode = attach(options.mode, &mut program, &device, active)?;
    let mut queues = Vec::new();
    let mut what = None;
    for number in 0..device.rx_queues {
        config.queue = number;
        let (queue, opened) = Queue::open(&config)?;
        program.set_socket(number, std::os::fd::AsFd::as_fd(&queue))?;
        queues.push(queue);
        let opened: &Opened = what.insert(opened);
        active.notes.extend(
            opened.notes.iter().filter(|note| !active.notes.contains(note)).cloned().collect::<Vec<_>>(),
        );
    }
    active.devices.push(ActiveDevice {
        name: device.name.clone(),
        driver: device.driver.clone().unwrap_or_else(|| "unknown driver".to_owned()),
        mode,
        zero_copy: what.as_ref().is_some_and(|opened| opened.zero_copy),
        queues: device.rx_queues,
        tx_budget: what.as_ref().map_or(0, |opened| opened.tx_budget),
        hugepages: what.as_ref().is_some_and(|opened| opened.hugepages),
    });
    Ok((OpenDevice { device, program }, queues))
}

/// In the mode asked for; or in the one that suits the driver, and if that fails in the other.
fn attach(
    asked: Option<Mode>,
    program: &mut Program,
    device: &Device,
    active: &mut Active,
) -> Result<Mode, ProgramError> {
    let mut attach = |mode| program.attach(device.index, &device.name, mode).map(|()| mode);
    if let Some(mode) = asked {
        return attach(mode);
    }
    match device.preference() {
        Preference::Generic => attach(Mode::Generic),
        Preference::Native => attach(Mode::Native).or_else(|error| {
            active.notes.push(format!("native mode failed, generic mode taken: {error}"));
            attach(Mode::Generic)
        }),
    }
}

fn policy(options: &Options, device: &Device) -> Policy {
    let own = device.addresses.iter().filter_map(|(address, length)| IpNet::new(*address, *length).ok());
    let given = options.subnets.iter().copied();
    let subnets: Vec<Ipv4Net> =
        if options.subnets.is_empty() { own.collect() } else { given.collect::<Vec<_>>() }
            .into_iter()
            .filter_map(|net| match net {
                IpNet::V4(net) => Some(net.trunc()),
                IpNet::V6(_) => None,
            })
            .collect();
    Policy { mac: device.mac, subnets, accept_partial_checksum: options.accept_partial_checksum }
}

/// The CPUs to run on: those asked for, or as many of those available as there are queues.
fn choose_cpus(asked: &[usize], queues: u32) -> Result<Vec<usize>, StartError> {
    let available: Vec<usize> =
        core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect();
    if let Some(cpu) = asked.iter().find(|cpu| !available.contains(cpu)) {
        let available = available.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        return Err(StartError::NoCpu { cpu: *cpu, available });
    }
    let from = if asked.is_empty() { &available } else { asked };
    Ok(from.iter().copied().take((queues as usize).max(1)).collect())
}

/// The largest MSS that fits the MTU of every device: the packet less the two headers (MUST-67).
fn announce(options: &Options, devices: &[OpenDevice]) -> Config {
    let mtu = devices.iter().map(|open| open.device.mtu).min().unwrap_or(1500);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let asked = options.mss.unwrap_or(u16::MAX);
    Config {
        mss4: asked.min(mtu.saturating_sub(40)),
        mss6: asked.min(mtu.saturating_sub(60)),
        ..options.config.clone()
    }
}

fn start_cores(
    options: Options,
    listeners: Listeners<usize>,
    policies: Vec<Policy>,
    devices: &[OpenDevice],
    ports: Vec<Vec<(Queue, usize)>>,
    active: &mut Active,
) -> Result<(Vec<Runner>, State), StartError> {
    let cores = ports.len();
    let secrets = Secrets::random().map_err(StartError::Randomness)?;
    let per_core = options.max_connections.div_ceil(cores as u32);
    let (v4, v6) = (table(cores, per_core)?, table(cores, per_core)?);
    let bytes = |first: Option<usize>| first.unwrap_or(0);
    active.table_bytes =
        bytes(v4.first().map(|part| part.memory_bytes())) + bytes(v6.first().map(|part| part.memory_bytes()));
    let shared = Arc::new(Shared {
        config: announce(&options, devices),
        listeners,
        policies,
        secrets,
        fault: options.fault,
        mailboxes: (0..cores).map(|_| Mailbox::new()).collect(),
        core: options.bounds.clone(),
    });
    let cookies = Cookies::new(secrets.cookie);
    let stop = Arc::new(AtomicBool::new(false));
    let wakes = (0..cores).map(|_| wake_event().map(Arc::new)).collect::<nix::Result<Vec<_>>>();
    let wakes = wakes.map_err(|errno| StartError::Thread(errno.into()))?;
    let counters: Vec<Arc<CoreCounters>> = (0..cores).map(|_| Arc::default()).collect();
    let epoch = Instant::now();
    let parts = v4.into_iter().zip(v6).zip(ports);
    let runners = parts.enumerate().map(|(id, ((v4, v6), ports))| {
        let users = options.listen.iter().map(|(_, factory)| factory()).collect();
        let mut core = Core::new(id, shared.clone(), counters[id].clone(), cookies.clone(), users);
        core.set_wakers(wakes.iter().cloned().map(waker).collect());
        Runner {
            worker: Worker::new(core, ports, v4, v6, now(epoch)),
            cpu: active.cpus[id],
            polling: options.polling,
            epoch,
            stop: stop.clone(),
            wake: wakes[id].clone(),
            mailbox: id,
            mailboxes: shared.clone(),
        }
    });
    let runners = runners.collect();
    Ok((runners, State { counters, wakes, stop }))
}
