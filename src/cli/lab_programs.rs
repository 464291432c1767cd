//! The programs of a comparison, each a process: `handfast lab serve-kernel` and `handfast lab ceiling …`. Servers
//! print `ready` once they reply; each prints one line of JSON when it ends.

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ipnet::IpNet;
use serde::Serialize;

use super::lab_program_args::{
    CeilingArgs, CeilingProgram, FlooderArgs, ReflectorArgs, ReplayClientArgs, ReplayServerArgs,
    ServeKernelArgs, XdpTxArgs,
};
use super::{Failure, out, signals};
use handfast_lab::bench::baseline::{
    BaselineError, Flooder, FlooderOptions, Reflector, ReflectorOptions, ReplayClient, ReplayClientOptions,
    ReplayServer, ReplayServerOptions,
};
use handfast_lab::bench::kernel::{KernelOptions, KernelServer};
use handfast_lab::bench::workload::Workload;
use handfast_lab::bench::xdp_tx::{XdpTx, XdpTxOptions};

pub(super) fn serve_kernel(arguments: &ServeKernelArgs) -> Result<ExitCode, Failure> {
    let ServeKernelArgs { listen, core, seconds, pattern } = arguments;
    let stop = signals::stop()?;
    let options =
        KernelOptions { listen: *listen, pattern: pattern.pattern(), core: *core, duration: *seconds };
    let server = KernelServer::open(options)?;
    println!("ready: {listen}");
    finish(server.run(&stop))
}

pub(super) fn ceiling(arguments: &CeilingArgs) -> Result<ExitCode, Failure> {
    let stop = signals::stop()?;
    match &arguments.program {
        CeilingProgram::ReplayServer(arguments) => replay_server(arguments, &stop),
        CeilingProgram::ReplayClient(arguments) => replay_client(arguments, &stop),
        CeilingProgram::Reflector(ReflectorArgs { port, own, swap_ip, drop }) => {
            let options = ReflectorOptions {
                port: port.options(),
                own: own.clone(),
                swap_ip: *swap_ip,
                drop: *drop,
                duration: port.seconds,
            };
            let reflector = Reflector::open(options)?;
            println!("ready: {}", port.dev);
            finish(reflector.run(&stop))
        }
        CeilingProgram::XdpTx(XdpTxArgs { port, tcp_port, reflect_syns }) => {
            let options = XdpTxOptions {
                port: port.options(),
                tcp_port: *tcp_port,
                reflect_syns: *reflect_syns,
                duration: port.seconds,
            };
            let xdp_tx = XdpTx::open(options)?;
            println!("ready: {}", port.dev);
            finish(xdp_tx.run(&stop))
        }
        CeilingProgram::Flood(FlooderArgs { port, kind, peer, peer_mac, source, rate }) => {
            if port.force {
                return Err(Failure::new("a flood has no --force: it stays in a lab"));
            }
            handfast_lab::is_lab_interface(&port.dev)
                .map_err(|why| Failure::new(why.to_string()).fix(why.fix()))?;
            let options = FlooderOptions {
                port: port.options(),
                kind: *kind,
                peer: *peer,
                peer_mac: *peer_mac,
                source: *source,
                rate: *rate,
                duration: port.seconds,
            };
            let flooder = Flooder::open(options)?;
            println!("ready: {}", port.dev);
            finish(flooder.run(&stop))
        }
    }
}

fn replay_server(arguments: &ReplayServerArgs, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let ReplayServerArgs { port, own, pattern } = arguments;
    let options = ReplayServerOptions {
        port: port.options(),
        own: own.clone(),
        pattern: pattern.pattern(),
        duration: port.seconds,
    };
    let server = ReplayServer::open(options)?;
    println!("ready: {own}");
    finish(server.run(stop))
}

fn replay_client(arguments: &ReplayClientArgs, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let ReplayClientArgs { port, peer, peer_mac, source, window, rate, sleep, timeout_ms, count, pattern } =
        arguments;
    // The default source is IPv4.
    let source = match (peer.ip(), source) {
        (IpAddr::V6(_), IpNet::V4(_)) => handfast_lab::SOURCES_V6.parse().unwrap_or(*source),
        _ => *source,
    };
    let usual_timeout = if pattern.workload == Workload::Syn { 20 } else { 1_000 };
    let options = ReplayClientOptions {
        port: port.options(),
        peer: *peer,
        peer_mac: *peer_mac,
        source,
        pattern: pattern.pattern(),
        window: *window,
        rate: *rate,
        sleep: *sleep,
        timeout: Duration::from_millis(timeout_ms.unwrap_or(usual_timeout).into()),
        count: *count,
        duration: port.seconds,
    };
    if count.is_none() && port.seconds.is_none() {
        return Err(Failure::new("the client would never end").fix("give --count or --seconds"));
    }
    finish(ReplayClient::open(options)?.run(stop))
}

fn finish(report: Result<impl Serialize, BaselineError>) -> Result<ExitCode, Failure> {
    let line = serde_json::to_string(&report?).map_err(|error| Failure::new(error.to_string()))?;
    out::say(out::Kind::Json, format_args!("{line}\n"));
    Ok(ExitCode::SUCCESS)
}

impl From<BaselineError> for Failure {
    fn from(error: BaselineError) -> Failure {
        Failure::new(error.to_string())
    }
}
