//! Arguments of `handfast lab serve-kernel` and `handfast lab ceiling …`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::packet_path_args::{ModeChoice, mode};
use super::values;
use handfast_lab::bench::baseline::PortOptions;
use handfast_lab::bench::workload::{Closer, Pattern, Workload};
use handfast_stack::wire::EndpointRange;

/// Serve with the kernel's own stack, as tightly as is fair.
///
/// One thread accepts what there is, does its part of the workload and closes. It listens with
/// SO_REUSEPORT and a backlog as long as net.core.somaxconn allows (65535 in a lab). On SIGTERM or
/// Ctrl-C it prints what it counted as one line of JSON.
#[derive(Debug, Args)]
pub(crate) struct ServeKernelArgs {
    /// Where to listen, as in 198.18.255.1:7000 or [2001:db8:18::ff:1]:7000
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// The core to run on
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// End after so many seconds [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub seconds: Option<Duration>,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CeilingArgs {
    #[command(subcommand)]
    pub program: Ceiling,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ceiling {
    /// Answers each segment from a template, in the frame that came
    ReplayServer(ReplayServerArgs),
    /// Opens connections and plays its part from templates
    ReplayClient(ReplayClientArgs),
    /// Sends every owned frame back, its MAC addresses swapped
    Reflector(ReflectorArgs),
    /// Answers in the eBPF program, without user space
    XdpTx(XdpTxArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PatternArgs {
    /// What each connection does: syn, establish, handshake, lifecycle or request
    #[arg(long, default_value = "lifecycle")]
    pub workload: Workload,
    /// Who sends the first FIN: client or server [default: server for request, else client]
    #[arg(long)]
    pub closer: Option<Closer>,
    /// With TCP timestamps and Linux's other options: SYNs of 74 octets instead of 58
    #[arg(long)]
    pub timestamps: bool,
    /// Octets of a request
    #[arg(long, value_name = "OCTETS")]
    pub request: Option<u16>,
    /// Octets of a response
    #[arg(long, value_name = "OCTETS")]
    pub response: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct PortArgs {
    /// The interface
    #[arg(long, value_parser = values::device)]
    pub dev: String,
    /// Where the program runs: auto, native or generic
    #[arg(long, default_value = "auto", value_parser = mode_parser())]
    pub mode: ModeChoice,
    /// The core to run on
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// Frames per batch, up to 256
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Stop after this time [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub seconds: Option<Duration>,
    /// Copy mode even where the driver has zero-copy
    #[arg(long)]
    pub copy: bool,
    /// Allow interfaces that are not veth, or not in a namespace made by ip netns
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayServerArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// What to answer: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long)]
    pub own: EndpointRange,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayClientArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// Where to: ADDR:PORT
    #[arg(long)]
    pub peer: SocketAddr,
    /// The peer's MAC
    #[arg(long, value_parser = mac)]
    pub peer_mac: [u8; 6],
    /// Where from: all hosts of this prefix, all ports from 1024
    #[arg(long, default_value = handfast_lab::SOURCES_V4)]
    pub source: IpNet,
    /// The most connections under way
    #[arg(long, default_value_t = 1024)]
    pub window: u32,
    /// Connections per second, instead of a window
    #[arg(long)]
    pub rate: Option<f64>,
    /// When those under way are given up, after the last that moved [default: 20 for syn, else 1000]
    #[arg(long, value_name = "MS", value_parser = |text: &str| values::milliseconds(text, u32::MAX))]
    pub timeout_ms: Option<u32>,
    /// Stop after so many connections
    #[arg(long)]
    pub count: Option<u64>,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReflectorArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// What to reflect: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long, required = true)]
    pub own: Vec<EndpointRange>,
    /// Swap IPv4 addresses and ports as well
    #[arg(long)]
    pub swap_ip: bool,
    /// Send nothing back
    #[arg(long)]
    pub drop: bool,
}

#[derive(Debug, Args)]
pub(crate) struct XdpTxArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// The TCP port to answer
    #[arg(long)]
    pub tcp_port: u16,
    /// Send SYNs back as they are, ends swapped
    #[arg(long)]
    pub reflect_syns: bool,
}

fn mode_parser() -> impl TypedValueParser<Value = ModeChoice> {
    PossibleValuesParser::new(["auto", "native", "generic"]).map(|text| mode(&text))
}

impl PatternArgs {
    pub(crate) fn pattern(&self) -> Pattern {
        let usual = Pattern::new(self.workload);
        Pattern {
            closer: self.closer.unwrap_or(usual.closer),
            timestamps: self.timestamps,
            request: self.request.unwrap_or(usual.request),
            response: self.response.unwrap_or(usual.response),
            ..usual
        }
    }
}

impl PortArgs {
    pub(crate) fn options(&self) -> PortOptions {
        PortOptions {
            dev: self.dev.clone(),
            mode: self.mode,
            core: self.core,
            batch: self.batch,
            copy: self.copy,
            force: self.force,
        }
    }
}

fn mac(text: &str) -> Result<[u8; 6], String> {
    let octets: Option<Vec<u8>> = text
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16).ok().filter(|_| octet.len() == 2))
        .collect();
    octets
        .and_then(|octets| <[u8; 6]>::try_from(octets).ok())
        .ok_or_else(|| format!("`{text}` is no MAC: write six pairs, as in 02:00:00:12:00:02"))
}
