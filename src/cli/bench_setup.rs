//! From arguments to what the engine is opened with.

use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;

use super::Failure;
use super::bench_args::{BenchArgs, Kind};
use crate::engine::CoreConfig;
use crate::engine::stack::Options;
use crate::lab::{SOURCES_V4, SOURCES_V6, is_lab_interface};
use crate::load::{Asked, Control, Source, SourceError};
use crate::tcp::Config;
use crate::wire::Mac;
use crate::xdp::{Device, addresses};

/// The kernel's ephemeral ports, for both families.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// What contradicts itself, and what must not be sent here.
pub(super) fn check(arguments: &BenchArgs) -> Result<(), Failure> {
    let kind = arguments.workload;
    for (given, name, only) in [
        (arguments.http.is_some(), "--http", Kind::Request),
        (arguments.payload.is_some(), "--payload", Kind::Request),
        (arguments.closer.is_some(), "--closer", Kind::Lifecycle),
    ] {
        if given && kind != only {
            let (kind, only) = (kind.name(), only.name());
            return Err(Failure::new(format!("{name} says nothing to --workload {kind}"))
                .fix(format!("--workload {only}, or leave {name} out")));
        }
    }
    if arguments.concurrency.is_some() && kind == Kind::Flood {
        return Err(Failure::new("--concurrency says nothing to --workload flood: nothing is in flight")
            .fix("--rate R, or leave it out to send as fast as it goes"));
    }
    if arguments.find_max && matches!(kind, Kind::Hold | Kind::Flood) {
        return Err(Failure::new(format!(
            "--find-max has nothing to look for with --workload {}",
            kind.name()
        ))
        .fix("--workload handshake, lifecycle or request"));
    }
    if kind == Kind::Flood {
        is_lab_interface(&arguments.device)
            .map_err(|why| Failure::new(format!("a flood stays inside a lab: {why}")).fix(why.fix()))?;
    }
    Ok(())
}

/// The sources asked for, without the ports that the kernel gives out on addresses of its own.
pub(super) fn sources(arguments: &BenchArgs, device: &Device) -> Result<Vec<Source>, Failure> {
    let own = addresses();
    let mut asked = arguments.sources.clone();
    if asked.is_empty() {
        let family = arguments.target.address.is_ipv4();
        let addresses = device.addresses.iter().map(|(address, _)| *address);
        let own = addresses.filter(|address| address.is_ipv4() == family);
        asked.extend(own.map(|address| Asked { net: address.into(), ports: None }));
    }
    let mut sources = Vec::new();
    for source in asked {
        let shared = own.iter().any(|address| source.net.contains(&IpNet::from(*address)));
        let kernel = if shared { Some(kernel_ports()?) } else { None };
        sources.extend(source.resolve(kernel).map_err(|error| no_source(&error, arguments.target.address))?);
    }
    Ok(sources)
}

/// With the one that every lab routes back, where an address of nobody is asked for.
fn no_source(error: &SourceError, target: IpAddr) -> Failure {
    let failure = Failure::of(error);
    let free = if target.is_ipv4() { SOURCES_V4 } else { SOURCES_V6 };
    match error {
        SourceError::NoPortLeft(..) => failure.fix(format!(
            "--source CIDR, a prefix that the target routes to this machine; in a lab: --source {free}"
        )),
        _ => failure,
    }
}

fn kernel_ports() -> Result<RangeInclusive<u16>, Failure> {
    let text = fs::read_to_string(PORT_RANGE).unwrap_or_default();
    let mut numbers = text.split_whitespace().map(str::parse::<u16>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Ok(first..=last),
        _ => Err(Failure::new(format!("cannot read {PORT_RANGE}")).fix("mount -t proc proc /proc")),
    }
}

pub(super) fn options(arguments: &BenchArgs, control: &Arc<Control>, gateway: Mac) -> Options {
    let defaults = Options::default();
    let generators = control.clone();
    Options {
        devices: vec![arguments.device.clone()],
        owned: control.plan().sources.iter().map(Source::owned).collect(),
        caller: Some(Box::new(move |core, cores| Box::new(generators.generator(core, cores)))),
        gateway: Some(gateway),
        cores: arguments.cores.clone().map_or(defaults.cores, |cores| cores.0),
        mode: arguments.mode,
        copy: arguments.umem.copy(),
        frame_size: arguments.umem.frame_size(),
        polling: arguments.poll,
        config: Config {
            msl_ms: arguments.msl.as_millis() as u32,
            syn_retries: arguments.syn_retries,
            syn_offer: arguments.syn_options.offer(),
            ..defaults.config
        },
        // Of the room there is, TIME-WAIT may take what is left.
        bounds: CoreConfig { time_wait_budget: arguments.max_connections, ..defaults.bounds },
        max_connections: arguments.max_connections,
        prefault: arguments.prefault,
        ring: arguments.ring,
        accept_partial_checksum: arguments.accept_partial_checksums,
        ..Options::default()
    }
}
