//! Arguments of `handfast lab serve-kernel` and `handfast lab ceiling …`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use ipnet::IpNet;

use super::packet_path_args::{ModeChoice, mode};
use super::values;
use handfast_lab::bench::baseline::{FloodKind, PortOptions};
use handfast_lab::bench::workload::{Closer, Pattern, Workload};
use handfast_stack::wire::EndpointRange;

/// Serve with kernel sockets, in a tight loop.
///
/// One thread accepts connections, does the server's part of the workload and closes. It listens with
/// SO_REUSEPORT and the maximum backlog, net.core.somaxconn (65535 in a lab). On SIGTERM or Ctrl-C it prints
/// its counts as one line of JSON.
#[derive(Debug, Args)]
pub(crate) struct ServeKernelArgs {
    /// Address to listen on, as in 198.18.255.1:7000 or [2001:db8:18::ff:1]:7000
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: SocketAddr,
    /// The core to run on
    #[arg(long, value_name = "N")]
    pub core: Option<usize>,
    /// Stop after this time [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "TIME", value_parser = values::seconds)]
    pub seconds: Option<Duration>,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CeilingArgs {
    #[command(subcommand)]
    pub program: CeilingProgram,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CeilingProgram {
    /// Replies to each segment from a template, in the received frame
    ReplayServer(ReplayServerArgs),
    /// Opens connections and sends the client's segments from templates
    ReplayClient(ReplayClientArgs),
    /// Reflects every owned frame, with swapped MAC addresses
    Reflector(ReflectorArgs),
    /// Replies in the eBPF program, without user space
    XdpTx(XdpTxArgs),
    /// Sends SYNs or ACKs from random sources, and reads no reply
    Flood(FlooderArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PatternArgs {
    /// Workload of each connection: syn, establish, handshake, lifecycle or request
    #[arg(long, default_value = "lifecycle")]
    pub workload: Workload,
    /// Side that sends the first FIN [default: server for request, else client]
    #[arg(long, value_name = "CLOSER", value_parser = values::closer())]
    pub closer: Option<Closer>,
    /// Use TCP timestamps and Linux's other options: SYNs of 74 bytes instead of 58
    #[arg(long)]
    pub timestamps: bool,
    /// Length of a request
    #[arg(long, value_name = "BYTES")]
    pub request: Option<u16>,
    /// Length of a response
    #[arg(long, value_name = "BYTES")]
    pub response: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct PortArgs {
    /// The interface
    #[arg(long, value_parser = values::device)]
    pub dev: String,
    /// Attach mode of the program: auto, native or generic
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
    /// Use copy mode even if the driver supports zero-copy
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
    /// Addresses to serve: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long)]
    pub own: EndpointRange,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayClientArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// The server: ADDR:PORT
    #[arg(long)]
    pub peer: SocketAddr,
    /// The server's MAC address
    #[arg(long, value_parser = mac)]
    pub peer_mac: [u8; 6],
    /// Sources: all hosts of this prefix, all ports from 1024
    #[arg(long, default_value = handfast_lab::SOURCES_V4)]
    pub source: IpNet,
    /// Maximum connections in progress
    #[arg(long, default_value_t = 1024)]
    pub window: u32,
    /// Connections per second, instead of a window
    #[arg(long)]
    pub rate: Option<f64>,
    /// Sleep between the batches of a rate instead of spinning
    #[arg(long, requires = "rate")]
    pub sleep: bool,
    /// Timeout of connections in progress, after the last progress of any [default: 20 for syn, else 1000]
    #[arg(long, value_name = "MS", value_parser = |text: &str| values::milliseconds(text, u32::MAX))]
    pub timeout_ms: Option<u32>,
    /// Stop after this number of connections
    #[arg(long)]
    pub count: Option<u64>,
    #[command(flatten)]
    pub pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReflectorArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// Addresses to reflect: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long, required = true)]
    pub own: Vec<EndpointRange>,
    /// Swap IPv4 addresses and ports as well
    #[arg(long)]
    pub swap_ip: bool,
    /// Drop every frame instead
    #[arg(long)]
    pub drop: bool,
}

#[derive(Debug, Args)]
pub(crate) struct XdpTxArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// The TCP port to serve
    #[arg(long)]
    pub tcp_port: u16,
    /// Reflect SYNs unchanged, with swapped addresses
    #[arg(long)]
    pub reflect_syns: bool,
}

#[derive(Debug, Args)]
pub(crate) struct FlooderArgs {
    #[command(flatten)]
    pub port: PortArgs,
    /// syn, ack (with random numbers) or mixed
    #[arg(long, default_value = "syn")]
    pub kind: FloodKind,
    /// The server: ADDR:PORT
    #[arg(long)]
    pub peer: SocketAddr,
    /// The server's MAC address
    #[arg(long, value_parser = mac)]
    pub peer_mac: [u8; 6],
    /// Sources: all hosts of this prefix, all ports from 1024
    #[arg(long, default_value = handfast_lab::SOURCES_V4)]
    pub source: IpNet,
    /// Frames per second [default: as many as the link takes]
    #[arg(long)]
    pub rate: Option<f64>,
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
    let bytes: Option<Vec<u8>> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16).ok().filter(|_| byte.len() == 2)).collect();
    bytes.and_then(|bytes| <[u8; 6]>::try_from(bytes).ok()).ok_or_else(|| {
        format!("invalid MAC address `{text}`: use six pairs of hex digits, as in 02:00:00:12:00:02")
    })
}
