use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use ipnet::IpNet;

use super::control_args::ControlArgs;
use super::packet_path_args::{PacketPathArgs, TableArgs};
use super::respond_examples::EXAMPLES;
use super::values;
use super::{CaptureArgs, Failure, IdleArgs, Listen, MetricsArgs, RunAs};
use handfast_stack::engine::listeners::Listeners;
use handfast_stack::engine::stack::{
    CookieTierOptions, ServiceFactory, StackConfig, TierChoice, UnprovenAcks,
};
use handfast_stack::engine::{CoreConfig, FaultInjection, OnStop, StopNotice};
use handfast_stack::tcp::{Config, CookieMode, WhenFull};
use handfast_stack::wire::EndpointRange;

/// Answer TCP connections: handshake, a little data, close.
///
/// Takes the addresses and ports given with --listen from the kernel and answers them, through an
/// eBPF program on the interface and one AF_XDP socket for each of its receive queues. All other
/// traffic goes to the kernel as before.
///
/// An address that no interface of this host has belongs to handfast alone: it answers ARP,
/// neighbour solicitations and pings for it, and resets connections to its closed ports. For an
/// address that is assigned to an interface, handfast takes only the listed ports. It follows
/// addresses that are added or removed while it runs.
///
/// It needs the capabilities BPF, PERFMON, NET_ADMIN and NET_RAW (or root) to start, and drops them
/// before the first packet. The program is detached from the interface when the process ends, even
/// if it is killed.
///
/// It prints the settings in use, then a line that starts with `ready`; on a terminal also one line
/// of rates for each second with traffic. At the end it prints a summary. It ends on Ctrl-C, on
/// SIGTERM, after --duration, or when the reader of its output closes.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES, verbatim_doc_comment)]
pub struct RespondArgs {
    /// Interface to answer on, by name or alternative name; repeat for more interfaces
    #[arg(long = "dev", value_name = "IF", required_unless_present_any = ["config", "check"], value_parser = values::device)]
    pub devices: Vec<String>,

    /// ADDR[/PREFIX]:PORT[-PORT][=SERVICE][,SETTING=VALUE]: addresses, ports and their service
    ///
    /// Write IPv6 addresses in brackets: [2001:db8::1]:80. If several listeners match,
    /// the longest prefix decides, then the narrowest port range; two equal ones are
    /// an error. There may be thousands.
    ///
    /// SERVICE is one of
    ///   discard  reads and discards data; closes after the peer (the default)
    ///   echo     sends received data back, messages up to one segment
    ///   http     answers any request with status 200 and a short fixed body, then closes
    ///   close    closes first, right after the handshake
    ///   reset    resets, right after the handshake
    ///   hold     accepts, never reads, never closes
    ///
    /// SETTING is `keepalive` or `idle-timeout`, in seconds. It overrides --keepalive
    /// or --idle-timeout for this listener: 10.0.0.50:80=http,idle-timeout=30
    #[arg(
        long = "listen",
        value_name = "ADDR:PORT=SERVICE",
        required_unless_present_any = ["config", "check"],
        verbatim_doc_comment
    )]
    pub listeners: Vec<Listen>,

    /// Read options from a TOML file, and its listeners again on each SIGHUP
    ///
    /// The keys are the names of these options: dev = ["eth0"], listen = ["10.0.0.50:80=http"],
    /// max-connections = "4M". Options on the command line win. docs/configuration.md has an example.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Validate the --config file and exit
    #[arg(long, requires = "config")]
    pub check: bool,

    /// Take ports on which the kernel has established connections, and cut those connections off
    ///
    /// A port range or prefix can include the connection of the ssh session in which it is typed.
    /// Without this option, handfast therefore refuses a listener while the kernel has connections to
    /// it that arrive on the interface.
    #[arg(long)]
    pub take_over: bool,

    /// How often to announce an address that no interface has, at start and when it becomes so
    ///
    /// With gratuitous ARP or unsolicited neighbour advertisements, untagged, 2 s apart, and again
    /// when the MAC address of the interface changes; 0 announces nothing. At most the first 256
    /// addresses of a prefix, 1,024 in all, and 320 announcements a second. A prefix that contains
    /// the whole link is not announced.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=16))]
    pub announce: u32,

    /// Do not answer ARP or neighbour solicitations, and announce nothing
    ///
    /// For a server behind a load balancer that rewrites MAC addresses only: the balancer owns the
    /// address on the link. Replies go to the balancer, which must forward them (docs/nic.md).
    #[arg(long)]
    pub no_arp: bool,

    /// On-link prefix, from which the broadcast address follows [default: those of the interface]
    #[arg(long = "subnet", value_name = "CIDR")]
    pub subnets: Vec<IpNet>,

    #[command(flatten)]
    pub path: PacketPathArgs,

    /// When to answer SYNs with cookies, without keeping state
    ///
    /// auto: while more connections are half-open than --half-open allows, or no slot is free.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|text| cookies(&text)))]
    pub cookies: CookieMode,

    /// How to treat a connection for which no slot is free: reset it, or drop its segments
    ///
    /// reset: if cookies are enabled, a SYN is still answered with a cookie; its ACK is reset if no
    /// slot is free by then. drop: the SYN is not answered, and the client retransmits it.
    #[arg(long, value_name = "HOW", default_value = "reset", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["reset", "drop"]).map(|text| when_full(&text)))]
    pub when_full: WhenFull,

    /// Who answers SYNs by cookie: the eBPF program or the cores
    ///
    /// auto: the eBPF program where it can send frames (XDP_TX), otherwise the cores; the first line says
    /// which. With --cookies auto it begins when 10,000 SYNs or ACKs per second lead to no connection,
    /// and ends 2 s after they are fewer than 5,000. ebpf: as auto, but a start that cannot use it fails.
    #[arg(long, value_name = "WHICH", default_value = "auto", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["auto", "ebpf", "engine"]).map(|text| tier(&text)))]
    pub cookie_tier: TierChoice,

    /// While the eBPF program answers: a RST to ACKs without a connection and a valid cookie, or nothing
    ///
    /// reset: up to 1,000 per second and CPU, within --rst-rate. drop: the eBPF program drops them.
    #[arg(long, value_name = "HOW", default_value = "reset", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["reset", "drop"]).map(|text| unproven(&text)))]
    pub unproven_acks: UnprovenAcks,

    /// How to treat segments that lack the negotiated timestamps
    ///
    /// lenient accepts them, as Linux does: some clients and middleboxes omit them. strict drops them
    /// (RFC 7323 3.2), counted as timestamp_missing.
    #[arg(long, value_name = "HOW", default_value = "lenient", help_heading = "Protocol",
          action = ArgAction::Set,
          value_parser = PossibleValuesParser::new(["lenient", "strict"]).map(|text| text == "strict"))]
    pub timestamps: bool,

    /// What to send on open connections at the end: a RST, a FIN, or nothing
    ///
    /// fin waits until the peers close as well, and answers further data with a RST.
    #[arg(long, value_name = "WHAT", default_value = "reset", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["reset", "fin", "none"]).map(|text| notice(&text)))]
    pub on_stop: StopNotice,

    /// Maximum segment size to announce, in bytes [default: what the interface's MTU allows]
    #[arg(long, value_name = "N", help_heading = "Protocol", value_parser = clap::value_parser!(u16).range(64..=1730))]
    pub mss: Option<u16>,

    /// Maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293: 120)
    #[arg(long, value_name = "TIME", default_value = "30", help_heading = "Protocol", value_parser = values::msl)]
    pub msl: Duration,

    /// Number of retransmissions of a SYN-ACK
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Protocol", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub synack_retries: u8,

    #[command(flatten)]
    pub idle: IdleArgs,

    #[command(flatten)]
    pub table: TableArgs,

    /// Half-open connections per core above which `--cookies auto` sends cookies
    #[arg(long, value_name = "N", default_value = "65_536", help_heading = "Limits", value_parser = values::count)]
    pub half_open: u32,

    /// Send buffers per core, 4 KiB each; memory is used on demand
    ///
    /// A connection has a buffer while it has unsent or unacknowledged data. When all are in use, the
    /// connection with the longest time without progress loses its buffer and is reset (stall_evicted).
    #[arg(long, value_name = "N", default_value = "65_536", help_heading = "Limits", value_parser = send_buffers)]
    pub send_buffers: u32,

    /// RSTs per second and core
    #[arg(long, value_name = "N", default_value = "10_000", help_heading = "Limits", value_parser = values::count)]
    pub rst_rate: u32,

    /// SYNs per second of one source prefix (IPv4 /24, IPv6 /64) on one CPU [default: no limit]
    ///
    /// The eBPF program drops those beyond it (drop_syn_limit).
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = values::count)]
    pub syn_limit: Option<u32>,

    /// ICMP messages per second and core: answers to pings and to other protocols than TCP
    #[arg(long, value_name = "N", default_value = "1_000", help_heading = "Limits", value_parser = values::count)]
    pub icmp_rate: u32,

    /// Time limit for --on-stop; connections not reached within it are counted
    ///
    /// A second signal shortens it to half a second, a third one to nothing. The summary is always
    /// printed.
    #[arg(long, value_name = "TIME", default_value = "5", help_heading = "Limits", value_parser = on_stop_within)]
    pub on_stop_within: Duration,

    /// RSTs or FINs of --on-stop per second and core
    #[arg(long, value_name = "N", default_value = "250_000", help_heading = "Limits", value_parser = values::count)]
    pub on_stop_rate: u32,

    /// Inject faults into a share of the incoming SYNs: drop=SHARE,reset=SHARE,delay=MS
    ///
    /// For tests of clients. `drop` does not answer, `reset` answers with a RST, `delay` answers all
    /// SYNs late. The cores then answer every SYN, and the eBPF program none (--cookie-tier).
    #[arg(long, value_name = "FAULTS", help_heading = "Limits", value_parser = values::fault)]
    pub fault: Option<FaultInjection>,

    /// User to run as after start, by name or number [default: nobody, if started by root]
    ///
    /// Groups and capabilities are dropped as well. A second process, of root but without capabilities,
    /// reads the --config file again on SIGHUP and removes the control socket at the end. `root` keeps
    /// the user root, without capabilities.
    #[arg(long, value_name = "USER", help_heading = "Limits")]
    pub user: Option<RunAs>,

    /// End after this time [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds)]
    pub duration: Option<Duration>,

    /// Time between two lines of rates; 0 prints none
    ///
    /// By default one line per second with traffic, only on a terminal and while the program is in its
    /// foreground.
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds_or_none)]
    pub interval: Option<Duration>,

    /// Print only the settings in use, warnings and the summary: no rates, no notes
    #[arg(long, short, help_heading = "Report")]
    pub quiet: bool,

    /// Write the process ID to this file when the program is ready, and remove the file at the end
    ///
    /// For scripts: until [ -s FILE ]; do sleep 0.1; done. The file is created atomically. After kill
    /// -9 it remains until the next start.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub ready_file: Option<PathBuf>,

    /// Also write the summary to this file, as JSON
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    #[command(flatten)]
    pub control: ControlArgs,

    #[command(flatten)]
    pub capture: CaptureArgs,
}

impl RespondArgs {
    /// The options of the stack. Those that were not given keep the stack's own defaults.
    pub fn options(&self) -> StackConfig {
        let defaults = StackConfig::default();
        let options = StackConfig {
            devices: self.devices.clone(),
            listen: self.listeners.iter().map(|listen| self.listener(listen)).collect(),
            subnets: self.subnets.clone(),
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
            fault: self.fault.unwrap_or_default(),
            cookie_tier: CookieTierOptions {
                tier: self.cookie_tier,
                unproven: self.unproven_acks,
                syn_limit: self.syn_limit.unwrap_or(0),
            },
            announce: self.announce,
            on_stop: OnStop {
                notice: self.on_stop,
                within_ms: self.on_stop_within.as_millis() as u32,
                per_second: self.on_stop_rate,
            },
            ..StackConfig::default()
        };
        self.table.apply(self.path.apply(options))
    }

    /// The checks that concern several arguments.
    pub fn check(&self) -> Result<(), Failure> {
        let mut devices = BTreeSet::new();
        if let Some(twice) = self.devices.iter().find(|device| !devices.insert(*device)) {
            let failure = Failure::new(format!("--dev {twice} is given twice"));
            return Err(failure.fix("name each interface once"));
        }
        if self.cookie_tier == TierChoice::Ebpf && self.cookies == CookieMode::Never {
            let failure = Failure::new("--cookie-tier ebpf does not apply to --cookies never");
            return Err(failure.fix("use --cookies auto or always, or no --cookie-tier"));
        }
        if self.cookie_tier == TierChoice::Ebpf && self.fault.is_some() {
            let failure =
                Failure::new("--cookie-tier ebpf does not apply with --fault: the cores inject the faults");
            return Err(failure.fix("leave out --cookie-tier, or --fault"));
        }
        let rule = |listen: &Listen| (listen.owned.prefix, listen.owned.ports.clone(), ());
        Listeners::new(self.listeners.iter().map(rule)).map(drop).map_err(Failure::of)
    }

    fn listener(&self, listen: &Listen) -> (EndpointRange, ServiceFactory) {
        let (own, limits) = (listen.clone(), self.idle.limits());
        (listen.owned.clone(), Box::new(move || own.user(limits)))
    }
}

/// A number of send buffers: up to 4 GiB in all.
fn send_buffers(text: &str) -> Result<u32, String> {
    match values::count(text)? {
        many if many > 1 << 20 => Err(format!("invalid number `{text}`: at most 1048576 (4 GiB)")),
        count => Ok(count),
    }
}

fn cookies(text: &str) -> CookieMode {
    match text {
        "always" => CookieMode::Always,
        "never" => CookieMode::Never,
        _ => CookieMode::Auto,
    }
}

fn tier(text: &str) -> TierChoice {
    match text {
        "ebpf" => TierChoice::Ebpf,
        "engine" => TierChoice::Engine,
        _ => TierChoice::Auto,
    }
}

fn unproven(text: &str) -> UnprovenAcks {
    if text == "drop" { UnprovenAcks::Drop } else { UnprovenAcks::Reset }
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
        long if long > limit => Err(format!("invalid duration `{text}`: at most five minutes")),
        within => Ok(within),
    }
}
