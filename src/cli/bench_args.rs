use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::bench_url::{Endpoint, request_path};
use super::control_args::ControlArgs;
use super::packet_path_args::{PacketPathArgs, TableArgs};
use super::requirement_args::RequirementArgs;
use super::{CaptureArgs, MetricsArgs, out, values};
use handfast_load::{
    Arrivals, Closer, Load, Plan, ResponseKind, SearchConfig, Source, SourceArg, Target, Workload,
    WorkloadKind,
};
use handfast_stack::tcp::OfferedOptions;
use handfast_stack::wire::Mac;

/// Open TCP connections and measure: connections per second, latency, failures by cause.
///
/// Opens real TCP connections from the addresses given with --source, with handfast's own stack on
/// AF_XDP, and reports completed connections per second, latency, failures by cause, CPU time, and
/// whether this side or the target was the bottleneck.
///
/// A closed loop (--concurrency) keeps a fixed number of connections in flight. An open loop (--rate)
/// opens connections on a schedule, independent of the answers, and counts latency from the scheduled
/// start. --find-max searches for the highest rate that holds.
///
/// It needs the capabilities BPF, PERFMON, NET_ADMIN and NET_RAW (or root) to start, and drops them
/// before the first packet. Only test systems that you own or have permission to test.
#[derive(Clone, Debug, Args)]
#[command(
    after_long_help = EXAMPLES,
    verbatim_doc_comment,
    mut_arg("poll", |arg| arg.default_value("busy")),
    mut_arg("ring", |arg| arg.default_value("8192")),
    mut_arg("max_connections", |arg| arg.default_value("4_194_304"))
)]
pub struct BenchArgs {
    /// Interface to send from [default: that of the kernel's route to the target]
    #[arg(long = "dev", value_name = "IF", value_parser = values::device)]
    pub device: Option<String>,

    /// Where to connect: HOST:PORT[-PORT], or http://HOST[:PORT][/PATH] to request that URL
    ///
    /// HOST is an address or a name. A link-local address needs its interface: [fe80::1%eth0]:80.
    #[arg(value_name = "TARGET")]
    pub target: Endpoint,

    /// Source addresses of the connections: CIDR[:PORT[-PORT]]; repeat for more
    ///
    /// Addresses that no interface has belong to handfast alone, which answers ARP for them. For an
    /// address of the interface, handfast does not use the ephemeral ports of the kernel. [default: the
    /// address that the kernel would choose (RFC 6724), and unused ones next to it in its network; in a
    /// lab the prefix that is routed back]
    #[arg(long = "source", value_name = "CIDR:PORTS")]
    pub sources: Vec<SourceArg>,

    /// MAC address of the next hop [default: from the kernel's routes and neighbours]
    #[arg(long, value_name = "MAC", value_parser = values::mac)]
    pub gateway: Option<Mac>,

    /// What each connection does [default: request with a URL, --http or --payload, else lifecycle]
    #[arg(long, value_name = "WORKLOAD", help_heading = "Workload", value_parser = values::workload())]
    pub workload: Option<WorkloadKind>,

    /// Which side sends the first FIN of a lifecycle [default: client]
    #[arg(long, value_name = "CLOSER", help_heading = "Workload", value_parser = values::closer())]
    pub closer: Option<Closer>,

    /// Data of a request, in one segment [default: "handfast" and a line feed]
    #[arg(long, value_name = "TEXT", help_heading = "Workload", conflicts_with = "http")]
    pub payload: Option<String>,

    /// Request this path over HTTP; the status of the answer must be 2xx or 3xx
    #[arg(long, value_name = "PATH", help_heading = "Workload", value_parser = request_path)]
    pub http: Option<String>,

    /// Maximum segment lifetime; TIME-WAIT lasts twice as long (RFC 9293: 120)
    #[arg(long, value_name = "TIME", default_value = "30", help_heading = "Workload", value_parser = values::msl)]
    pub msl: Duration,

    /// Time before a 4-tuple is reused after its connection closed; 0 = immediately [default: 2 MSL; 0
    /// for a flood]
    #[arg(long, value_name = "TIME", help_heading = "Workload", value_parser = values::seconds_or_none)]
    pub reuse_after: Option<Duration>,

    /// Number of retransmissions of a SYN
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Workload", value_parser = clap::value_parser!(u8).range(0..=10))]
    pub syn_retries: u8,

    /// TCP options of a SYN: mss only, or full: MSS, window scale, SACK and timestamps
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SynOptionArgs::Full, help_heading = "Workload")]
    pub syn_options: SynOptionArgs,

    /// Per-connection timeout, counted from the intended start
    #[arg(long, value_name = "TIME", default_value = "10", help_heading = "Workload", value_parser = values::seconds)]
    pub timeout: Duration,

    /// Closed loop: number of connections in flight [default: 256, or the number of 4-tuples if lower]
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = values::count)]
    pub concurrency: Option<u32>,

    /// Open loop: connections to open per second
    #[arg(long, value_name = "R", help_heading = "Load", conflicts_with = "concurrency", value_parser = values::count)]
    pub rate: Option<u32>,

    /// Open loop: random (Poisson) arrivals, as from independent clients, instead of equal intervals
    #[arg(long, requires = "rate", help_heading = "Load")]
    pub poisson: bool,

    /// Search for the highest rate that holds (after RFC 9411 7.2: ramp up, sustain, ramp down)
    ///
    /// A rate holds if 99 % of it is completed, 95 % while the load is on, and the share of failed
    /// connections is at most --loss.
    #[arg(long, help_heading = "Load", conflicts_with_all = ["concurrency", "rate", "connections"])]
    pub find_max: bool,

    /// For --find-max: share of connections that may fail at a rate that holds
    #[arg(long, value_name = "SHARE", default_value_t = 0.001, help_heading = "Load", requires = "find_max",
          value_parser = values::part)]
    pub loss: f64,

    /// Time over which the load rises evenly; an open loop also falls over this time at the end
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = "Load", value_parser = values::seconds_or_none)]
    pub ramp: Duration,

    /// Warm-up at full load, excluded from the results
    #[arg(long, value_name = "TIME", default_value = "0", help_heading = "Load", value_parser = values::seconds_or_none)]
    pub warmup: Duration,

    /// Time to measure; for `hold`: time to keep the connections before they are probed [default: 10, or
    /// until --connections are completed]
    #[arg(long, value_name = "TIME", help_heading = "Load", value_parser = values::seconds)]
    pub duration: Option<Duration>,

    /// Number of connections to measure
    #[arg(long, value_name = "N", help_heading = "Load", value_parser = values::count)]
    pub connections: Option<u32>,

    /// Seed of the schedule and of the order of 4-tuples [default: random]
    ///
    /// A random seed keeps a run clear of the 4-tuples that are still in TIME-WAIT from the run before.
    /// --json contains the seed.
    #[arg(long, value_name = "N", help_heading = "Load")]
    pub seed: Option<u64>,

    #[command(flatten)]
    pub path: PacketPathArgs,

    #[command(flatten)]
    pub table: TableArgs,

    /// Also write the results to this file, as JSON (docs/bench-schema.md)
    ///
    /// `-` writes them to standard output, and the text to standard error.
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub json: Option<PathBuf>,

    /// Also write the figures of each second to this file, as CSV; `-` as with --json
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub csv: Option<PathBuf>,

    /// Also write the results to this file, as an HTML page with plots
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub html: Option<PathBuf>,

    #[command(flatten)]
    pub requirements: RequirementArgs,

    #[command(flatten)]
    pub metrics: MetricsArgs,

    /// Time between two lines of progress; 0 prints none [default: 1 on a terminal, else none]
    #[arg(long, value_name = "TIME", help_heading = "Report", value_parser = values::seconds_or_none)]
    pub interval: Option<Duration>,

    /// Print only the summary, no lines of progress
    #[arg(long, short, help_heading = "Report")]
    pub quiet: bool,

    #[command(flatten)]
    pub control: ControlArgs,

    #[command(flatten)]
    pub capture: CaptureArgs,
}

const EXAMPLES: &str = "\
Examples:
  How many connections per second does this server complete?

    handfast bench 10.0.0.50:80

  500 HTTP requests per second on a schedule, for a minute, with an HTML report:

    handfast bench http://10.0.0.50/ --rate 500 --duration 60 --html run.html

  From 254 addresses that no interface has: more 4-tuples, hence more connections per second. The
  target needs a route back to them: on it, `ip route add 10.0.1.0/24 via ADDRESS-OF-THIS-HOST`:

    handfast bench --source 10.0.1.0/24 10.0.0.50:80

  The highest rate at which at most one connection in a thousand fails:

    handfast bench --source 10.0.1.0/24 10.0.0.50:80 --find-max

  Do a million connections stay open?

    handfast bench --source 10.0.1.0/24 10.0.0.50:7 --workload hold --connections 1M

  A check in a CI pipeline: exits with 3 if a requirement is not met:

    handfast bench http://10.0.0.50/health --rate 2k --quiet \\
        --require-success 99.9% --require-p99 20ms

Values:
  TIME   seconds, or a number with a unit: 20, 0.5, 500ms, 2m
  SHARE  a percentage or a number from 0 to 1: 2.5%, 0.025
  N      counts may have a suffix: 100k, 4M

Exit status:
  0 ended normally, and every requirement was met; 1 could not start, or the interface vanished;
  2 invalid arguments; 3 a requirement (--require-...) was not met; 4 ended early, by a signal;
  5 the target is unreachable: no connection was established. The line `result` and the JSON field
  `outcome` say the same.";

/// Connections in flight by default.
const CONCURRENCY: u32 = 256;
/// The data of a request by default.
const PAYLOAD: &str = "handfast\n";

/// `--syn-options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SynOptionArgs {
    Mss,
    Full,
}

impl fmt::Display for SynOptionArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == SynOptionArgs::Mss { "mss" } else { "full" })
    }
}

impl SynOptionArgs {
    pub fn offer(self) -> OfferedOptions {
        if self == SynOptionArgs::Full { OfferedOptions::default() } else { OfferedOptions::NONE }
    }
}

/// Short enough to type again. It is no secret.
fn any_seed() -> u64 {
    getrandom::u32().map_or(1, u64::from)
}

/// The time for which one step of a search is sustained.
const STEP: Duration = Duration::from_secs(5);
const STEP_RAMP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(10);
/// Added to the timeout of a connection, so that an unanswered one has failed and is not in flight.
const DRAIN_BEYOND: Duration = Duration::from_secs(2);

impl BenchArgs {
    /// The time between two lines of progress, if they are wanted.
    pub(super) fn interval(&self) -> Option<Duration> {
        let default = out::is_watched(&std::io::stderr()).then_some(Duration::from_secs(1));
        self.interval.or(default).filter(|interval| !self.quiet && !interval.is_zero())
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
        if self.kind() == WorkloadKind::Hold && self.duration.is_none() {
            plan.duration = Some(Duration::ZERO);
        }
        plan.connections = self.connections.map(u64::from);
        plan.seed = self.seed.unwrap_or_else(any_seed);
        // A flood keeps no state that a reused 4-tuple could collide with.
        let rest = if self.kind() == WorkloadKind::Flood { Duration::ZERO } else { 2 * self.msl };
        plan.reuse_after = self.reuse_after.unwrap_or(rest);
        plan.timeout = self.timeout;
        plan.drain = self.timeout + DRAIN_BEYOND;
        plan
    }

    pub fn search(&self) -> Option<SearchConfig> {
        self.find_max.then(|| SearchConfig { loss: self.loss, ..SearchConfig::default() })
    }

    /// What a connection does: as given, or as the other options imply.
    pub fn kind(&self) -> WorkloadKind {
        let request = self.path().is_some() || self.payload.is_some();
        self.workload.unwrap_or(if request { WorkloadKind::Request } else { WorkloadKind::Lifecycle })
    }

    /// The path that is requested over HTTP.
    pub fn path(&self) -> Option<&str> {
        self.http.as_deref().or(self.target.path.as_deref())
    }

    fn workload(&self) -> Workload {
        match (self.kind(), self.path()) {
            (WorkloadKind::Handshake, _) => Workload::Handshake,
            (WorkloadKind::Lifecycle, _) => Workload::Lifecycle { closer: self.closer.unwrap_or_default() },
            (WorkloadKind::Request, Some(path)) => Workload::http(&self.target.host(), path),
            (WorkloadKind::Request, None) => {
                let request = self.payload.as_deref().unwrap_or(PAYLOAD).into();
                Workload::Request { request, response: ResponseKind::Segment }
            }
            (WorkloadKind::Hold, _) => Workload::Hold,
            (WorkloadKind::Flood, _) => Workload::Flood,
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
