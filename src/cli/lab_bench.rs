//! The parts of a comparison, each a program of its own: `handfast lab serve-kernel` and
//! `handfast lab ceiling …`. Servers say `ready` once they answer; each prints one line of JSON when
//! it ends.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use serde::Serialize;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{Failure, values};
use crate::lab::bench::bare::{
    BareError, Client, ClientOptions, PortOptions, Reflector, ReflectorOptions, Server, ServerOptions,
};
use crate::lab::bench::kernel::{KernelOptions, KernelServer};
use crate::lab::bench::workload::{Closer, Pattern, Workload};
use crate::lab::bench::xdp_tx::{XdpTx, XdpTxOptions};
use crate::wire::Owned;
use crate::xdp::Mode;

/// Serve with the kernel's own stack, as tightly as is fair.
///
/// One thread accepts what there is, does its part of the workload and closes. It listens with
/// SO_REUSEPORT and a backlog as long as net.core.somaxconn allows (65535 in a lab). On SIGTERM or
/// Ctrl-C it prints what it counted as one line of JSON.
#[derive(Debug, Args)]
pub struct ServeKernelArgs {
    /// Where to listen, as in 198.18.255.1:7000 or [2001:db8:18::ff:1]:7000
    #[arg(long, value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// The core to run on
    #[arg(long, value_name = "N")]
    core: Option<usize>,
    /// End after so many seconds [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "SECS", value_parser = values::seconds)]
    seconds: Option<Duration>,
    #[command(flatten)]
    pattern: PatternArgs,
}

#[derive(Debug, Args)]
pub struct CeilingArgs {
    #[command(subcommand)]
    program: Ceiling,
}

#[derive(Debug, Subcommand)]
enum Ceiling {
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
struct PatternArgs {
    /// What each connection does: syn, establish, handshake, lifecycle or request
    #[arg(long, default_value = "lifecycle")]
    workload: Workload,
    /// Who sends the first FIN: client or server [default: server for request, else client]
    #[arg(long)]
    closer: Option<Closer>,
    /// With TCP timestamps and Linux's other options: SYNs of 74 octets instead of 58
    #[arg(long)]
    timestamps: bool,
    /// Octets of a request
    #[arg(long, value_name = "OCTETS")]
    request: Option<u16>,
    /// Octets of a response
    #[arg(long, value_name = "OCTETS")]
    response: Option<u16>,
}

#[derive(Debug, Args)]
struct PortArgs {
    /// The interface
    #[arg(long, value_parser = values::device)]
    dev: String,
    /// Where the program runs: auto, native or generic
    #[arg(long, default_value = "auto", value_parser = mode_parser())]
    mode: ModeChoice,
    /// The core to run on
    #[arg(long, value_name = "N")]
    core: Option<usize>,
    /// Frames per batch, up to 256
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Stop after this time [default: on Ctrl-C or SIGTERM]
    #[arg(long, value_name = "SECS", value_parser = values::seconds)]
    seconds: Option<Duration>,
    /// Copy mode even where the driver has zero-copy
    #[arg(long)]
    copy: bool,
    /// Allow interfaces that are not veth, or not in a namespace made by ip netns
    #[arg(long)]
    i_know: bool,
}

#[derive(Debug, Args)]
struct ReplayServerArgs {
    #[command(flatten)]
    port: PortArgs,
    /// What to answer: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long)]
    own: Owned,
    #[command(flatten)]
    pattern: PatternArgs,
}

#[derive(Debug, Args)]
struct ReplayClientArgs {
    #[command(flatten)]
    port: PortArgs,
    /// Where to: ADDR:PORT
    #[arg(long)]
    peer: SocketAddr,
    /// The peer's MAC
    #[arg(long, value_parser = mac)]
    peer_mac: [u8; 6],
    /// Where from: all hosts of this prefix, all ports from 1024
    #[arg(long, default_value = crate::lab::SOURCES_V4)]
    source: IpNet,
    /// The most connections under way
    #[arg(long, default_value_t = 1024)]
    window: u32,
    /// Connections per second, instead of a window
    #[arg(long)]
    rate: Option<f64>,
    /// When those under way are given up, after the last that moved [default: 20 for syn, else 1000]
    #[arg(long)]
    timeout_ms: Option<u64>,
    /// Stop after so many connections
    #[arg(long)]
    count: Option<u64>,
    #[command(flatten)]
    pattern: PatternArgs,
}

#[derive(Debug, Args)]
struct ReflectorArgs {
    #[command(flatten)]
    port: PortArgs,
    /// What to reflect: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long, required = true)]
    own: Vec<Owned>,
    /// Swap IPv4 addresses and ports as well
    #[arg(long)]
    swap_ip: bool,
    /// Send nothing back
    #[arg(long)]
    drop: bool,
}

#[derive(Debug, Args)]
struct XdpTxArgs {
    #[command(flatten)]
    port: PortArgs,
    /// The TCP port to answer
    #[arg(long)]
    tcp_port: u16,
    /// Send SYNs back as they are, ends swapped
    #[arg(long)]
    reflect_syns: bool,
}

/// `None`: auto.
#[derive(Clone, Copy, Debug)]
struct ModeChoice(Option<Mode>);

fn mode_parser() -> impl TypedValueParser<Value = ModeChoice> {
    PossibleValuesParser::new(["auto", "native", "generic"]).map(|text| {
        ModeChoice(match text.as_str() {
            "native" => Some(Mode::Native),
            "generic" => Some(Mode::Generic),
            _ => None,
        })
    })
}

impl PatternArgs {
    fn pattern(&self) -> Pattern {
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
    fn options(&self) -> PortOptions {
        PortOptions {
            dev: self.dev.clone(),
            mode: self.mode.0,
            core: self.core,
            batch: self.batch,
            copy: self.copy,
            anywhere: self.i_know,
        }
    }
}

pub(super) fn serve_kernel(arguments: &ServeKernelArgs) -> Result<ExitCode, Failure> {
    let ServeKernelArgs { listen, core, seconds, pattern } = arguments;
    let stop = stop_on_signals()?;
    let options =
        KernelOptions { listen: *listen, pattern: pattern.pattern(), core: *core, duration: *seconds };
    let server = KernelServer::open(options)?;
    say(&format!("ready: {listen}"));
    finish(server.run(&stop))
}

pub(super) fn ceiling(arguments: &CeilingArgs) -> Result<ExitCode, Failure> {
    let stop = stop_on_signals()?;
    match &arguments.program {
        Ceiling::ReplayServer(arguments) => replay_server(arguments, &stop),
        Ceiling::ReplayClient(arguments) => replay_client(arguments, &stop),
        Ceiling::Reflector(ReflectorArgs { port, own, swap_ip, drop }) => {
            let options = ReflectorOptions {
                port: port.options(),
                own: own.clone(),
                swap_ip: *swap_ip,
                drop: *drop,
                duration: port.seconds,
            };
            let reflector = Reflector::open(options)?;
            say(&format!("ready: {}", port.dev));
            finish(reflector.run(&stop))
        }
        Ceiling::XdpTx(XdpTxArgs { port, tcp_port, reflect_syns }) => {
            let options = XdpTxOptions {
                port: port.options(),
                tcp_port: *tcp_port,
                reflect_syns: *reflect_syns,
                duration: port.seconds,
            };
            let answering = XdpTx::open(options)?;
            say(&format!("ready: {}", port.dev));
            finish(answering.run(&stop))
        }
    }
}

fn replay_server(arguments: &ReplayServerArgs, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let ReplayServerArgs { port, own, pattern } = arguments;
    let options = ServerOptions {
        port: port.options(),
        own: own.clone(),
        pattern: pattern.pattern(),
        duration: port.seconds,
    };
    let server = Server::open(options)?;
    say(&format!("ready: {own}"));
    finish(server.run(stop))
}

fn replay_client(arguments: &ReplayClientArgs, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let ReplayClientArgs { port, peer, peer_mac, source, window, rate, timeout_ms, count, pattern } =
        arguments;
    // The default is of the one family that needs no brackets.
    let source = match (peer.ip(), source) {
        (IpAddr::V6(_), IpNet::V4(_)) => crate::lab::SOURCES_V6.parse().unwrap_or(*source),
        _ => *source,
    };
    let usual_timeout = if pattern.workload == Workload::Syn { 20 } else { 1_000 };
    let options = ClientOptions {
        port: port.options(),
        peer: *peer,
        peer_mac: *peer_mac,
        source,
        pattern: pattern.pattern(),
        window: *window,
        rate: *rate,
        timeout: Duration::from_millis(timeout_ms.unwrap_or(usual_timeout)),
        count: *count,
        duration: port.seconds,
    };
    if count.is_none() && port.seconds.is_none() {
        return Err(Failure::new("it would never end").fix("give --count or --seconds"));
    }
    finish(Client::open(options)?.run(stop))
}

/// At once, for whoever waits behind a pipe.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn finish(report: Result<impl Serialize, BareError>) -> Result<ExitCode, Failure> {
    let line = serde_json::to_string(&report?).map_err(|error| Failure::new(error.to_string()))?;
    say(&line);
    Ok(ExitCode::SUCCESS)
}

pub(super) fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, stop.clone())
            .map_err(|error| Failure::new(format!("cannot handle signals: {error}")))?;
    }
    Ok(stop)
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

impl From<BareError> for Failure {
    fn from(error: BareError) -> Failure {
        Failure::new(error.to_string())
    }
}
