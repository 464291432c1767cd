use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use ipnet::IpNet;

use super::control_args::ControlArgs;
use super::values::{self, Cores, Listen};
use super::{CaptureArgs, Failure, MetricsArgs, UmemArgs};
use crate::engine::listeners::Listeners;
use crate::engine::stack::{Options, ServiceFactory};
use crate::engine::{CoreConfig, Fault, Polling};
use crate::tcp::{Config, CookieMode};
use crate::wire::Owned;
use crate::xdp::Mode;

/// Answer connections: handshake, a little data, both closes.
///
/// Takes the addresses and ports given with --listen away from the kernel and answers them
/// itself, through an eBPF program on the interface and one AF_XDP socket for each of its receive
/// queues. All other traffic goes on to the kernel as before.
///
/// An address that is on no interface belongs to handfast alone: it answers ARP, neighbour
/// solicitations and pings for it, and its closed ports with a RST. Of an address that the
/// interface has, it takes only the ports listed.
///
/// It needs the capabilities BPF, PERFMON, NET_ADMIN and NET_RAW (or root) to start, and gives all
/// of them up before the first packet. The program leaves the interface when the process ends,
/// however it ends.
///
/// It prints what is really active, then a line that starts with `ready`, then a line of rates
/// each second, and a summary when it ends: on Ctrl-C, SIGTERM, or after --duration.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES, verbatim_doc_comment)]
pub struct RespondArgs {
    /// The interface to answer on; give it again for more interfaces
    #[arg(long = "dev", value_name = "IF", required_unless_present_any = ["config", "check"], value_parser = values::device)]
    pub devices: Vec<String>,

    /// ADDR[/PREFIX]:PORT[-PORT][=SERVICE]: what to own, and what answers there
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

    /// Frames of each ring of each queue, a power of two; each takes two frames of memory
    #[arg(long, value_name = "FRAMES", default_value = "2048", help_heading = "Packet path", value_parser = values::ring)]
    pub ring: u32,

    /// Take TCP segments whose checksum covers the pseudo-header only
    ///
    /// So a veth peer sends them while its transmit offload is on (the better cure is
    /// `ethtool -K PEER tx off`), and so virtio-net has them in generic mode.
    #[arg(long, help_heading = "Packet path")]
    pub accept_partial_checksums: bool,

    /// When to answer SYNs by cookie, without keeping state
    ///
    /// auto: while more connections are half-open than --half-open allows, or no slot is free.
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Protocol",
          value_parser = PossibleValuesParser::new(["auto", "always", "never"]).map(|text| cookies(&text)))]
    pub cookies: CookieMode,

    /// The largest segment to announce, octets [default: what the interface's MTU allows]
    #[arg(long, value_name = "N", help_heading = "Protocol", value_parser = clap::value_parser!(u16).range(64..=1730))]
    pub mss: Option<u16>,

    /// The maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293: 120)
    #[arg(long, value_name = "SECS", default_value = "30", help_heading = "Protocol", value_parser = msl)]
    pub msl: Duration,

    /// How often a SYN-ACK is sent again
    #[arg(long, value_name = "N", default_value_t = 2, help_heading = "Protocol", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub synack_retries: u8,

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

    /// Resets a second, for each core
    #[arg(long, value_name = "N", default_value = "10_000", help_heading = "Limits", value_parser = values::count)]
    pub rst_rate: u32,

    /// Answers to pings a second, for each core
    #[arg(long, value_name = "N", default_value = "1_000", help_heading = "Limits", value_parser = values::count)]
    pub icmp_rate: u32,

    /// Mistreat that share of incoming SYNs on purpose: drop=P%,reset=P%,delay=MS
    ///
    /// For people who test clients. `delay` answers late, `drop` not at all, `reset` with a RST.
    #[arg(long, value_name = "FAULTS", help_heading = "Limits", value_parser = values::fault)]
    pub fault: Option<Fault>,

    /// End after so many seconds [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "SECS", help_heading = "Report", value_parser = values::seconds)]
    pub duration: Option<Duration>,

    /// Seconds between two lines of rates; 0 prints none
    #[arg(long, value_name = "SECS", default_value = "1", help_heading = "Report", value_parser = values::seconds_or_none)]
    pub interval: Duration,

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

const EXAMPLES: &str = "\
Examples:
  A web server of one page on an address that nobody has, and a port that counts connections:

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --listen 10.0.0.50:9000=close

  A whole prefix, both families, on two cores, for a minute, with a summary to keep:

    handfast respond --dev eth0 --cores 2,3 --listen 198.18.1.0/24:1-65535 \\
        --listen '[2001:db8:18::1:0]/112:1-65535' --duration 60 --json run.json

  How does my client take a server that ignores a tenth of its SYNs?

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --fault drop=10%

  What do my sockets see of port 80? (docs/capture.md)

    handfast respond --dev eth0 --listen 10.0.0.50:80=http --pcap run.pcapng --filter 80

  The same from a file; `kill -HUP` changes the listeners and keeps every connection:

    handfast respond --config handfast.toml --check && handfast respond --config handfast.toml

  To try it without touching a real interface: handfast lab --help

Exit status:
  0 ended as asked; 1 could not start, or the interface vanished; 2 wrong arguments, or a wrong file.";

/// `--mode`; `None` is auto.
pub type ModeChoice = Option<Mode>;

impl RespondArgs {
    /// What the engine is to be opened with. What was not given keeps the engine's own default.
    pub fn options(&self) -> Options {
        let defaults = Options::default();
        Options {
            devices: self.devices.clone(),
            listen: self.listeners.iter().map(listener).collect(),
            subnets: self.subnets.clone(),
            cores: self.cores.clone().map_or(defaults.cores, |cores| cores.0),
            mode: self.mode,
            copy: self.umem.copy(),
            frame_size: self.umem.frame_size(),
            polling: self.poll,
            config: Config {
                cookies: self.cookies,
                msl_ms: self.msl.as_millis() as u32,
                syn_ack_retries: self.synack_retries,
                ..defaults.config
            },
            mss: self.mss,
            bounds: CoreConfig {
                half_open_bound: self.half_open,
                rst_rate: self.rst_rate,
                icmp_rate: self.icmp_rate,
                ..defaults.bounds
            },
            max_connections: self.max_connections,
            prefault: self.prefault,
            ring: self.ring,
            fault: self.fault.unwrap_or_default(),
            accept_partial_checksum: self.accept_partial_checksums,
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
}

fn listener(listen: &Listen) -> (Owned, ServiceFactory) {
    let service = listen.service;
    (listen.owned.clone(), Box::new(move || service.user()))
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

/// Up to an hour: twice that fits the timers' milliseconds with room.
pub(super) fn msl(text: &str) -> Result<Duration, String> {
    let limit = Duration::from_secs(3600);
    match values::seconds(text)? {
        long if long > limit => Err(format!("`{text}` is more than an hour")),
        msl => Ok(msl),
    }
}
