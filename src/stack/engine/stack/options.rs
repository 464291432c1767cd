use std::net::IpAddr;

use ipnet::IpNet;

use crate::capture::Capture;
use crate::engine::listeners::ListenerError;
use crate::engine::{CoreConfig, FaultInjection, OnStop, OpenerFactory, Polling, Priority};
use crate::table::TableError;
use crate::tcp::{Config, ConnectionHandler};
use crate::wire::{EndpointRange, Mac};
use crate::xdp::{self, Mode, ProgramError, RouteError, XdpError};

/// Makes one core's part of a service.
pub type ServiceFactory = Box<dyn Fn() -> Box<dyn ConnectionHandler> + Send>;

/// Everything that can be chosen. [`Stack::open`] takes it.
pub struct StackConfig {
    /// Interfaces, by name or alternative name.
    pub devices: Vec<String>,
    /// What is ours, and who answers for it. Of several that contain a segment, the longest
    /// prefix, then the narrowest port range.
    pub listen: Vec<(EndpointRange, ServiceFactory)>,
    /// Ours without a listener: addresses and ports that a caller's connections come from.
    pub owned: Vec<EndpointRange>,
    /// Who opens connections from this side.
    pub opener: Option<OpenerFactory>,
    /// The next hop of its SYNs, on the first interface. Required with a caller.
    pub gateway: Option<Gateway>,
    /// On-link prefixes; empty: those of the interfaces.
    pub subnets: Vec<IpNet>,
    /// CPUs; empty: the first ones, at most one per queue.
    pub cores: Vec<usize>,
    /// `None`: what is fastest on the driver.
    pub mode: Option<Mode>,
    pub copy: xdp::CopyMode,
    pub hugepages: bool,
    pub polling: Polling,
    /// How the threads of the cores are scheduled.
    pub priority: Priority,
    pub config: Config,
    /// `None`: what the interface's MTU allows.
    pub mss: Option<u16>,
    pub bounds: CoreConfig,
    /// Connections per address family, all cores together.
    pub max_connections: u32,
    /// Touch all memory of the tables at start: no page faults later, all of it resident at once.
    pub prefault: bool,
    /// Frames of each ring of each queue; a power of two. The UMEM has twice as many.
    pub ring: u32,
    /// Bytes of a frame of the UMEM, 2048 or 4096; `None`: what the mode and the MTU need.
    pub frame_size: Option<u32>,
    pub fault: FaultInjection,
    pub accept_partial_checksum: bool,
    /// What the peers of open connections are sent at the end.
    pub on_stop: OnStop,
    /// How often each address that is ours alone is announced at start and when it becomes so.
    pub announce: u32,
    /// Where to write what the queues see and send.
    pub capture: Option<Capture>,
}

/// The next hop of the connections that are opened from this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gateway {
    /// Its MAC address.
    Mac(Mac),
    /// The next hop towards this address, by the kernel's routes and neighbours: the address of a target,
    /// or of a router to all targets. [`Stack::open`](super::Stack::open) looks it up before it takes the
    /// interface, and waits up to three seconds for the next hop to answer.
    Toward(IpAddr),
}

impl Gateway {
    /// The MAC address of the next hop on `device`.
    pub(super) fn resolve(self, device: &str) -> Result<Mac, RouteError> {
        match self {
            Gateway::Mac(mac) => Ok(mac),
            Gateway::Toward(target) => xdp::next_hop_mac(&xdp::route(Some(device), target)?, target),
        }
    }
}

impl Default for StackConfig {
    fn default() -> StackConfig {
        StackConfig {
            devices: Vec::new(),
            listen: Vec::new(),
            owned: Vec::new(),
            opener: None,
            gateway: None,
            subnets: Vec::new(),
            cores: Vec::new(),
            mode: None,
            copy: xdp::CopyMode::Auto,
            hugepages: false,
            polling: Polling::default(),
            priority: Priority::default(),
            config: Config::default(),
            mss: None,
            bounds: CoreConfig::default(),
            max_connections: 1 << 20,
            prefault: false,
            ring: xdp::RING,
            frame_size: None,
            fault: FaultInjection::default(),
            accept_partial_checksum: false,
            on_stop: OnStop::default(),
            announce: 0,
            capture: None,
        }
    }
}

/// Why a stack cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no interface was given")]
    NoDevice,
    #[error("interface {name} is given twice, once by its other name {also}")]
    Twice { name: String, also: String },
    #[error("no listener was given, and nothing opens connections")]
    NoListener,
    #[error("the next hop of active opens is not set: neither its MAC address nor a target's address")]
    NoGateway,
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error(transparent)]
    Listeners(#[from] ListenerError),
    #[error(transparent)]
    Xdp(#[from] XdpError),
    #[error("{0}")]
    Program(#[from] ProgramError),
    #[error("CPU {cpu} is not available to this process; available: {available}")]
    NoCpu { cpu: usize, available: String },
    #[error("cannot make the tables' memory resident at start: {0}")]
    Prefault(std::io::Error),
    #[error("{0}")]
    Table(#[from] TableError),
    #[error("the system's random number generator is not available: {0}")]
    Randomness(getrandom::Error),
    #[error("cannot write the capture: {0}")]
    Capture(std::io::Error),
    #[error("the kernel refuses priority {priority}: {source}")]
    Schedule { priority: Priority, source: std::io::Error },
    #[error("busy polling at a real-time priority leaves the kernel no time to move packets on that CPU")]
    BusyRealtime,
    #[error("cannot subscribe to changes of addresses and interfaces (rtnetlink): {0}")]
    Changes(std::io::Error),
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
