//! The way to the target and back, from what the kernel and the interface say.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::next_hop::Route;
use handfast_load::Plan;
use handfast_report::bench::NetworkPath;
use handfast_stack::xdp::Device;

/// What is known before anything is sent.
pub(super) fn path(plan: &Plan, device: &Device, route: Option<&Route>) -> NetworkPath {
    let nets: BTreeSet<IpNet> = plan.sources.iter().map(|source| source.net).collect();
    let (on_link, off_link): (Vec<IpNet>, Vec<IpNet>) =
        nets.iter().partition(|net| networks(device).any(|network| network.contains(*net)));
    let ipv4 = plan.target.address.is_ipv4();
    let first = || addresses(device).find(|address| address.is_ipv4() == ipv4);
    NetworkPath {
        local: route.and_then(|route| route.source).or_else(first).map(|local| local.to_string()),
        router: route.and_then(|route| route.router).map(|router| router.to_string()),
        on_link: on_link.iter().map(ToString::to_string).collect(),
        off_link: off_link.iter().map(ToString::to_string).collect(),
        sources: hosts(&nets),
        ..NetworkPath::default()
    }
}

/// What will not go as wished on the way.
pub(super) fn warning(plan: &Plan, device: &Device, path: &NetworkPath) -> Option<String> {
    let within = |net: &IpNet| networks(device).any(|network| network.contains(net));
    let nets = plan.sources.iter().map(|source| source.net).filter(within).collect();
    path.too_many_neighbours(&plan.target.address.to_string(), hosts(&nets))
}

fn addresses(device: &Device) -> impl Iterator<Item = IpAddr> {
    device.addresses.iter().map(|(address, _)| *address)
}

/// The networks that are on the interface's link.
fn networks(device: &Device) -> impl Iterator<Item = IpNet> {
    let network = |&(address, len): &(IpAddr, u8)| IpNet::new(address, len).ok().map(|net| net.trunc());
    device.addresses.iter().filter_map(network)
}

/// Addresses of these networks.
fn hosts(nets: &BTreeSet<IpNet>) -> u64 {
    let hosts = |net: &IpNet| {
        1u64.checked_shl(u32::from(net.max_prefix_len() - net.prefix_len())).unwrap_or(u64::MAX)
    };
    nets.iter().map(hosts).fold(0, u64::saturating_add)
}
