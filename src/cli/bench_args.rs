use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::bench_url::{Endpoint, request_path};
use super::control_args::ControlArgs;
use super::requirement_args::RequirementArgs;
use super::respond_args::{ModeChoice, mode, msl, poll};
use super::values::{self, Cores};
use super::{CaptureArgs, MetricsArgs, UmemArgs, out};
use handfast_load::{Answer, Arrivals, Asked, Closer, Load, Plan, Search, Source, Target, Workload};
use handfast_stack::engine::{Polling, Priority};
use handfast_stack::tcp::OfferedOptions;
use handfast_stack::wire::Mac;

/// Open connections and measure: how many a second, how fast, and what went wrong.
///
/// Opens real TCP connections from the addresses given with --source, with handfast's own engine on
/// AF_XDP, and reports completed connections per second, latency, failures by reason, processor time,
/// and whether this side or the target was the limit.
///
/// A closed loop (--concurrency) keeps so many connections in flight. An open loop (--rate) opens on a
/// schedule, whatever becomes of the connections, and counts latency from the intended start.
/// --find-max looks for the highest rate that holds.
///
/// It needs the capabilities BPF, PERFMON, NET_ADMIN and NET_RAW (or root) to start, and gives all
/// of them up before the first packet. Only send to what is yours to test.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = EXAMPLES, verbatim_doc_comment)]
pub struct BenchArgs {
    /// The interface to send from [default: the one of the kernel's route to the target]
    #[arg(long = "dev", value_name = "IF", value_parser = values::device)]
    pub device: Option<String>,

    /// What to open connections to: HOST:PORT[-PORT], or http://HOST[:PORT][/PATH], which is requested
    ///
    /// HOST is an address, a link-local one with its interface as in [fe80::1%eth0]:80, or a name.
    #[arg(value_name = "TARGET")]
    pub target: Endpoint,

    /// CIDR[:PORT[-PORT]]: where connections come from; give it again for more
    ///
    /// Addresses on no interface belong to handfast alone, which answers ARP for them. Of an address that
    /// the interface has, the ports that the kernel gives out to its own connections are left to
    /// it. [default: the address that the kernel would take (RFC 6724), and those beside it in its network;
    /// in a lab the prefix that is routed back]
    #[arg(long = "source", value_name = "CIDR:PORTS")]
    pub sources: Vec<Asked>,

    /// The next hop's MAC address [default: from the kernel's routes and neighbours]
    #[arg(long, value_name = "MAC", value_parser = values::mac)]
    pub gateway: Option<Mac>,

    /// What a connection does [default: lifecycle; request, where one is given]
    #[arg(long, value_enum, help_heading = "Workload")]
    pub workload: Option<Kind>,

    /// Who sends the first FIN of a lifecycle [default: client]
    #[arg(long, value_enum, help_heading = "Workload")]
    pub closer: Option<Side>,

    /// What a request sends, in one segment [default: "handfast" and a line feed]
    #[arg(long, value_name = "TEXT", help_heading = "Workload", conflicts_with = "http")]
    pub payload: Option<String>,

    /// Request this path over HTTP; the answer's status must be 2xx or 3xx
    #[arg(long, value_name = "PATH", help_heading = "Workload", value_parser = request_path)]
    pub http: Option<String>,

    /// The maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293: 120)
    #[arg(long, value_name = "TIME", default_value = "30", help_heading = "Workload", value_parser = msl)]
    pub msl: Duration,

    /// How long a 4-tuple rests behind its connection's end; 0: not at all [default: 2 MSL; of a flood: 0]
    #[arg(long, value_name = "TIME", help_heading = "Workload", value_parser = values::seconds_or_none)]
    pub reuse_after: Option<Duration>,

    /// How often a SYN is sent again
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Workload", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub syn_retries: u8,

    /// What a SYN offers: its MSS alone, or as the usual clients do window scale, SACK and timestamps too
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SynOptions::Full, help_heading = "Workload")]
    pub syn_options: SynOptions,

    /// A connection that is not done so long after its intended start has failed
    #[arg(long, value_name = "TIME", default_value = "10", help_heading = "Workload", value_parser = values::seconds)]
    pub timeout: Duration,

    /// Closed loop: so many connections in flight [default: 256, or as many as there are 4-tuples]
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = values::count)]
    pub concurrency: Option<u32>,

    /// Open loop: so many connections a second
    #[arg(long, value_name = "R", help_heading = "Load", conflicts_with = "concurrency", value_parser = values::count)]
    pub rate: Option<u32>,

    /// Open loop: at random, as independent clients would come, not at equal distances
    #[arg(long, requires = "rate", help_heading = "Load")]
    pub poisson: bool,

    /// Look for the highest rate that holds (after RFC 9411 7.2: ramp up, sustain, ramp down): 99 % of it
    /// completed, 95 % while it was asked for, and no more failed than --loss allows
    #[arg(long, help_heading = "Load", conflicts_with_all = ["concurrency", "rate", "connections"])]
    pub find_max: bool,

    /// Share of connections that may fail at a rate that holds, for --find-max
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, help_heading = "Load", requires = "find_max",
          value_parser = values::part)]
    pub loss: f64,

    /// The load grows evenly over so many seconds; an open loop's goes down as well
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = "Load", value_parser = values::seconds_or_none)]
    pub ramp: Duration,

    /// Full load that is not measured yet
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = "Load", value_parser = values::seconds_or_none)]
    pub warmup: Duration,

    /// How long to measure; of `hold`: how long to keep the connections before they are probed
    /// [default: 10, or until --connections are done]
    #[arg(long, value_name = "TIME", help_heading = "Load", value_parser = values::seconds)]
    pub duration: Option<Duration>,

    /// Measure so many connections
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = values::count)]
    pub connections: Option<u32>,

    /// The same seed gives the same schedule and the same order of 4-tuples [default: another each time,
    /// so that no run meets the TIME-WAIT of the one before; --json has it]
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub seed: Option<u64>,

    /// The cores to run on, as in 0,2-3 [default: as many as there are queues, from 0 on]
    #[arg(long, value_name = "LIST", help_heading = "Packet path")]
    pub cores: Option<Cores>,

    /// Where the eBPF program runs: in the driver (native) or in the network stack (generic)
    #[arg(long, value_name = "MODE", default_value = "auto", help_heading = "Packet path",
          value_parser = PossibleValuesParser::new(["auto", "native", "generic"]).map(|text| mode(&text)))]
    pub mode: ModeChoice,

    #[command(flatten)]
    pub umem: UmemArgs,

    /// How a core waits for frames: always spinning, or sleeping when there is no work
    #[arg(long, value_name = "HOW", default_value = "busy", help_heading = "Packet path",
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

    /// Take TCP segments whose checksum covers the pseudo-header only
    #[arg(long, help_heading = "Packet path")]
    pub accept_partial_checksums: bool,

    /// Connections that there is room for, those in TIME-WAIT included
    #[arg(long, value_name = "N", default_value = "4_194_304", help_heading = "Packet path", value_parser = values::count)]
    pub max_connections: u32,

    /// Frames of each ring of each queue, a power of two: a longer pause of the loop fits into more
    #[arg(long, value_name = "FRAMES", default_value = "8192", help_heading = "Packet path", value_parser = values::ring)]
    pub ring: u32,

    /// Touch all memory for connections at start
    ///
    /// The first use of each page costs a page fault, which a short run at full rate feels. With
    /// this, all of it is resident from the start: --max-connections says how much.
    #[arg(long, help_heading = "Packet path")]
    pub prefault: bool,

    /// Write the results to this file as well, as JSON (docs/bench-schema.md); `-`: to standard output,
    /// and the text to standard error
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,

    /// Write a table of the seconds to this file as well, as CSV; `-` as of --json
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub csv: Option<PathBuf>,

    /// Write the results to this file as well, as one page with plots
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,

    #[command(flatten)]
    pub requirements: RequirementArgs,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Seconds between two lines of progress; 0 prints none [default: 1 on a terminal, none elsewhere]
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds_or_none)]
    pub interval: Option<Duration>,

    /// No lines of progress, only the summary
    #[arg(long, short, help_heading = "Report")]
    pub quiet: bool,

    #[command(flatten)]
    pub control: ControlArgs,

    #[command(flatten)]
    pub capture: CaptureArgs,
}

const EXAMPLES: &str = "\
Examples:
  How many connections a second does this server complete?

    handfast bench 10.0.0.50:80

  500 HTTP requests a second on a schedule, for a minute, with a page to show:

    handfast bench http://10.0.0.50/ --rate 500 --duration 60 --html run.html

  From 254 addresses that are on no interface: more 4-tuples, hence more connections a second. The
  target must know the way back to them: on it, `ip route add 10.0.1.0/24 via THIS-MACHINE`:

    handfast bench --source 10.0.1.0/24 10.0.0.50:80

  The highest rate at which at most one connection in a thousand fails:

    handfast bench --source 10.0.1.0/24 10.0.0.50:80 --find-max

  Do a million connections stay?

    handfast bench --source 10.0.1.0/24 10.0.0.50:7 --workload hold --connections 1M

  A gate of a pipeline: exits with 3 if one of the requirements is not met:

    handfast bench http://10.0.0.50/health --rate 2k --quiet \\
        --require-success 99.9% --require-p99 20ms

Exit status:
  0 ended as asked, and every requirement was met; 1 could not start, or the interface vanished;
  2 wrong arguments; 3 a requirement (--require-...) was not met; 4 ended early, by a signal;
  5 the target is unreachable: no connection was established. The line `result` and the JSON's
  `outcome` say the same.";

/// `--workload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// SYN, SYN-ACK, ACK, then RST
    Handshake,
    /// Three-way handshake and four-way close, no data
    Lifecycle,
    /// One segment out, its answer, close
    Request,
    /// Open --connections, keep them for --duration, then probe every one
    Hold,
    /// SYNs alone, as many as --rate says or as fast as it goes; inside a lab only
    Flood,
}

impl Kind {
    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Connections in flight, if there is no other load.
const CONCURRENCY: u32 = 256;
/// What a request sends.
const PAYLOAD: &str = "handfast\n";

/// `--closer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    Client,
    Server,
}

/// `--syn-options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SynOptions {
    Mss,
    Full,
}

impl fmt::Display for SynOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == SynOptions::Mss { "mss" } else { "full" })
    }
}

impl SynOptions {
    pub fn offer(self) -> OfferedOptions {
        let full = self == SynOptions::Full;
        OfferedOptions { window_scale: full, sack: full, timestamps: full }
    }
}

/// Short enough to be typed again. Nothing secret hangs on it.
fn any_seed() -> u64 {
    getrandom::u32().map_or(1, u64::from)
}

/// How long one step of a search is sustained.
const STEP: Duration = Duration::from_secs(5);
const STEP_RAMP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(10);
/// Beyond a connection's time limit, so that what is never answered has failed and is not in flight.
const DRAIN_BEYOND: Duration = Duration::from_secs(2);

impl BenchArgs {
    /// Between two lines of progress, if there are to be any.
    pub(super) fn interval(&self) -> Option<Duration> {
        let unasked = out::is_watched(&std::io::stderr()).then_some(Duration::from_secs(1));
        self.interval.or(unasked).filter(|interval| !self.quiet && !interval.is_zero())
    }

    pub fn plan(&self, target: &Target, sources: Vec<Source>) -> Plan {
        let mut plan = Plan::new(target.clone(), sources, self.workload());
        plan.load = self.load(plan.space().len());
        plan.ramp_up = self.ramp;
        plan.ramp_down = if self.is_open_loop() { self.ramp } else { Duration::ZERO };
        plan.warm_up = self.warmup;
        plan.duration = match (self.duration, self.connections) {
            (None, Some(_)) => None,
            (given, _) => Some(given.unwrap_or(DURATION)),
        };
        if self.find_max {
            plan.duration = Some(self.duration.unwrap_or(STEP));
            if self.ramp.is_zero() {
                (plan.ramp_up, plan.ramp_down) = (STEP_RAMP, STEP_RAMP);
            }
        }
        if self.kind() == Kind::Hold && self.duration.is_none() {
            plan.duration = Some(Duration::ZERO);
        }
        plan.connections = self.connections.map(u64::from);
        plan.seed = self.seed.unwrap_or_else(any_seed);
        // Of a flood nothing is kept that could stand in the way.
        let rest = if self.kind() == Kind::Flood { Duration::ZERO } else { 2 * self.msl };
        plan.reuse_after = self.reuse_after.unwrap_or(rest);
        plan.timeout = self.timeout;
        plan.drain = self.timeout + DRAIN_BEYOND;
        plan
    }

    pub fn search(&self) -> Option<Search> {
        self.find_max.then(|| Search { loss: self.loss, ..Search::default() })
    }

    /// What a connection does: as asked, or as what else is asked needs it.
    pub fn kind(&self) -> Kind {
        let request = self.path().is_some() || self.payload.is_some();
        self.workload.unwrap_or(if request { Kind::Request } else { Kind::Lifecycle })
    }

    /// What is requested over HTTP.
    pub fn path(&self) -> Option<&str> {
        self.http.as_deref().or(self.target.path.as_deref())
    }

    fn workload(&self) -> Workload {
        match (self.kind(), self.path()) {
            (Kind::Handshake, _) => Workload::Handshake,
            (Kind::Lifecycle, _) => Workload::Lifecycle { closer: self.closer() },
            (Kind::Request, Some(path)) => Workload::http(&self.target.host(), path),
            (Kind::Request, None) => {
                let request = self.payload.as_deref().unwrap_or(PAYLOAD).into();
                Workload::Request { request, answer: Answer::Segment }
            }
            (Kind::Hold, _) => Workload::Hold,
            (Kind::Flood, _) => Workload::Flood,
        }
    }

    fn closer(&self) -> Closer {
        match self.closer {
            None | Some(Side::Client) => Closer::Client,
            Some(Side::Server) => Closer::Server,
        }
    }

    fn load(&self, tuples: u64) -> Load {
        match (self.rate, self.concurrency) {
            (Some(rate), _) => Load::Rate { per_second: u64::from(rate), arrivals: self.arrivals() },
            (None, Some(asked)) => Load::Concurrency(asked),
            (None, None) => Load::Concurrency(tuples.clamp(1, u64::from(CONCURRENCY)) as u32),
        }
    }

    pub fn arrivals(&self) -> Arrivals {
        if self.poisson { Arrivals::Poisson } else { Arrivals::Steady }
    }

    fn is_open_loop(&self) -> bool {
        self.rate.is_some() || self.find_max
    }
}
