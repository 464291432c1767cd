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

/// The settings of [`Stack::open`](super::Stack::open).
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
    /// Whether frames are copied between the driver and the UMEM.
    pub copy: xdp::CopyMode,
    /// Uses 2 MiB pages for the UMEM, or 4 KiB pages if none are reserved.
    pub hugepages: bool,
    /// Behaviour of an idle core.
    pub polling: Polling,
    /// How the threads of the cores are scheduled.
    pub priority: Priority,
    /// Settings of the protocol.
    pub config: Config,
    /// `None`: what the interface's MTU allows.
    pub mss: Option<u16>,
    /// Bounds of each core.
    pub bounds: CoreConfig,
    /// Connections per address family, all cores together.
    pub max_connections: u32,
    /// Touch all memory of the tables at start: no page faults later, all of it resident at once.
    pub prefault: bool,
    /// Frames of each ring of each queue; a power of two. The UMEM has twice as many.
    pub ring: u32,
    /// Bytes of a frame of the UMEM, 2048 or 4096; `None`: what the mode and the MTU need.
    pub frame_size: Option<u32>,
    /// Faults injected into handshakes.
    pub fault: FaultInjection,
    /// Accepts a TCP checksum that covers only the pseudo-header (a veth peer with transmit offload).
    pub accept_partial_checksum: bool,
    /// What the peers of open connections are sent at the end.
    pub on_stop: OnStop,
    /// How often each address that is ours alone is announced at start and when it becomes so.
    pub announce: u32,
    /// Where to write what the queues see and send.
    pub capture: Option<Capture>,
    /// Who answers SYNs by cookie.
    pub cookie_tier: CookieTierOptions,
}

/// Settings of the eBPF program's part in SYN cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct CookieTierOptions {
    /// Who answers SYNs by cookie.
    pub tier: TierChoice,
    /// Segments with an ACK, but without a connection and without a valid cookie, while the program answers.
    pub unproven: UnprovenAcks,
    /// SYNs per second of one source prefix (IPv4 /24, IPv6 /64) on one CPU, in any mode; 0: no limit.
    pub syn_limit: u32,
}

/// Who answers SYNs by cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum TierChoice {
    /// The eBPF program where it can, otherwise the cores.
    #[default]
    Auto,
    /// The eBPF program; [`Stack::open`](super::Stack::open) fails where it cannot.
    Ebpf,
    /// The cores.
    Engine,
}

/// The treatment of ACKs without a connection and without a valid cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnprovenAcks {
    /// A RST (RFC 9293 3.10.7.2), up to 1,000 per second and CPU and within the limit of RSTs.
    #[default]
    Reset,
    /// Dropped by the program.
    Drop,
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
            cookie_tier: CookieTierOptions::default(),
        }
    }
}

/// Why a stack cannot start.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The list of interfaces is empty.
    #[error("no interface was given")]
    NoDevice,
    /// Two names denote the same interface.
    #[error("interface {name} is given twice, once by its other name {also}")]
    Twice { name: String, also: String },
    /// The list of listeners is empty, and there is no opener.
    #[error("no listener was given, and nothing opens connections")]
    NoListener,
    /// There is an opener, but no next hop.
    #[error("the next hop of active opens is not set: neither its MAC address nor a target's address")]
    NoGateway,
    /// The route to the target or the MAC address of the next hop is unknown.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The listeners are invalid.
    #[error(transparent)]
    Listeners(#[from] ListenerError),
    /// A device or an AF_XDP socket cannot be opened.
    #[error(transparent)]
    Xdp(#[from] XdpError),
    /// The steering program cannot be loaded, configured or attached.
    #[error("{0}")]
    Program(#[from] ProgramError),
    /// The eBPF program cannot answer SYNs by cookie on an interface.
    #[error("the eBPF program cannot answer SYNs on {interface}: {why}")]
    CookieTier { interface: String, why: String },
    /// A configured CPU is outside the process's affinity mask.
    #[error("CPU {cpu} is not available to this process; available: {available}")]
    NoCpu { cpu: usize, available: String },
    /// The memory of the tables cannot be touched in advance.
    #[error("cannot make the tables' memory resident at start: {0}")]
    Prefault(std::io::Error),
    /// A connection table cannot be created.
    #[error("{0}")]
    Table(#[from] TableError),
    /// The kernel gives no random bytes for the secrets.
    #[error("the system's random number generator is not available: {0}")]
    Randomness(getrandom::Error),
    /// The capture file or its writer cannot be started.
    #[error("cannot write the capture: {0}")]
    Capture(std::io::Error),
    /// The kernel refuses the scheduling of the cores' threads.
    #[error("the kernel refuses priority {priority}: {source}")]
    Schedule { priority: Priority, source: std::io::Error },
    /// Busy polling is combined with a real-time priority.
    #[error("busy polling at a real-time priority leaves the kernel no time to move packets on that CPU")]
    BusyRealtime,
    /// The rtnetlink subscription failed.
    #[error("cannot subscribe to changes of addresses and interfaces (rtnetlink): {0}")]
    Changes(std::io::Error),
    /// A thread or its eventfd cannot be created.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}
