use clap::{Args, Parser, Subcommand};

use super::report_args::ReportArgs;
use super::{BenchArgs, RespondArgs};

/// A TCP stack that bypasses the kernel through AF_XDP, built for handshakes.
#[derive(Debug, Parser)]
#[command(name = "handfast", version, about, arg_required_else_help = true)]
#[command(after_help = "\
`handfast COMMAND --help` explains a command, with examples. To see it work, without touching
the network of this machine:

    sudo handfast lab demo")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    // Boxed: it is an order of magnitude larger than the other.
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

/// Make, enter and remove a network on this machine to try things on.
///
/// A lab is two network namespaces, hf-NAME-client and hf-NAME-server, joined by a veth pair. The
/// client's end (hf-c) has the addresses 198.18.0.1 to .32; the server's end (hf-s) has
/// 198.18.255.1. 198.18.1.0/24 is on the same link and on no interface: the responder may own it.
/// With --ipv6 the same stands for 2001:db8:18::1 to ::20, ::ff:1 and ::1:0/112. The server's kernel
/// answers 10.78.0.0/16 (2001:db8:78::/64) by way of the client: where a load generator may call
/// from. With --bridge a third namespace, hf-NAME-bridge, lies between the two, for captures.
///
/// Offloads are off at both ends, so that frames carry whole checksums and XDP sees VLAN tags.
/// Nothing outside of the two namespaces is changed.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_long_help = LAB_EXAMPLES)]
pub struct LabArgs {
    #[command(subcommand)]
    pub action: LabAction,
}

const LAB_EXAMPLES: &str = "\
Examples:
  A lab with two queues, a responder in it, and a client:

    handfast lab up --queues 2
    handfast lab exec --side server -- handfast respond --dev hf-s --listen 198.18.1.0/24:80=http \\
        --ready-file /run/hf.ready &
    until [ -s /run/hf.ready ]; do sleep 0.1; done
    handfast lab exec -- curl http://198.18.1.1/
    handfast lab down

  Whatever labs there are, also those that a killed program left behind:

    handfast lab down --all

  What this machine does a second, beside the kernel's stack, in 5 minutes:

    handfast lab bench --html bench.html

  The whole story in half a minute:

    handfast lab demo";

#[derive(Debug, Subcommand)]
pub enum LabAction {
    /// Make a lab. What an earlier one of this name left behind is removed first.
    Up(LabSpec),
    /// Remove a lab, and end the processes inside it. Says what was removed; none is no error.
    Down {
        /// The lab's name
        #[arg(long, default_value = "lab")]
        name: String,
        /// Every lab of this machine, also what killed ones left behind
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Run a command inside a lab, and end with its exit code.
    Exec(LabExec),
    ServeKernel(super::lab_program_args::ServeKernelArgs),
    /// Bare programs that move the same frames without a TCP: what handfast is measured against
    #[command(hide = true)]
    Ceiling(super::lab_program_args::CeilingArgs),
    // Boxed: larger than the others.
    Bench(Box<super::lab_bench::LabBenchArgs>),
    Engine(super::lab_engine::LabEngineArgs),
    Trace(super::lab_trace::LabTraceArgs),
    /// Make a lab, answer a kernel client in it, compare with the kernel's stack, clean up.
    Demo(LabDemo),
}

#[derive(Clone, Debug, Args)]
pub struct LabSpec {
    /// The lab's name: letters, digits and dashes
    #[arg(long, default_value = "lab")]
    pub name: String,
    /// Receive and transmit queues of each end
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub queues: u32,
    /// With IPv6 addresses; without it, IPv6 is off
    #[arg(long)]
    pub ipv6: bool,
    /// Put an 802.1Q tag on everything that crosses the link
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    pub vlan: Option<u16>,
    /// Put a bridge in the middle, in hf-NAME-bridge, where a capture sees every frame
    #[arg(long)]
    pub bridge: bool,
}

#[derive(Debug, Args)]
pub struct LabExec {
    /// The lab's name
    #[arg(long, default_value = "lab")]
    pub name: String,
    /// In which namespace
    #[arg(long, value_enum, default_value_t = Side::Client)]
    pub side: Side,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Side {
    Client,
    Server,
    Bridge,
}

#[derive(Debug, Args)]
pub struct LabDemo {
    /// The lab's name; a lab of that name is replaced
    #[arg(long, default_value = "demo")]
    pub name: String,
    /// Receive and transmit queues of each end
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub queues: u32,
    /// Over IPv6
    #[arg(long)]
    pub ipv6: bool,
    /// Put an 802.1Q tag on everything that crosses the link
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094))]
    pub vlan: Option<u16>,
    /// How long the kernel client opens connections
    #[arg(long, value_name = "TIME", default_value = "8", value_parser = super::values::seconds)]
    pub duration: std::time::Duration,
    /// Rounds of the comparison at the end; 0: leave it out
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(..=100))]
    pub rounds: u32,
}
