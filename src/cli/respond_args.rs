use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use ipnet::IpNet;

use super::control_args::ControlArgs;
use super::respond_examples::EXAMPLES;
use super::values::{self, Cores};
use super::{CaptureArgs, Failure, IdleArgs, Listen, MetricsArgs, RunAs, UmemArgs};
use handfast_stack::engine::listeners::Listeners;
use handfast_stack::engine::stack::{Options, ServiceFactory};
use handfast_stack::engine::{CoreConfig, FaultInjection, OnStop, Polling, Priority, StopNotice};
use handfast_stack::tcp::{Config, CookieMode, WhenFull};
use handfast_stack::wire::EndpointRange;
use handfast_stack::xdp::Mode;

/// Answer connections: handshake, a little data, both closes.
///
/// Takes the addresses and ports given with --listen away from the kernel and answers them
/// itself, through an eBPF program on the interface and one AF_XDP socket for each of its receive
/// queues. All other traffic goes on to the kernel as before.
///
/// An address that is on no interface of this machine belongs to handfast alone: it answers ARP,
/// neighbour solicitations and pings for it, and its closed ports with a RST. Of an address that
/// some interface has, it takes only the ports listed. Addresses that come and go are followed.
///
/// It needs the capabilities BPF, PERFMON, NET_ADMIN and NET_RAW (or root) to start, and gives all
/// of them up before the first packet. The program leaves the interface when the process ends,
/// however it ends.
///
/// It prints what is really active, then a line that starts with `ready`, then on a terminal a line
/// of rates each second in which something happens, and a summary when it ends: on Ctrl-C, SIGTERM,
/// after --duration, or when its output has no reader any more.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES, verbatim_doc_comment)]
pub struct RespondArgs {
    /// The interface to answer on, by name or alternative name; give it again for more interfaces
    #[arg(long = "dev", value_name = "IF", required_unless_present_any = ["config", "check"], value_parser = values::device)]
    pub devices: Vec<String>,

    /// ADDR[/PREFIX]:PORT[-PORT][=SERVICE][,SETTING=VALUE]: what to own, and what answers there
    ///
    /// IPv6 addresses stand in brackets: [2001:db8::1]:80. Where several listeners contain a
    /// segment, the longest prefix and then the narrowest port range decides; two equal ones are
    /// an error. Thousands are fine.
    ///
    /// SERVICE is one of
    ///   discard  reads and throws away, closes when the peer has (the default)
    ///   echo     sends back what it gets, messages up to one segment
    ///   http     answers any request with 200 and a short fixed body, then closes
    ///   close    closes first, right after the handshake
    ///   reset    resets, right after the handshake
    ///   hold     accepts, never reads, never closes
    ///
    /// SETTING is `keepalive` or `idle-timeout`: seconds, in the place of --keepalive and
    /// --idle-timeout, as in 10.0.0.50:80=http,idle-timeout=30
    #[arg(
        long = "listen",
        value_name = "ADDR:PORT=SERVICE",
        required_unless_present_any = ["config", "check"],
        verbatim_doc_comment
    )]
    pub listeners: Vec<Listen>,

    /// Take what is not given here from a TOML file, and its listeners again at each SIGHUP
    ///
    /// Its keys are the names of these options: dev = ["eth0"], listen = ["10.0.0.50:80=http"],
    /// max-connections = "4M". What is given here wins. docs/configuration.md has an example.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Only say whether the file of --config is right
    #[arg(long, requires = "config")]
    pub check: bool,

    /// Take established connections of this machine's kernel as well, and cut them off
    ///
    /// Of an address of this machine, a range of ports or a prefix may take in the ssh session that it
    /// is typed in. So such a listener is refused while the kernel has connections there that arrive on
    /// the interface, unless this is given.
    #[arg(long)]
    pub take_over: bool,

    /// How often to announce an address that is on no interface: at start, and when it becomes so
    ///
    /// By gratuitous ARP or an unsolicited neighbour advertisement, untagged, 2 s apart, and again
    /// when the MAC of the interface changes; 0 announces nothing. Of each prefix the first 256
    /// addresses, 1,024 in all, at most 320 a second; none of a prefix that takes in the whole link.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub announce: u32,

    /// Answer neither ARP nor neighbour solicitations, and announce nothing
    ///
    /// For a server behind a load balancer that rewrites MACs only: the balancer owns the address on
    /// the link. Answers go back to the balancer, which must forward them (docs/nic.md).
    #[arg(long)]
    pub no_arp: bool,

    /// An on-link prefix, so that its broadcast address is known [default: the interface's own]
    #[arg(long = "subnet", value_name = "CIDR")]
    pub subnets: Vec<IpNet>,

    /// The cores to run on, as in 0,2-3 [default: as many as there are queues, from 0 on]
    #[arg(long, value_name = "LIST", help_heading = "Packet path")]
    pub cores: Option<Cores>,

    /// Where the eBPF program runs: in the driver (native) or in the network stack (generic)
    ///
    /// auto takes what is best on the interface's driver: generic on a veth with one queue, native
    /// elsewhere, and generic where the driver has no XDP. What it came to is printed at start.
    #[arg(long, value_name = "MODE", default_value = "auto", help_heading = "Packet path",
          value_parser = PossibleValuesParser::new(["auto", "native", "generic"]).map(|text| mode(&text)))]
    pub mode: ModeChoice,

    #[command(flatten)]
    pub umem: UmemArgs,

    /// How a core waits for frames: always spinning, or sleeping when there is no work
    #[arg(long, value_name = "HOW", default_value = "adaptive", help_heading = "Packet path",
          value_parser = PossibleValuesParser::new(["busy", "adaptive"]).map(|text| poll(&text)))]
    pub poll: Polling,

    /// How the threads of the cores are scheduled: nice:N (-20 to 19) or fifo:N (1 to 99)
    ///
    /// On cores that other programs use as well, fifo:10 makes answers as prompt as the kernel's own:
    /// the threads sleep when there is no work, and run at once when a frame arrives. nice:N gives them
    /// more time, but not sooner. [default: as this program was started]
    #[arg(
        long,
        value_name = "POLICY",
        default_value = "inherited",
        hide_default_value = true,
        help_heading = "Packet path"
    )]
    pub priority: Priority,

    /// Frames of each ring of each queue, a power of two; each takes two frames of memory
    #[arg(long, value_name = "FRAMES", default_value = "2048", help_heading = "Packet path", value_parser = values::ring)]
    pub ring: u32,

    /// Take TCP segments whose checksum covers the pseudo-header only
    ///
    /// So a veth peer sends them while its transmit offload is on (the better cure is
    /// `ethtool -K PEER tx off`), and so virtio-net has them in generic mode. The sender's segmentation
    /// offload must be off then (`ethtool -K PEER tso off gso off`): what it leaves to a device to cut
    /// fits no frame, and uploads stall.
    #[arg(long, help_heading = "Packet path")]
    pub accept_partial_checksums: bool,

    /// When to answer SYNs by cookie, without keeping state
    ///
    /// auto: while more connections are half-open than --half-open allows, or no slot is free.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|text| cookies(&text)))]
    pub cookies: CookieMode,

    /// What a connection gets that there is no slot for: a RST, or nothing
    ///
    /// With reset, a SYN is still answered by cookie where cookies are sent, and its ACK by a RST if no
    /// slot is free by then. With drop, the SYN is not answered, and the client sends it again.
    #[arg(long, value_name = "HOW", default_value = "reset", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["reset", "drop"]).map(|text| when_full(&text)))]
    pub when_full: WhenFull,

    /// Take segments without the timestamps that were agreed on, or drop them
    ///
    /// lenient takes them, as Linux does: some clients and middleboxes leave them out. strict drops
    /// them (RFC 7323 3.2), as timestamp_missing.
    #[arg(long, value_name = "HOW", default_value = "lenient", help_heading = "Protocol",
          action = ArgAction::Set,
          value_parser = PossibleValuesParser::new(["lenient", "strict"]).map(|text| text == "strict"))]
    pub timestamps: bool,

    /// What the peers of open connections are sent at the end: a RST, a FIN, or nothing
    ///
    /// fin waits for the peers to close in turn, and answers data that still comes with a RST.
    #[arg(long, value_name = "WHAT", default_value = "reset", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["reset", "fin", "none"]).map(|text| notice(&text)))]
    pub on_stop: StopNotice,

    /// The largest segment to announce, octets [default: what the interface's MTU allows]
    #[arg(long, value_name = "N", help_heading = "Protocol", value_parser = clap::value_parser!(u16).range(64..=1730))]
    pub mss: Option<u16>,

    /// The maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293: 120)
    #[arg(long, value_name = "TIME", default_value = "30", help_heading = "Protocol", value_parser = msl)]
    pub msl: Duration,

    /// How often a SYN-ACK is sent again
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Protocol", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub synack_retries: u8,

    #[command(flatten)]
    pub idle: IdleArgs,

    /// Connections of each address family; their room is set aside at start
    #[arg(long, value_name = "N", default_value = "1_048_576", help_heading = "Limits", value_parser = values::count)]
    pub max_connections: u32,

    /// Touch all memory of the tables at start
    ///
    /// The first use of each page costs a page fault, which a fresh responder at full rate feels.
    /// With this, all of it is resident from the start, for both address families.
    #[arg(long, help_heading = "Limits")]
    pub prefault: bool,

    /// Half-open connections for each core, above which `--cookies auto` sends cookies
    #[arg(long, value_name = "N", default_value = "65_536", help_heading = "Limits", value_parser = values::count)]
    pub half_open: u32,

    /// Send buffers for each core, of 4 KiB; memory follows use
    ///
    /// A connection has one while it has data to send or to have acknowledged. When they are short,
    /// the connection longest without progress gives way (stall_evicted).
    #[arg(long, value_name = "N", default_value = "65_536", help_heading = "Limits", value_parser = send_buffers)]
    pub send_buffers: u32,

    /// Resets a second, for each core
    #[arg(long, value_name = "N", default_value = "10_000", help_heading = "Limits", value_parser = values::count)]
    pub rst_rate: u32,

    /// ICMP answers a second, for each core: to pings, and to other protocols than TCP
    #[arg(long, value_name = "N", default_value = "1_000", help_heading = "Limits", value_parser = values::count)]
    pub icmp_rate: u32,

    /// How long the end may take for --on-stop; what it did not reach is counted
    ///
    /// A second signal leaves it half a second, a third none. The summary is printed in any case.
    #[arg(long, value_name = "TIME", default_value = "5", help_heading = "Limits", value_parser = on_stop_within)]
    pub on_stop_within: Duration,

    /// RSTs or FINs a second of --on-stop, for each core
    #[arg(long, value_name = "N", default_value = "250_000", help_heading = "Limits", value_parser = values::count)]
    pub on_stop_rate: u32,

    /// Mistreat that share of incoming SYNs on purpose: drop=SHARE,reset=SHARE,delay=MS
    ///
    /// For people who test clients. `delay` answers late, `drop` not at all, `reset` with a RST.
    #[arg(long, value_name = "FAULTS", help_heading = "Limits", value_parser = values::fault)]
    pub fault: Option<FaultInjection>,

    /// The user to run as once everything is open [default: nobody, where root starts it]
    ///
    /// By name or number. Groups and capabilities are given up with root. A second process of root's,
    /// without capabilities, reads the file of --config again at SIGHUP and removes the control socket at
    /// the end. `root` stays root, without capabilities.
    #[arg(long, value_name = "USER", help_heading = "Limits")]
    pub user: Option<RunAs>,

    /// End after so many seconds [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds)]
    pub duration: Option<Duration>,

    /// Seconds between two lines of rates; 0 prints none
    ///
    /// By default a line a second where something happens, and only to a terminal, while the program
    /// is in its foreground.
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds_or_none)]
    pub interval: Option<Duration>,

    /// No rates and no notes: only what is active, warnings and the summary
    #[arg(long, short, help_heading = "Report")]
    pub quiet: bool,

    /// Write the process's number to this file once it answers, and remove the file at the end
    ///
    /// For scripts: until [ -s FILE ]; do sleep 0.1; done. The file appears whole. After kill -9 it
    /// stays until the next start.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub ready_file: Option<PathBuf>,

    /// Write the summary to this file as well, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    #[command(flatten)]
    pub control: ControlArgs,

    #[command(flatten)]
    pub capture: CaptureArgs,
}

/// `--mode`; `None` is auto.
pub type ModeChoice = Option<Mode>;

impl RespondArgs {
    /// What the engine is to be opened with. What was not given keeps the engine's own default.
    pub fn options(&self) -> Options {
        let defaults = Options::default();
        Options {
            devices: self.devices.clone(),
            listen: self.listeners.iter().map(|listen| self.listener(listen)).collect(),
            subnets: self.subnets.clone(),
            cores: self.cores.clone().map_or(defaults.cores, |cores| cores.0),
            mode: self.mode,
            copy: self.umem.copy(),
            frame_size: self.umem.frame_size(),
            polling: self.poll,
            priority: self.priority,
            config: self.idle.apply(Config {
                cookies: self.cookies,
                msl_ms: self.msl.as_millis() as u32,
                syn_ack_retries: self.synack_retries,
                when_full: self.when_full,
                strict_timestamps: self.timestamps,
                ..defaults.config
            }),
            mss: self.mss,
            bounds: CoreConfig {
                half_open_bound: self.half_open,
                send_buffers: self.send_buffers,
                rst_rate: self.rst_rate,
                icmp_rate: self.icmp_rate,
                no_arp: self.no_arp,
                ..defaults.bounds
            },
            max_connections: self.max_connections,
            prefault: self.prefault,
            ring: self.ring,
            fault: self.fault.unwrap_or_default(),
            announce: self.announce,
            accept_partial_checksum: self.accept_partial_checksums,
            on_stop: OnStop {
                notice: self.on_stop,
                within_ms: self.on_stop_within.as_millis() as u32,
                per_second: self.on_stop_rate,
            },
            ..Options::default()
        }
    }

    /// What no single argument shows.
    pub fn check(&self) -> Result<(), Failure> {
        let mut devices = BTreeSet::new();
        if let Some(twice) = self.devices.iter().find(|device| !devices.insert(*device)) {
            let failure = Failure::new(format!("--dev {twice} is given twice"));
            return Err(failure.fix("name each interface once"));
        }
        let rule = |listen: &Listen| (listen.owned.prefix, listen.owned.ports.clone(), ());
        Listeners::new(self.listeners.iter().map(rule)).map(drop).map_err(Failure::of)
    }

    fn listener(&self, listen: &Listen) -> (EndpointRange, ServiceFactory) {
        let (own, limits) = (listen.clone(), self.idle.limits());
        (listen.owned.clone(), Box::new(move || own.user(limits)))
    }
}

/// Up to 4 GiB of them.
fn send_buffers(text: &str) -> Result<u32, String> {
    match values::count(text)? {
        many if many > 1 << 20 => Err(format!("`{text}` is more than 1048576")),
        count => Ok(count),
    }
}

pub(super) fn mode(text: &str) -> ModeChoice {
    match text {
        "native" => Some(Mode::Native),
        "generic" => Some(Mode::Generic),
        _ => None,
    }
}

pub(super) fn poll(text: &str) -> Polling {
    if text == "busy" { Polling::Busy } else { Polling::Adaptive }
}

fn cookies(text: &str) -> CookieMode {
    match text {
        "always" => CookieMode::Always,
        "never" => CookieMode::Never,
        _ => CookieMode::Auto,
    }
}

fn when_full(text: &str) -> WhenFull {
    if text == "drop" { WhenFull::Drop } else { WhenFull::Reset }
}

fn notice(text: &str) -> StopNotice {
    match text {
        "fin" => StopNotice::Fin,
        "none" => StopNotice::Nothing,
        _ => StopNotice::Reset,
    }
}

/// Up to five minutes: service managers do not wait longer.
fn on_stop_within(text: &str) -> Result<Duration, String> {
    let limit = Duration::from_secs(300);
    match values::seconds(text)? {
        long if long > limit => Err(format!("`{text}` is more than five minutes")),
        within => Ok(within),
    }
}

/// Up to an hour: twice that fits the timers' milliseconds with room.
pub(super) fn msl(text: &str) -> Result<Duration, String> {
    let limit = Duration::from_secs(3600);
    match values::seconds(text)? {
        long if long > limit => Err(format!("`{text}` is more than an hour")),
        msl => Ok(msl),
    }
}
