//! What listeners take from the kernel of this host: ports that programs listen on, which are noted,
//! and established connections, which they would cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::abbreviated::abbreviated;
use super::{Failure, Listen, RespondArgs};
use handfast_stack::engine::listeners::Listeners;
use handfast_stack::xdp::kernel_tcp::{KernelSocket, Process, owners, sockets};
use handfast_stack::xdp::{Network, route_device};
use handfast_text::{counted, printable};

/// Peers whose route is asked for; of further ones the worst is assumed.
const PEERS: usize = 1_000;
/// Ports that a refusal leaves out of a range for the user.
const SPLITS: usize = 4;
/// Programs that are named.
const PROGRAMS: usize = 8;

/// Where listeners are to be.
pub(super) struct Place<'a> {
    pub devices: &'a [String],
    /// On-link prefixes; empty: the interfaces' own.
    pub subnets: &'a [IpNet],
    /// Connections may be cut off.
    pub take_over: bool,
}

impl<'a> Place<'a> {
    pub(crate) fn of(arguments: &'a RespondArgs) -> Place<'a> {
        let RespondArgs { devices, subnets, take_over, .. } = arguments;
        Place { devices, subnets, take_over: *take_over }
    }
}

/// Notes for the operator; or why these listeners are refused. Needs no capability, but without any it
/// names no process of other users.
pub(super) fn check(place: &Place<'_>, listeners: &[Listen]) -> Result<Vec<String>, Failure> {
    // What cannot be read the stack will say.
    let Ok(network) = Network::read() else { return Ok(Vec::new()) };
    let devices: Vec<u32> =
        place.devices.iter().filter_map(|name| Some(network.named(name)?.index)).collect();
    no_broadcast(&network, &devices, place.subnets, listeners)?;
    let local: Vec<IpAddr> = network.local().into_iter().filter(|address| !address.is_loopback()).collect();
    let covers = |address: &IpAddr| listeners.iter().any(|listen| listen.owned.prefix.contains(address));
    let shared: Vec<IpAddr> = local.into_iter().filter(covers).collect();
    let rule = |listen: &Listen| (listen.owned.prefix, listen.owned.ports.clone(), ());
    let Ok(lookup) = Listeners::new(listeners.iter().map(rule)) else { return Ok(Vec::new()) };
    let (false, Ok(sockets)) = (shared.is_empty(), sockets()) else { return Ok(Vec::new()) };
    let mut notes = taken(&programs(&sockets, &shared, &lookup), place.devices);
    let mut routes = Routes { network: &network, devices: &devices, known: BTreeMap::new() };
    let cut = |socket: &KernelSocket| {
        let (local, peer) = (socket.local, socket.peer?);
        let rule = lookup.lookup(local.ip(), local.port())?;
        let rule = &listeners[usize::from(rule.0)];
        routes.lead_through(peer.ip()).then_some(Cut { local, peer, inode: socket.inode, rule })
    };
    let cut: Vec<Cut<'_>> = sockets.iter().filter_map(cut).collect();
    notes.extend(cut_off(&cut, place.take_over)?);
    Ok(notes)
}

/// A listener of which all is the broadcast address of a link: nothing would ever be answered.
fn no_broadcast(
    network: &Network,
    devices: &[u32],
    subnets: &[IpNet],
    listeners: &[Listen],
) -> Result<(), Failure> {
    let held = devices.iter().flat_map(|device| network.addresses_of(*device));
    let links: Vec<IpNet> = match subnets {
        [] => held.filter_map(|(address, length)| IpNet::new(address, length).ok()).collect(),
        given => given.to_vec(),
    };
    let is_broadcast = |address: IpAddr, link: &&IpNet| {
        link.addr().is_ipv4() && link.prefix_len() < 31 && link.broadcast() == address
    };
    for listen in listeners.iter().filter(|listen| is_host(&listen.owned.prefix)) {
        let address = listen.owned.prefix.addr();
        if let Some(link) = links.iter().find(|link| is_broadcast(address, link)) {
            return Err(Failure::new(format!(
                "{address} is the broadcast address of {}: TCP has no connections to it",
                link.trunc()
            ))
            .fix("give the address of one host with --listen"));
        }
    }
    Ok(())
}

fn is_host(net: &IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

/// Which peers are reached by the interfaces that are taken.
struct Routes<'a> {
    network: &'a Network,
    devices: &'a [u32],
    known: BTreeMap<IpAddr, bool>,
}

impl Routes<'_> {
    fn lead_through(&mut self, peer: IpAddr) -> bool {
        if let Some(known) = self.known.get(&peer) {
            return *known;
        }
        if self.known.len() >= PEERS {
            return true;
        }
        let through = |upper| self.devices.iter().any(|device| self.network.comes_through(upper, *device));
        // Without a route its segments may still arrive.
        let leads = route_device(peer).map_or(true, through);
        self.known.insert(peer, leads);
        leads
    }
}

/// A socket that listens, and what of it is taken.
struct TakenOver {
    socket: SocketAddr,
    inode: u64,
    places: Vec<SocketAddr>,
}

/// The listening sockets of the kernel that lose an address and port of this host.
fn programs(sockets: &[KernelSocket], shared: &[IpAddr], lookup: &Listeners<()>) -> Vec<TakenOver> {
    let listening = || sockets.iter().filter(|socket| socket.peer.is_none());
    let at: BTreeSet<SocketAddr> = listening().map(|socket| socket.local).collect();
    let reaches = |socket: SocketAddr, address: IpAddr| {
        let (ip, port) = (socket.ip(), socket.port());
        if ip == address {
            return true;
        }
        // An IPv6 socket takes IPv4 as well where no IPv4 socket does.
        let any = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port);
        let by_ipv4 = at.contains(&any) || at.contains(&SocketAddr::new(address, port));
        ip.is_unspecified()
            && (ip.is_ipv4() == address.is_ipv4() || (ip.is_ipv6() && address.is_ipv4() && !by_ipv4))
    };
    let mut seen = BTreeSet::new();
    // Several sockets of one place share its connections (SO_REUSEPORT).
    let once = listening().filter(|socket| seen.insert(socket.local));
    let taken = once.map(|socket| {
        let port = socket.local.port();
        let lost = shared
            .iter()
            .filter(|address| reaches(socket.local, **address) && lookup.lookup(**address, port).is_some());
        let places = lost.map(|address| SocketAddr::new(*address, port)).collect();
        TakenOver { socket: socket.local, inode: socket.inode, places }
    });
    taken.filter(|taken| !taken.places.is_empty()).collect()
}

/// One note for each program.
fn taken(taken: &[TakenOver], devices: &[String]) -> Vec<String> {
    let owners = owners(&taken.iter().map(|taken| taken.inode).collect());
    let mut programs: BTreeMap<Option<i32>, Vec<&TakenOver>> = BTreeMap::new();
    let mut taken: Vec<&TakenOver> = taken.iter().collect();
    taken.sort_by_key(|taken| taken.socket);
    for each in taken {
        programs.entry(owners.get(&each.inode).map(|owner| owner.pid)).or_default().push(each);
    }
    let mut notes: Vec<String> = Vec::new();
    for (_, sockets) in programs.iter().take(PROGRAMS) {
        let places: Vec<SocketAddr> = sockets.iter().flat_map(|taken| taken.places.clone()).collect();
        let listens: Vec<SocketAddr> = sockets.iter().map(|taken| taken.socket).collect();
        notes.push(format!(
            "taken from {}, which listens on {}: {}; handfast answers what arrives there on {}",
            owner(sockets.first().and_then(|taken| owners.get(&taken.inode))),
            abbreviated(listens.iter()),
            abbreviated(places.iter()),
            devices.join(" ")
        ));
    }
    if programs.len() > PROGRAMS {
        notes.push(format!("and from {} more programs", programs.len() - PROGRAMS));
    }
    notes
}

fn owner(owner: Option<&Process>) -> String {
    owner.map_or_else(
        || "a program that this user cannot see (as root: ss -ltnp)".to_owned(),
        |owner| format!("{} (pid {})", printable(&owner.name), owner.pid),
    )
}

/// An established connection of the kernel's whose segments a listener takes.
struct Cut<'a> {
    local: SocketAddr,
    peer: SocketAddr,
    inode: u64,
    rule: &'a Listen,
}

/// One port of one address was meant as it was written. A range or a prefix may take in more than its
/// writer thought of, an ssh session say: that is refused, unless it is said to be meant.
fn cut_off(cut: &[Cut<'_>], take_over: bool) -> Result<Option<String>, Failure> {
    let is_meant = |cut: &&Cut<'_>| {
        let owned = &cut.rule.owned;
        take_over || (is_host(&owned.prefix) && owned.ports.start() == owned.ports.end())
    };
    if let Some(first) = cut.iter().find(|cut| !is_meant(cut)) {
        let of_rule: Vec<&Cut<'_>> = cut.iter().filter(|cut| cut.rule == first.rule).collect();
        let would = format!(
            "{} would cut off {} of this host: {}",
            first.rule,
            counted(of_rule.len() as u64, "established connection"),
            named(&of_rule)
        );
        let ports: BTreeSet<u16> = of_rule.iter().map(|cut| cut.local.port()).collect();
        return Err(Failure::new(would).fix(fix(first.rule, &ports)));
    }
    let all: Vec<&Cut<'_>> = cut.iter().collect();
    Ok((!cut.is_empty()).then(|| {
        let count = counted(cut.len() as u64, "established connection");
        format!("{count} of this host cut off: {}", named(&all))
    }))
}

/// The first ones, with the programs that have them.
fn named(cut: &[&Cut<'_>]) -> String {
    const SHOWN: usize = 3;
    let owners = owners(&cut.iter().take(SHOWN).map(|cut| cut.inode).collect());
    let name = |cut: &&Cut<'_>| {
        let by = owners.get(&cut.inode);
        let by = by.map_or_else(String::new, |by| format!(" ({}, pid {})", printable(&by.name), by.pid));
        format!("{} with {}{by}", cut.local, cut.peer)
    };
    let mut names: Vec<String> = cut.iter().take(SHOWN).map(name).collect();
    if cut.len() > SHOWN {
        names.push(format!("and {} more", cut.len() - SHOWN));
    }
    names.join(", ")
}

/// The listener without these ports, or that they are meant.
fn fix(rule: &Listen, ports: &BTreeSet<u16>) -> String {
    let meant = "or --take-over, if they may be cut off";
    let rest = without(rule, ports);
    if rest.is_empty() || ports.len() > SPLITS {
        return format!("listen on other addresses or ports, {meant}");
    }
    let rest: Vec<String> = rest.iter().map(|listen| format!("--listen '{listen}'")).collect();
    format!("{}, {meant}", rest.join(" "))
}

fn without(rule: &Listen, ports: &BTreeSet<u16>) -> Vec<Listen> {
    let (first, last) = (u32::from(*rule.owned.ports.start()), u32::from(*rule.owned.ports.end()));
    let mut rest = Vec::new();
    let mut from = first;
    for end in ports.iter().map(|port| u32::from(*port)).chain([last + 1]) {
        if from < end {
            let mut part = rule.clone();
            // Below 65,536, as the ports that they lie between.
            part.owned.ports = from as u16..=(end - 1) as u16;
            rest.push(part);
        }
        from = end + 1;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse().expect(text)
    }

    #[test]
    fn a_socket_loses_what_a_listener_takes_of_its_addresses() {
        let socket = |local: &str, inode| KernelSocket { local: local.parse().unwrap(), peer: None, inode };
        let sockets = [
            socket("0.0.0.0:80", 1),
            socket("[::]:80", 2),
            socket("[::]:443", 3),
            socket("10.0.0.5:22", 4),
            socket("127.0.0.1:631", 5),
            socket("0.0.0.0:80", 6),
        ];
        let shared = ["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()];
        let found = |listeners: &[&str]| {
            let rules = listeners.iter().map(|text| listen(text).owned);
            let lookup = Listeners::new(rules.map(|owned| (owned.prefix, owned.ports, ()))).expect("rules");
            let taken = programs(&sockets, &shared, &lookup);
            taken.iter().map(|taken| (taken.inode, taken.places.len())).collect::<Vec<_>>()
        };
        assert_eq!(found(&["10.0.0.5:80"]), [(1, 1)]);
        assert_eq!(found(&["10.0.0.5:443"]), [(3, 1)]);
        assert_eq!(found(&["[2001:db8::5]:80"]), [(2, 1)]);
        assert_eq!(found(&["10.0.0.5:22-23"]), [(4, 1)]);
        assert_eq!(found(&["0.0.0.0/0:1-65535", "[::]/0:443"]), [(1, 1), (3, 2), (4, 1)]);
        assert_eq!(found(&["10.0.0.6:80", "10.0.0.5:81"]), []);
    }

    #[test]
    fn ranges_and_prefixes_cut_no_connection_off_without_consent() {
        let rules = ["10.0.0.5:22", "10.0.0.5:1-65535=echo", "0.0.0.0/0:22"].map(listen);
        let cut = |rule| Cut {
            local: "10.0.0.5:22".parse().unwrap(),
            peer: "10.0.0.9:50000".parse().unwrap(),
            inode: u64::MAX,
            rule,
        };
        let note = cut_off(&[cut(&rules[0])], false).expect("written so").expect("said");
        assert!(
            note.starts_with("1 established connection of this host cut off: 10.0.0.5:22 with"),
            "{note}"
        );
        for rule in &rules[1..] {
            let refused = cut_off(&[cut(rule)], false).expect_err("not meant").to_string();
            assert!(refused.contains("10.0.0.5:22 with 10.0.0.9:50000"), "{refused}");
            assert!(refused.contains("--take-over"), "{refused}");
            assert!(cut_off(&[cut(rule)], true).expect("meant").is_some());
        }
        let split = cut_off(&[cut(&rules[1])], false).expect_err("not meant").to_string();
        let both = "--listen '10.0.0.5:1-21=echo' --listen '10.0.0.5:23-65535=echo'";
        assert!(split.contains(both), "{split}");
        assert_eq!(cut_off(&[], false), Ok(None));
    }

    #[test]
    fn a_range_is_split_around_ports() {
        for (ports, rest) in [
            (&[1][..], &["10.0.0.5:2-65535=discard"][..]),
            (&[65_535], &["10.0.0.5:1-65534=discard"]),
            (
                &[22, 23, 80],
                &["10.0.0.5:1-21=discard", "10.0.0.5:24-79=discard", "10.0.0.5:81-65535=discard"],
            ),
        ] {
            let found = without(&listen("10.0.0.5:1-65535"), &ports.iter().copied().collect());
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), rest);
        }
        assert!(without(&listen("10.0.0.5:22"), &BTreeSet::from([22])).is_empty());
    }

    #[test]
    fn a_broadcast_address_is_no_place_to_listen() {
        let link = ["10.0.0.7/24".parse().unwrap()];
        let refuse = |text: &str| no_broadcast(&Network::default(), &[], &link, &[listen(text)]);
        let refused = refuse("10.0.0.255:80").expect_err("broadcast").to_string();
        assert!(refused.contains("the broadcast address of 10.0.0.0/24"), "{refused}");
        assert!(
            ["10.0.0.254:80", "10.0.0.0/24:80", "[2001:db8::ff]:80"].iter().all(|text| refuse(text).is_ok())
        );
    }
}
