use clap::{Args, Parser, Subcommand};

use super::report_args::ReportArgs;
use super::{BenchArgs, RespondArgs};
use handfast_lab::Spec;

/// A kernel-bypass TCP stack on AF_XDP, built for handshakes.
#[derive(Debug, Parser)]
#[command(name = "handfast", version, about, arg_required_else_help = true)]
#[command(after_help = "\
`handfast COMMAND --help` explains a command, with examples. A demonstration that does not touch the
network of this host:

    sudo handfast lab demo")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub command: CliCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    // Boxed: an order of magnitude larger than the others.
    Respond(Box<RespondArgs>),
    Bench(Box<BenchArgs>),
    Connections(super::connections::ConnectionsArgs),
    Lab(LabArgs),
    Report(ReportArgs),
    Top(super::top::TopArgs),
    Trace(super::trace::TraceArgs),
    Doctor(super::doctor::DoctorArgs),
    Completions(super::completions::CompletionsArgs),
    Man(super::man::ManArgs),
}

/// Create, enter and remove a test network on this host.
///
/// A lab is two network namespaces, hf-NAME-client and hf-NAME-server, connected by a veth pair. The
/// client's end (hf-c) has the addresses 198.18.0.1 to .32, the server's end (hf-s) has 198.18.255.1.
/// The prefix 198.18.1.0/24 is on the same link and assigned to no interface, for a responder. With
/// --ipv6 the corresponding addresses are 2001:db8:18::1 to ::20, ::ff:1 and ::1:0/112. The server
/// routes 10.78.0.0/16 (2001:db8:78::/64) via the client: source addresses for a load generator. With
/// --bridge a third namespace, hf-NAME-bridge, lies between the two, for captures.
///
/// Offloads are off at both ends, so that frames carry complete checksums and XDP sees VLAN tags.
/// Nothing outside of the namespaces is changed.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = LAB_EXAMPLES)]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    pub action: LabAction,
}

const LAB_EXAMPLES: &str = "\
Examples:
  A lab with two queues, a responder and a client:

    handfast lab up --queues 2
    handfast lab exec --side server -- handfast respond --dev hf-s --listen 198.18.1.0/24:80=http \\
        --ready-file /run/hf.ready &
    until [ -s /run/hf.ready ]; do sleep 0.1; done
    handfast lab exec -- curl http://198.18.1.1/
    handfast lab down

  Remove all labs, including those that a killed program left behind:

    handfast lab down --all

  Connections per second on this host, compared with the kernel's stack, in 5 minutes:

    handfast lab bench --html bench.html

  Kernel clients of a responder that is flooded with SYNs for ten seconds:

    handfast lab flood -- --cookies auto

  A demonstration in half a minute:

    handfast lab demo";

#[derive(Debug, Subcommand)]
pub(crate) enum LabAction {
    /// Create a lab. Remains of an earlier lab of this name are removed first.
    Up(LabSpec),
    /// Remove a lab and end the processes in it. Prints what was removed; no lab is no error.
    Down {
        /// Name of the lab
        #[arg(long, default_value = "lab")]
        name: String,
        /// Remove every lab of this host, including those that killed programs left behind
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Run a command in a lab. The exit status is that of the command.
    Exec(LabExec),
    ServeKernel(super::lab_program_args::ServeKernelArgs),
    /// Baseline programs that move the same frames without a TCP stack, for comparisons
    #[command(hide = true)]
    Ceiling(super::lab_program_args::CeilingArgs),
    // Boxed: larger than the others.
    Bench(Box<super::lab_bench::LabBenchArgs>),
    Engine(super::lab_engine::LabEngineArgs),
    Flood(super::lab_flood::LabFloodArgs),
    Trace(super::lab_trace::LabTraceArgs),
    /// Create a lab, answer a kernel client in it, compare with the kernel's stack, and clean up.
    Demo(LabDemo),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LabSpec {
    /// Name of the lab: letters, digits and dashes
    #[arg(long, default_value = "lab")]
    pub name: String,
    #[command(flatten)]
    pub link: LinkArgs,
    /// Add a bridge in the middle, in hf-NAME-bridge, where a capture sees every frame
    #[arg(long)]
    pub bridge: bool,
}

/// The link between the two ends of a lab.
#[derive(Clone, Debug, Args)]
pub(crate) struct LinkArgs {
    /// Number of receive and transmit queues of each end
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub queues: u32,
    /// Enable IPv6; otherwise it is disabled in the lab
    #[arg(long)]
    pub ipv6: bool,
    /// Tag all frames on the link with this 802.1Q VLAN
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    pub vlan: Option<u16>,
}

impl LinkArgs {
    /// A lab of this name with such a link.
    pub(super) fn spec(&self, name: &str) -> Spec {
        Spec { queues: self.queues, ipv6: self.ipv6, vlan: self.vlan, ..Spec::new(name) }
    }
}

#[derive(Debug, Args)]
pub(crate) struct LabExec {
    /// Name of the lab
    #[arg(long, default_value = "lab")]
    pub name: String,
    /// Namespace to run in
    #[arg(long, value_enum, default_value_t = LabSide::Client)]
    pub side: LabSide,
    /// Command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LabSide {
    Client,
    Server,
    Bridge,
}

#[derive(Debug, Args)]
pub(crate) struct LabDemo {
    /// Name of the lab; an existing lab of that name is replaced
    #[arg(long, default_value = "demo")]
    pub name: String,
    #[command(flatten)]
    pub link: LinkArgs,
    /// Time for which the kernel client opens connections
    #[arg(long, value_name = "TIME", default_value = "8", value_parser = super::values::seconds)]
    pub duration: std::time::Duration,
    /// Rounds of the comparison at the end; 0 = no comparison
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=100))]
    pub rounds: u32,
}
