//! `handfast lab bench`: compares servers and their ceilings.

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use super::bench_args::SynOptionArgs;
use super::result_file::{ResultFile, json};
use super::{Failure, lab_comparison, signals, standard_output, values};
use handfast_lab::bench::comparison::{
    BenchClient, ComparisonError, ComparisonPlan, Cores, RunEvent, ServerKind,
};
use handfast_lab::bench::workload::{Closer, Pattern, Workload};
use handfast_report::bench::comparison::Comparison;
use handfast_stack::xdp::Mode;
use handfast_text::{counted, grouped};

/// Compare handfast with the kernel's stack, and both with the limits of the link.
///
/// Creates a lab, and removes it at the end. Each round runs everything once, in a different order.
/// `handfast bench` connects to the servers that are a TCP, a client without a TCP to the ceilings:
///
///   kernel      the kernel's stack: accept and close in a tight loop
///   kernel-rps  the same, with packet reception on the server's core
///   handfast    handfast respond
///   replay      ceiling: the same packets from templates, without a TCP
///   reflector   ceiling: reflects every frame over AF_XDP, in round trips
///   xdp-tx      ceiling: reflects every frame without user space, in round trips
///
/// The workload `syn` sends SYNs alone, as many as possible and at --syn-rate, to xdp-tx, reflector, and:
///
///   handfast-ebpf   handfast respond --cookies always --cookie-tier ebpf
///   handfast-engine handfast respond --cookies always --cookie-tier engine
///   kernel-cookies  the kernel's stack, with a cookie for every SYN
///
/// Ratios are of runs in the same round; the tables show medians over the rounds. Figures from veth are
/// not NIC figures. See docs/benchmarking.md.
#[derive(Clone, Debug, Args)]
#[command(
    verbatim_doc_comment,
    after_help = "\
Exit status:
  0 all runs completed; 1 some runs failed, the tables are of the others; 130 interrupted."
)]
pub(crate) struct LabBenchArgs {
    /// The lab's name; a lab of that name is replaced
    #[arg(long, default_value = "bench")]
    name: String,
    /// Rounds
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Duration of each run
    #[arg(long, value_name = "TIME", default_value = "2", value_parser = values::seconds)]
    seconds: Duration,
    /// Servers to compare, as in kernel,handfast [default: all of the workload]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    servers: Vec<ServerKind>,
    /// Workloads, as in lifecycle,request [default: all but syn]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    workloads: Vec<Compared>,
    /// Attach mode of the eBPF programs: generic, native or both
    #[arg(long, default_value = "both", value_parser = ["generic", "native", "both"])]
    mode: String,
    /// Use IPv6
    #[arg(long)]
    ipv6: bool,
    /// Use IPv4, and then IPv6
    #[arg(long, conflicts_with = "ipv6")]
    both_families: bool,
    /// SYNs per second of the second part of `syn`, in an open loop, as in 150k; 0: leave it out
    #[arg(long, value_name = "RATE", default_value = "150k", value_parser = rate_or_none)]
    syn_rate: u32,
    /// TCP options of SYNs: MSS only, or also window scale, SACK and timestamps
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = SynOptionArgs::Full)]
    syn_options: SynOptionArgs,
    /// Connections in flight
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    concurrency: u32,
    /// Cores of client and server [default: the first two available]
    #[arg(long, value_name = "CLIENT,SERVER")]
    cores: Option<values::CoreList>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
    /// Write the comparison to this file, as JSON (docs/bench-schema.md); `-`: to standard output, and the
    /// text to standard error
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write a table of the runs to this file, as CSV
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the comparison to this file, as one page with plots
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the reports of client and server of every run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    raw: Option<PathBuf>,
    /// Print only the tables, no line for each run
    #[arg(long, short)]
    quiet: bool,
}

/// `--workloads`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Compared {
    Handshake,
    /// The client sends the first FIN: four of the six packets are the client's
    Lifecycle,
    /// The server sends the first FIN: three packets from each side
    LifecycleServer,
    Request,
    /// SYN and SYN-ACK, nothing after them
    Syn,
}

impl Compared {
    /// Those of connections.
    const OF_CONNECTIONS: [Compared; 4] =
        [Compared::Handshake, Compared::Lifecycle, Compared::LifecycleServer, Compared::Request];

    fn pattern(self) -> Pattern {
        match self {
            Compared::Handshake => Pattern::new(Workload::Handshake),
            Compared::Lifecycle => Pattern::new(Workload::Lifecycle),
            Compared::LifecycleServer => {
                Pattern { closer: Closer::Server, ..Pattern::new(Workload::Lifecycle) }
            }
            Compared::Request => Pattern::new(Workload::Request),
            Compared::Syn => Pattern::new(Workload::Syn),
        }
    }
}

impl LabBenchArgs {
    fn plan(&self) -> Result<ComparisonPlan, Failure> {
        let usual = ComparisonPlan::new(&self.name, program()?);
        let compared = match &self.workloads[..] {
            [] => &Compared::OF_CONNECTIONS,
            given => given,
        };
        Ok(ComparisonPlan {
            servers: self.servers(),
            patterns: compared.iter().flat_map(|compared| self.patterns(*compared)).collect(),
            modes: match self.mode.as_str() {
                "generic" => vec![Mode::Generic],
                "native" => vec![Mode::Native],
                _ => usual.modes,
            },
            rounds: self.rounds,
            duration: self.seconds,
            cores: self.cores()?,
            ipv6: self.ipv6,
            both_families: self.both_families,
            window: self.concurrency,
            ..usual
        })
    }

    fn servers(&self) -> Vec<ServerKind> {
        if !self.servers.is_empty() {
            return self.servers.clone();
        }
        let of_syns = ServerKind::OF_SYNS.into_iter().filter(|server| !ServerKind::ALL.contains(server));
        ServerKind::ALL.into_iter().chain(of_syns).collect()
    }

    fn patterns(&self, compared: Compared) -> Vec<Pattern> {
        let timestamps = self.syn_options == SynOptionArgs::Full;
        let pattern = Pattern { timestamps, ..compared.pattern() };
        let at_a_rate = Pattern { rate: Some(self.syn_rate), ..pattern };
        let fixed = compared == Compared::Syn && self.syn_rate > 0;
        [Some(pattern), fixed.then_some(at_a_rate)].into_iter().flatten().collect()
    }

    fn cores(&self) -> Result<Cores, Failure> {
        match &self.cores {
            None => two_cores().ok_or_else(|| {
                Failure::new("this process may use one core, but client and server need one each")
            }),
            Some(values::CoreList(cores)) => match cores[..] {
                [client, server] => Ok(Cores { client, server }),
                _ => Err(Failure::new("--cores takes two cores").fix("--cores 0,1")),
            },
        }
    }

    fn report(&self, comparison: &Comparison) -> String {
        let heading = format!("{}\n\n", comparison.setting.machine);
        if !self.markdown {
            return heading + &comparison.text();
        }
        let notes = comparison.setting.notes.iter().map(|note| format!("- {note}\n"));
        heading + &comparison.markdown() + &notes.collect::<String>()
    }
}

fn rate_or_none(text: &str) -> Result<u32, String> {
    if text == "0" { Ok(0) } else { values::count(text) }
}

/// The program of which every server is a subcommand.
pub(super) fn program() -> Result<PathBuf, Failure> {
    env::current_exe().map_err(|error| Failure::new(format!("cannot find this program's file: {error}")))
}

/// Returns the first two cores that this process may use.
pub(super) fn two_cores() -> Option<Cores> {
    match core_affinity::get_core_ids()?[..] {
        [client, server, ..] => Some(Cores { client: client.id, server: server.id }),
        _ => None,
    }
}

pub(super) fn run(arguments: &LabBenchArgs) -> Result<ExitCode, Failure> {
    let plan = arguments.plan()?;
    // Output files are checked before the runs, which take minutes.
    let LabBenchArgs { json: json_path, csv, html, raw, .. } = arguments;
    standard_output::reserve(&[json_path, csv, html, raw].map(Option::as_deref))?;
    let check = |path: &Option<PathBuf>| path.as_deref().map(ResultFile::check).transpose();
    let (json_file, csv_file) = (check(json_path)?, check(csv)?);
    let (html_file, raw_file) = (check(html)?, check(raw)?);
    let stop = signals::stop()?;
    let started_at = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let report_line = |line: &str| {
        if !arguments.quiet {
            eprintln!("{line}");
        }
    };
    let runs = counted(plan.round(0).len() as u64, "run");
    let rounds = match plan.rounds {
        1 => "one round".into(),
        several => format!("each of {several} rounds"),
    };
    report_line(&format!("{runs} in {rounds}: about {}", rounded(plan.expected())));
    let finished = plan.run(&BenchClient, &stop, &mut |event| report_line(&line(event)))?;
    let command = env::args().collect::<Vec<_>>().join(" ");
    let comparison = lab_comparison::comparison(&plan, &finished, command, started_at);
    print!("{}", arguments.report(&comparison));
    if let Some(file) = json_file {
        file.write(&json(&comparison)?)?;
    }
    if let Some(file) = csv_file {
        file.write(comparison.csv().as_bytes())?;
    }
    if let Some(file) = html_file {
        file.write(comparison.html().as_bytes())?;
    }
    if let Some(file) = raw_file {
        file.write(&json(&finished.results)?)?;
    }
    Ok(match (finished.interrupted, finished.failed.is_empty()) {
        (true, _) => ExitCode::from(signals::INTERRUPTED),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::FAILURE,
    })
}

fn line(event: RunEvent<'_>) -> String {
    match event {
        RunEvent::Done(row) => format!(
            "round {}  {:7}  {:9}  {:15}  {:>9}/s  {} failed",
            row.round + 1,
            row.mode,
            row.workload,
            row.server,
            grouped(row.rate as u64),
            grouped(row.failures)
        ),
        RunEvent::Disturbed(result) => lab_comparison::disturbed(result),
        RunEvent::Failed(failed) => lab_comparison::failed(failed),
    }
}

/// Formats a duration as `4 minutes`, or in seconds below two minutes.
fn rounded(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 120.0 => format!("{seconds:.0} seconds"),
        seconds => format!("{:.0} minutes", seconds / 60.0),
    }
}

impl From<ComparisonError> for Failure {
    fn from(error: ComparisonError) -> Failure {
        match error {
            ComparisonError::Lab(error) => error.into(),
            other => Failure::new(other.to_string()),
        }
    }
}
