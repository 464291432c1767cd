//! From the arguments to the options of the stack.

use std::fs;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ipnet::IpNet;

use super::Failure;
use super::bench_args::BenchArgs;
use super::bench_target::Resolved;
use super::next_hop::{self, Route};
use handfast_lab::{CLIENT_DEVICE, SOURCES_V4, SOURCES_V6, is_lab_interface};
use handfast_load::{Control, PlanError, Source, SourceArg, SourceError, Target, WorkloadKind};
use handfast_stack::engine::CoreConfig;
use handfast_stack::engine::stack::{Gateway, StackConfig};
use handfast_stack::tcp::Config;
use handfast_stack::wire::Mac;
use handfast_stack::xdp::{Device, Network};

/// The kernel's ephemeral ports, for both families.
const PORT_RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";

/// Refuses contradictions between the arguments.
pub(super) fn check(arguments: &BenchArgs) -> Result<(), Failure> {
    let kind = arguments.kind();
    if let Some(path) = &arguments.target.path {
        let plain = arguments.target.target.authority();
        let given = [(arguments.http.is_some(), "--http"), (arguments.payload.is_some(), "--payload")];
        if let Some((_, option)) = given.iter().find(|(given, _)| *given) {
            return Err(Failure::new(format!(
                "{option} conflicts with the target, a URL that already names the request"
            ))
            .fix(format!("leave out {option}, or write the target as {plain}")));
        }
        if kind != WorkloadKind::Request {
            return Err(Failure::new(format!(
                "--workload {} does not request a URL, but the target names the path {path}",
                kind.name()
            ))
            .fix(format!("--workload request, or write the target as {plain}")));
        }
    }
    for (given, name, only) in [
        (arguments.http.is_some(), "--http", WorkloadKind::Request),
        (arguments.payload.is_some(), "--payload", WorkloadKind::Request),
        (arguments.closer.is_some(), "--closer", WorkloadKind::Lifecycle),
    ] {
        if given && kind != only {
            let (kind, only) = (kind.name(), only.name());
            return Err(Failure::new(format!("{name} does not apply to --workload {kind}"))
                .fix(format!("--workload {only}, or leave {name} out")));
        }
    }
    if arguments.concurrency.is_some() && kind == WorkloadKind::Flood {
        return Err(Failure::new(
            "--concurrency does not apply to --workload flood: it has no connections in flight",
        )
        .fix("--rate R, or leave --concurrency out to send as fast as possible"));
    }
    if arguments.find_max && matches!(kind, WorkloadKind::Hold | WorkloadKind::Flood) {
        return Err(Failure::new(format!("--find-max does not apply to --workload {}", kind.name()))
            .fix("--workload handshake, lifecycle or request"));
    }
    arguments.requirements.check(kind == WorkloadKind::Flood)
}

/// A flood is allowed in a lab only.
pub(super) fn check_flood(arguments: &BenchArgs, device: &str) -> Result<(), Failure> {
    if arguments.kind() == WorkloadKind::Flood {
        is_lab_interface(device).map_err(|why| {
            Failure::new(format!("--workload flood runs in a lab only: {why}")).fix(why.fix())
        })?;
    }
    Ok(())
}

/// The target, and the interface and route to it.
pub(super) struct Place {
    pub(super) target: Target,
    /// The name that was looked up.
    pub(super) name: Option<String>,
    pub(super) device: String,
    /// `None`: the kernel has none, and `--gateway` needs none.
    pub(super) route: Option<Route>,
}

impl Place {
    pub(super) fn find(arguments: &BenchArgs) -> Result<Place, Failure> {
        let family = arguments.sources.first().map(|source| source.net.addr().is_ipv4());
        let Resolved { target, zone, name } = arguments.target.target.resolve(family)?;
        let device = match (&arguments.device, &zone) {
            (Some(device), Some(zone)) if device != zone => {
                return Err(Failure::new(format!("the target is on {zone}, but --dev names {device}"))
                    .fix(format!("--dev {zone}, or leave it out")));
            }
            (device, zone) => device.clone().or_else(|| zone.clone()),
        };
        let address = target.address;
        if device.is_none() && matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()) {
            return Err(Failure::new(format!("{address} is link-local: its interface is not known"))
                .fix(format!("name the interface: [{address}%IF]:PORT, or --dev IF")));
        }
        let route = match (next_hop::route(device.as_deref(), address), &device) {
            (Ok(route), _) => Some(route),
            // Said of the interface first, if there is none of that name.
            (Err(_), Some(_)) => None,
            (Err(none), None) => return Err(none),
        };
        let by_route = || route.as_ref().map(|route| route.device.clone()).unwrap_or_default();
        Ok(Place { device: device.unwrap_or_else(by_route), target, name, route })
    }

    /// The MAC address of the next hop.
    pub(super) fn gateway(&self, arguments: &BenchArgs) -> Result<Mac, Failure> {
        let address = self.target.address;
        match (arguments.gateway, &self.route) {
            (Some(mac), _) => Ok(mac),
            (None, Some(route)) => next_hop::mac(route, address),
            (None, None) => next_hop::mac(&next_hop::route(Some(&self.device), address)?, address),
        }
    }

    /// The address of a target that was given by name.
    pub(super) fn note(&self) -> Option<String> {
        let name = self.name.as_ref()?;
        Some(format!("{name} is {}", self.target.address))
    }
}

/// A plan that cannot run, with its fix.
pub(super) fn unplanned(error: PlanError) -> Failure {
    let failure = Failure::of(&error);
    match error {
        PlanError::NoSource => failure.fix("name addresses with --source CIDR[:PORTS]"),
        PlanError::Family(..) => failure.fix("use one address family for --source and the target"),
        PlanError::TargetAmongSources(..) => failure.fix("choose other source addresses"),
        PlanError::Overlap(..) => failure.fix("choose sources that do not overlap"),
        PlanError::FewerThanCores { .. } | PlanError::Concurrency { .. } | PlanError::Hold { .. } => {
            failure.fix("add addresses or ports to --source")
        }
        PlanError::NoConnections => failure.fix("--connections N, 1 or more"),
        PlanError::NoRequest => failure.fix("give --payload or --http"),
        PlanError::RequestTooLong { .. } => failure.fix("send a shorter --payload"),
        PlanError::NoConcurrency | PlanError::Rate(_) | PlanError::Timeout => failure,
    }
}

/// The sources, without the ephemeral ports of the kernel on its own addresses.
pub(super) fn sources(
    arguments: &BenchArgs,
    place: &Place,
    device: &Device,
    network: &Network,
) -> Result<Vec<Source>, Failure> {
    let own = network.local();
    let mut asked = arguments.sources.clone();
    if asked.is_empty() {
        asked = default_sources(place, device)?;
    }
    let mut sources = Vec::new();
    for source in asked {
        let shared = own.iter().any(|address| source.net.contains(&IpNet::from(*address)));
        let kernel = if shared { Some(kernel_ports()?) } else { None };
        sources.extend(source.resolve(kernel).map_err(|error| no_source(&error, place.target.address))?);
    }
    Ok(sources)
}

/// The address that the kernel would choose, and the others of the interface in the same network, which
/// the target can answer as well. On a lab's client, whose kernel needs all ports, the prefix that the
/// lab routes back.
fn default_sources(place: &Place, device: &Device) -> Result<Vec<SourceArg>, Failure> {
    let target = place.target.address;
    let local = matches!(target, IpAddr::V6(address) if address.is_unicast_link_local());
    if device.name == CLIENT_DEVICE && !local && is_lab_interface(&device.name).is_ok() {
        let routed = if target.is_ipv4() { SOURCES_V4 } else { SOURCES_V6 };
        return Ok(vec![routed.parse().map_err(|error: SourceError| Failure::of(error))?]);
    }
    let first = place.route.as_ref().and_then(|route| route.source).or_else(|| fitting(device, target));
    let Some(first) = first else { return Ok(Vec::new()) };
    let net = |address: IpAddr, len: u8| IpNet::new(address, len).ok().map(|net| net.trunc());
    let own = device.addresses.iter().find(|(address, _)| *address == first);
    let network = own.and_then(|(address, len)| net(*address, *len));
    let beside = device
        .addresses
        .iter()
        .filter(|(address, len)| *address != first && network.is_some() && net(*address, *len) == network);
    let all = std::iter::once(first).chain(beside.map(|(address, _)| *address));
    Ok(all.map(|address| SourceArg { net: address.into(), ports: None }).collect())
}

/// Without a route: the first address of the family and scope of the target.
fn fitting(device: &Device, target: IpAddr) -> Option<IpAddr> {
    let scope = |address: &IpAddr| match address {
        IpAddr::V4(address) => (true, address.is_link_local()),
        IpAddr::V6(address) => (false, address.is_unicast_link_local()),
    };
    let addresses = device.addresses.iter().map(|(address, _)| *address);
    addresses.into_iter().find(|address| scope(address) == scope(&target))
}

/// The error, with the prefix that every lab routes back.
fn no_source(error: &SourceError, target: IpAddr) -> Failure {
    let failure = Failure::of(error);
    let free = if target.is_ipv4() { SOURCES_V4 } else { SOURCES_V6 };
    match error {
        SourceError::NoPortLeft(..) => failure.fix(format!(
            "--source CIDR, a prefix that the target routes to this host; in a lab: --source {free}"
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

pub(super) fn options(
    arguments: &BenchArgs,
    control: &Arc<Control>,
    (device, gateway): (&str, Mac),
) -> StackConfig {
    let defaults = StackConfig::default();
    let generators = control.clone();
    let options = StackConfig {
        devices: vec![device.to_owned()],
        owned: control.plan().sources.iter().map(Source::owned).collect(),
        opener: Some(Box::new(move |core, cores| Box::new(generators.generator(core, cores)))),
        gateway: Some(Gateway::Mac(gateway)),
        config: Config {
            msl_ms: arguments.msl.as_millis() as u32,
            syn_retries: arguments.syn_retries,
            syn_offer: arguments.syn_options.offer(),
            ..defaults.config
        },
        // TIME-WAIT may take all the room that is left.
        bounds: CoreConfig { time_wait_budget: arguments.table.max_connections, ..defaults.bounds },
        ..StackConfig::default()
    };
    arguments.table.apply(arguments.path.apply(options))
}
