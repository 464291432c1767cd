//! The look-up of a listener by local address and port.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::{BitAnd, RangeInclusive};

use ipnet::IpNet;
use thiserror::Error;

use super::fault::FaultInjection;
use crate::tcp::ACTIVE_OPEN;

/// The rule that answers, by its place in the list given to [`Listeners::new`], or by the id
/// that a `ListenerSet` gave it instead.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

/// One line of the configuration: these addresses, these ports, that service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener<T> {
    /// Without host bits: 10.0.0.1/24 means 10.0.0.0/24, all 256 addresses.
    pub net: IpNet,
    /// TCP ports, both ends included.
    pub ports: RangeInclusive<u16>,
    /// Value that belongs to the rule, such as its listener id.
    pub service: T,
}

/// Why a list of rules is refused.
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ListenerError {
    /// The range of ports is empty.
    #[error("listener {0} has no port: write the lower port first")]
    NoPort(RuleName),
    /// Two rules claim the same port, and neither is more specific.
    #[error(
        "listeners {first} and {second} both claim port {port} of {addresses}, and neither has the longer \
         prefix or fewer ports: narrow one of them",
        addresses = first.net
    )]
    Ambiguous { first: RuleName, second: RuleName, port: u16 },
    /// The list has more rules than there are listener ids.
    #[error("{0} listeners are too many: at most 65535")]
    TooMany(usize),
}

/// A rule as an operator knows it: its place in the list (from 1) and what it claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleName {
    /// Position in the list, from 1.
    pub place: usize,
    /// Prefix of the claimed addresses.
    pub net: IpNet,
    /// Claimed TCP ports, both ends included.
    pub ports: RangeInclusive<u16>,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ports {}-{})", self.place, self.net, self.ports.start(), self.ports.end())
    }
}

/// All rules, ready to be looked up once per segment.
///
/// Of several rules that contain an address and port, the longest prefix answers, and among equal
/// prefixes the one with the fewest ports. A longer prefix hides only the ports it claims: with
/// 10.0.0.0/24 on port 80 and 10.0.0.1/32 on port 443, the former serves 10.0.0.1 on port 80.
pub struct Listeners<T> {
    rules: Vec<Listener<T>>,
    v4: FamilyTable<u32>,
    v6: FamilyTable<u128>,
}

impl<T> Listeners<T> {
    /// Builds the lookup from a list of rules; their places in it become their ids.
    ///
    /// # Errors
    /// [`ListenerError`]: a rule without ports, two rules of which neither is more specific at
    /// some port, or more rules than ids.
    pub fn new(
        rules: impl IntoIterator<Item = (IpNet, RangeInclusive<u16>, T)>,
    ) -> Result<Self, ListenerError> {
        let rules =
            rules.into_iter().map(|(net, ports, service)| Listener { net: net.trunc(), ports, service });
        let rules: Vec<_> = rules.collect();
        let mut by_net: BTreeMap<IpNet, Vec<PortClaim>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            // The highest number is the mark of connections without a listener.
            let id = u16::try_from(place).ok().filter(|id| *id != ACTIVE_OPEN);
            let id = id.ok_or(ListenerError::TooMany(rules.len()))?;
            if rule.ports.start() > rule.ports.end() {
                return Err(ListenerError::NoPort(name(&rules, ListenerId(id))));
            }
            let (first, last) = (*rule.ports.start(), *rule.ports.end());
            by_net.entry(rule.net).or_default().push(PortClaim {
                width: last - first,
                id: ListenerId(id),
                first,
                last,
            });
        }
        let (mut v4, mut v6) = (FamilyTable::default(), FamilyTable::default());
        for (net, claims) in by_net {
            let ports = partition_ports(&claims).map_err(|conflict| conflict.named(&rules))?;
            match net {
                IpNet::V4(net) => {
                    v4.add(net.prefix_len(), net.netmask().to_bits(), net.addr().to_bits(), ports)
                }
                IpNet::V6(net) => {
                    v6.add(net.prefix_len(), net.netmask().to_bits(), net.addr().to_bits(), ports)
                }
            }
        }
        Ok(Listeners { rules, v4, v6 })
    }

    /// The rule that answers for a port (host order) of a local address. An IPv4-mapped IPv6
    /// address is an IPv6 address here.
    #[inline]
    pub fn lookup(&self, addr: IpAddr, port: u16) -> Option<ListenerId> {
        match addr {
            IpAddr::V4(addr) => self.lookup4(addr.octets(), port),
            IpAddr::V6(addr) => self.lookup6(addr.octets(), port),
        }
    }

    /// As [`Listeners::lookup`], for the bytes of an IPv4 header.
    #[inline]
    pub fn lookup4(&self, addr: [u8; 4], port: u16) -> Option<ListenerId> {
        self.v4.lookup(u32::from_be_bytes(addr), port)
    }

    /// As [`Listeners::lookup`], for the bytes of an IPv6 header.
    #[inline]
    pub fn lookup6(&self, addr: [u8; 16], port: u16) -> Option<ListenerId> {
        self.v6.lookup(u128::from_be_bytes(addr), port)
    }

    /// Whether some rule claims some port of the address: whether ARP, NDP and ICMP answer for it.
    #[inline]
    pub fn owns_address(&self, addr: IpAddr) -> bool {
        match addr {
            IpAddr::V4(addr) => self.v4.owns(Ipv4Addr::to_bits(addr)),
            IpAddr::V6(addr) => self.v6.owns(Ipv6Addr::to_bits(addr)),
        }
    }

    /// All rules, in the order given.
    pub fn rules(&self) -> &[Listener<T>] {
        &self.rules
    }
}

impl Listeners<u16> {
    /// Where the services are ids: these replace the places in the list, for
    /// ids that outlive a list.
    pub(super) fn with_ids(mut self) -> Self {
        let ids: Vec<u16> = self.rules.iter().map(|rule| rule.service).collect();
        self.v4.set_ids(&ids);
        self.v6.set_ids(&ids);
        self
    }
}

/// The listeners that a core looks up. Never changed: a core is given another set.
pub struct ListenerSet {
    pub(super) listeners: Listeners<u16>,
    /// The prefixes of removed rules, whose connections go on: their peers still send ARP requests for the
    /// address.
    pub(super) draining: Listeners<()>,
    pub(super) fault: FaultInjection,
}

impl ListenerSet {
    /// The listener of a local address and port.
    #[inline]
    pub(super) fn lookup(&self, local: SocketAddr) -> Option<ListenerId> {
        self.listeners.lookup(local.ip(), local.port())
    }

    /// Whether ARP, neighbour discovery and ICMP answer for the address.
    pub(super) fn owns_address(&self, address: IpAddr) -> bool {
        self.listeners.owns_address(address) || self.draining.owns_address(address)
    }
}

/// The rules of one address family by prefix length, longest first.
struct FamilyTable<A>(Vec<PrefixLevel<A>>);

/// The prefixes of one length.
struct PrefixLevel<A> {
    prefix_len: u8,
    mask: A,
    nets: HashMap<A, Box<[PortSpan]>, BuildHasherDefault<FastHasher>>,
}

/// Consecutive ports with one rule. Those of a prefix are disjoint and in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct PortSpan {
    first: u16,
    last: u16,
    id: ListenerId,
}

impl<A> Default for FamilyTable<A> {
    fn default() -> Self {
        FamilyTable(Vec::new())
    }
}

impl<A: Copy + Eq + Hash + BitAnd<Output = A>> FamilyTable<A> {
    fn add(&mut self, prefix_len: u8, mask: A, net: A, ports: Box<[PortSpan]>) {
        let at = self.0.partition_point(|level| level.prefix_len > prefix_len);
        if self.0.get(at).is_none_or(|level| level.prefix_len != prefix_len) {
            self.0.insert(at, PrefixLevel { prefix_len, mask, nets: HashMap::default() });
        }
        self.0[at].nets.insert(net, ports);
    }

    #[inline]
    fn lookup(&self, addr: A, port: u16) -> Option<ListenerId> {
        self.0.iter().find_map(|level| {
            let spans = level.nets.get(&(addr & level.mask))?;
            let behind = spans.partition_point(|span| span.first <= port);
            let span = spans.get(behind.checked_sub(1)?)?;
            (port <= span.last).then_some(span.id)
        })
    }

    fn set_ids(&mut self, ids: &[u16]) {
        let ports = self.0.iter_mut().flat_map(|level| level.nets.values_mut());
        for span in ports.flat_map(|spans| spans.iter_mut()) {
            span.id = ListenerId(ids[usize::from(span.id.0)]);
        }
    }

    #[inline]
    fn owns(&self, addr: A) -> bool {
        self.0.iter().any(|level| level.nets.contains_key(&(addr & level.mask)))
    }
}

/// What a rule claims of its prefix. Ordered by what decides: fewest ports first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct PortClaim {
    /// Ports less one.
    width: u16,
    id: ListenerId,
    first: u16,
    last: u16,
}

/// Two rules of which neither is narrower at a port.
struct Conflict(ListenerId, ListenerId, u16);

impl Conflict {
    fn named<T>(self, rules: &[Listener<T>]) -> ListenerError {
        let Conflict(first, second, port) = self;
        ListenerError::Ambiguous { first: name(rules, first), second: name(rules, second), port }
    }
}

fn name<T>(rules: &[Listener<T>], id: ListenerId) -> RuleName {
    let place = usize::from(id.0);
    let Listener { net, ports, .. } = &rules[place];
    RuleName { place: place + 1, net: *net, ports: ports.clone() }
}

/// Divides the ports of one prefix among its rules: goes through the ports at which a rule begins
/// or has ended, and between two of them the narrowest active rule answers.
fn partition_ports(claims: &[PortClaim]) -> Result<Box<[PortSpan]>, Conflict> {
    // By port as u32: a rule that ends at 65535 has ended at 65536.
    let mut changes: BTreeMap<u32, Vec<PortClaim>> = BTreeMap::new();
    for claim in claims {
        changes.entry(u32::from(claim.first)).or_default().push(*claim);
        changes.entry(u32::from(claim.last) + 1).or_default().push(*claim);
    }
    let ends: Vec<u32> = changes.keys().skip(1).copied().collect();
    let mut active = BTreeSet::new();
    let mut spans: Vec<PortSpan> = Vec::new();
    for ((from, changed), end) in changes.into_iter().zip(ends) {
        for claim in changed {
            if !active.remove(&claim) {
                active.insert(claim);
            }
        }
        let mut narrowest = active.iter();
        let Some(claim) = narrowest.next() else { continue };
        // `from` is where a rule begins or the port after one, and below `end`: a port.
        let (first, last) = (from as u16, (end - 1) as u16);
        if let Some(rival) = narrowest.next().filter(|rival| rival.width == claim.width) {
            return Err(Conflict(claim.id, rival.id, first));
        }
        match spans.last_mut() {
            Some(before) if before.id == claim.id && u32::from(before.last) + 1 == from => before.last = last,
            _ => spans.push(PortSpan { first, last, id: claim.id }),
        }
    }
    Ok(spans.into())
}

/// Hashes one address. The map's keys come from the configuration, so no peer can make
/// them collide, and a keyed hash would be paid for on every SYN.
#[derive(Default)]
struct FastHasher(u64);

impl FastHasher {
    /// 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    #[inline]
    fn fold(&mut self, x: u64) {
        let product = u128::from(self.0 ^ x ^ Self::FACTOR) * u128::from(Self::FACTOR);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for FastHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.fold(u64::from(*byte)));
    }

    #[inline]
    fn write_u32(&mut self, x: u32) {
        self.fold(u64::from(x));
    }

    #[inline]
    fn write_u128(&mut self, x: u128) {
        self.fold(x as u64);
        self.fold((x >> 64) as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests;
