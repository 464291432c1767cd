//! Which service answers for a local address and port.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::{BitAnd, RangeInclusive};

use ipnet::IpNet;
use thiserror::Error;

/// The rule that answers, by its number in the list given to [`Listeners::new`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ListenerId(pub u16);

/// One line of the configuration: these addresses, these ports, that service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener<T> {
    /// Without host bits: 10.0.0.1/24 means 10.0.0.0/24, all 256 addresses.
    pub net: IpNet,
    pub ports: RangeInclusive<u16>,
    pub service: T,
}

/// Why a list of rules is refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ListenerError {
    #[error("listener {0} has no port: write the lower port first")]
    NoPort(RuleName),
    #[error(
        "listeners {first} and {second} both claim port {port} of {addresses}, and neither has the longer \
         prefix or fewer ports: narrow one of them",
        addresses = first.net
    )]
    Ambiguous { first: RuleName, second: RuleName, port: u16 },
    #[error("{0} listeners are too many: at most 65536")]
    TooMany(usize),
}

/// A rule as an operator knows it: its place in the list (from 1) and what it claims.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleName {
    pub place: usize,
    pub net: IpNet,
    pub ports: RangeInclusive<u16>,
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ports {}-{})", self.place, self.net, self.ports.start(), self.ports.end())
    }
}

/// All rules, ready to be asked once per segment.
///
/// Of several rules that contain an address and port, the longest prefix answers, and among equal
/// prefixes the one with the fewest ports. A longer prefix hides only the ports it claims: with
/// 10.0.0.0/24 on port 80 and 10.0.0.1/32 on port 443, the former serves 10.0.0.1 on port 80.
pub struct Listeners<T> {
    rules: Vec<Listener<T>>,
    v4: Family<u32>,
    v6: Family<u128>,
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
        let mut by_net: BTreeMap<IpNet, Vec<Claim>> = BTreeMap::new();
        for (place, rule) in rules.iter().enumerate() {
            let id = u16::try_from(place).map_err(|_| ListenerError::TooMany(rules.len()))?;
            if rule.ports.start() > rule.ports.end() {
                return Err(ListenerError::NoPort(name(&rules, ListenerId(id))));
            }
            let (first, last) = (*rule.ports.start(), *rule.ports.end());
            by_net.entry(rule.net).or_default().push(Claim {
                width: last - first,
                id: ListenerId(id),
                first,
                last,
            });
        }
        let (mut v4, mut v6) = (Family::default(), Family::default());
        for (net, claims) in by_net {
            let ports = divide(&claims).map_err(|tie| tie.named(&rules))?;
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

    /// As [`Listeners::lookup`], for the octets of an IPv4 header.
    #[inline]
    pub fn lookup4(&self, addr: [u8; 4], port: u16) -> Option<ListenerId> {
        self.v4.lookup(u32::from_be_bytes(addr), port)
    }

    /// As [`Listeners::lookup`], for the octets of an IPv6 header.
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

    /// The rule with this id.
    #[inline]
    pub fn rule(&self, id: ListenerId) -> Option<&Listener<T>> {
        self.rules.get(usize::from(id.0))
    }

    /// All rules, in the order of their ids.
    pub fn rules(&self) -> &[Listener<T>] {
        &self.rules
    }
}

/// The rules of one address family by prefix length, longest first.
struct Family<A>(Vec<Level<A>>);

/// The prefixes of one length.
struct Level<A> {
    prefix_len: u8,
    mask: A,
    nets: HashMap<A, Box<[Segment]>, BuildHasherDefault<Fold>>,
}

/// Consecutive ports with one rule. Those of a prefix are disjoint and in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Segment {
    first: u16,
    last: u16,
    id: ListenerId,
}

impl<A> Default for Family<A> {
    fn default() -> Self {
        Family(Vec::new())
    }
}

impl<A: Copy + Eq + Hash + BitAnd<Output = A>> Family<A> {
    fn add(&mut self, prefix_len: u8, mask: A, net: A, ports: Box<[Segment]>) {
        let at = self.0.partition_point(|level| level.prefix_len > prefix_len);
        if self.0.get(at).is_none_or(|level| level.prefix_len != prefix_len) {
            self.0.insert(at, Level { prefix_len, mask, nets: HashMap::default() });
        }
        self.0[at].nets.insert(net, ports);
    }

    #[inline]
    fn lookup(&self, addr: A, port: u16) -> Option<ListenerId> {
        self.0.iter().find_map(|level| {
            let segments = level.nets.get(&(addr & level.mask))?;
            let behind = segments.partition_point(|segment| segment.first <= port);
            let segment = segments.get(behind.checked_sub(1)?)?;
            (port <= segment.last).then_some(segment.id)
        })
    }

    #[inline]
    fn owns(&self, addr: A) -> bool {
        self.0.iter().any(|level| level.nets.contains_key(&(addr & level.mask)))
    }
}

/// What a rule claims of its prefix. Ordered by what decides: fewest ports first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    /// Ports less one.
    width: u16,
    id: ListenerId,
    first: u16,
    last: u16,
}

/// Two rules of which neither is narrower at a port.
struct Tie(ListenerId, ListenerId, u16);

impl Tie {
    fn named<T>(self, rules: &[Listener<T>]) -> ListenerError {
        let Tie(first, second, port) = self;
        ListenerError::Ambiguous { first: name(rules, first), second: name(rules, second), port }
    }
}

fn name<T>(rules: &[Listener<T>], id: ListenerId) -> RuleName {
    let place = usize::from(id.0);
    let Listener { net, ports, .. } = &rules[place];
    RuleName { place: place + 1, net: *net, ports: ports.clone() }
}

/// Divides the ports of one prefix among its rules: goes through the ports at which a rule begins
/// or has ended, and between two of them the narrowest rule at hand answers.
fn divide(claims: &[Claim]) -> Result<Box<[Segment]>, Tie> {
    // By port as u32: a rule that ends at 65535 has ended at 65536.
    let mut changes: BTreeMap<u32, Vec<Claim>> = BTreeMap::new();
    for claim in claims {
        changes.entry(u32::from(claim.first)).or_default().push(*claim);
        changes.entry(u32::from(claim.last) + 1).or_default().push(*claim);
    }
    let ends: Vec<u32> = changes.keys().skip(1).copied().collect();
    let mut at_hand = BTreeSet::new();
    let mut segments: Vec<Segment> = Vec::new();
    for ((from, changed), end) in changes.into_iter().zip(ends) {
        for claim in changed {
            if !at_hand.remove(&claim) {
                at_hand.insert(claim);
            }
        }
        let mut narrowest = at_hand.iter();
        let Some(claim) = narrowest.next() else { continue };
        // `from` is where a rule begins or the port after one, and below `end`: a port.
        let (first, last) = (from as u16, (end - 1) as u16);
        if let Some(rival) = narrowest.next().filter(|rival| rival.width == claim.width) {
            return Err(Tie(claim.id, rival.id, first));
        }
        match segments.last_mut() {
            Some(before) if before.id == claim.id && u32::from(before.last) + 1 == from => before.last = last,
            _ => segments.push(Segment { first, last, id: claim.id }),
        }
    }
    Ok(segments.into())
}

/// Hashes one address. The map's keys come from the configuration, so nobody outside can make
/// them collide, and a keyed hash would be paid for on every SYN.
#[derive(Default)]
struct Fold(u64);

impl Fold {
    /// 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    #[inline]
    fn fold(&mut self, x: u64) {
        let product = u128::from(self.0 ^ x ^ Self::FACTOR) * u128::from(Self::FACTOR);
        self.0 = product as u64 ^ (product >> 64) as u64;
    }
}

impl Hasher for Fold {
    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.fold(u64::from(*octet)));
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listeners(rules: &[(&str, RangeInclusive<u16>)]) -> Result<Listeners<usize>, ListenerError> {
        let rules = rules.iter().enumerate();
        Listeners::new(rules.map(|(i, (net, ports))| (net.parse().unwrap(), ports.clone(), i * 10)))
    }

    #[test]
    fn the_longest_prefix_then_the_fewest_ports_answer() {
        let rules = [
            ("0.0.0.0/0", 0..=65535),
            ("10.0.0.0/24", 80..=80),
            ("10.0.0.1/32", 443..=443),
            ("10.0.0.0/24", 1..=1023),
            ("10.0.0.0/24", 8000..=8010),
            ("2001:db8::/64", 80..=90),
            ("2001:db8::1/128", 80..=80),
            ("10.0.0.0/24", 8005..=8020),
        ];
        let listeners = listeners(&rules).unwrap();
        for (addr, port, wanted) in [
            ("10.0.0.1", 443, Some(2)),
            ("10.0.0.1", 80, Some(1)), // the /32 does not claim port 80
            ("10.0.0.2", 443, Some(3)),
            ("10.0.0.2", 80, Some(1)),
            ("10.0.0.2", 79, Some(3)),
            ("10.0.0.2", 81, Some(3)),
            ("10.0.0.2", 1, Some(3)),
            ("10.0.0.2", 0, Some(0)),
            ("10.0.0.2", 8004, Some(4)),
            ("10.0.0.2", 8010, Some(4)), // 11 ports, the other has 16
            ("10.0.0.2", 8011, Some(7)),
            ("10.0.0.2", 8021, Some(0)),
            ("10.0.1.2", 80, Some(0)),
            ("10.0.1.2", 65535, Some(0)),
            ("2001:db8::1", 80, Some(6)),
            ("2001:db8::1", 81, Some(5)),
            ("2001:db8::2", 80, Some(5)),
            ("2001:db8::2", 91, None),
            ("2001:db8:0:1::", 80, None),
            ("::ffff:10.0.0.1", 443, None),
        ] {
            let found = listeners.lookup(addr.parse().unwrap(), port);
            assert_eq!(found, wanted.map(ListenerId), "{addr} port {port}");
        }
        assert_eq!(listeners.rule(ListenerId(6)).unwrap().service, 60);
        assert_eq!(listeners.rule(ListenerId(8)), None);
    }

    #[test]
    fn host_bits_do_not_narrow_a_prefix() {
        let listeners = listeners(&[("10.0.0.1/24", 80..=80)]).unwrap();
        assert_eq!(listeners.lookup4([10, 0, 0, 200], 80), Some(ListenerId(0)));
        assert_eq!(listeners.rules()[0].net.to_string(), "10.0.0.0/24");
    }

    #[test]
    fn an_address_is_owned_when_any_of_its_ports_is_claimed() {
        let listeners = listeners(&[("10.0.0.0/31", 80..=80), ("2001:db8::1/128", 1..=9)]).unwrap();
        for (addr, owned) in [
            ("10.0.0.0", true),
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
        ] {
            assert_eq!(listeners.owns_address(addr.parse().unwrap()), owned, "{addr}");
        }
    }

    #[test]
    fn rules_that_nothing_decides_between_are_named() {
        let error = listeners(&[("10.0.0.0/24", 1..=9), ("10.0.0.0/8", 80..=80), ("10.0.0.7/24", 5..=13)]);
        let message = error.err().unwrap().to_string();
        assert!(message.contains("1 (10.0.0.0/24 ports 1-9) and 3 (10.0.0.0/24 ports 5-13)"), "{message}");
        assert!(message.contains("port 5 of 10.0.0.0/24"), "{message}");
        assert!(listeners(&[("::/0", 1..=9), ("::/0", 1..=9)]).is_err());
    }

    #[test]
    fn equals_may_overlap_where_a_narrower_rule_answers() {
        let rules = [("10.0.0.0/24", 1..=9), ("10.0.0.0/24", 5..=13), ("10.0.0.0/24", 5..=9)];
        let listeners = listeners(&rules).unwrap();
        let answers: Vec<_> =
            (1..=13).map(|port| listeners.lookup4([10, 0, 0, 1], port).unwrap().0).collect();
        assert_eq!(answers, [0, 0, 0, 0, 2, 2, 2, 2, 2, 1, 1, 1, 1]);
    }

    #[test]
    #[allow(clippy::reversed_empty_ranges)]
    fn a_rule_without_ports_is_refused() {
        let error = listeners(&[("10.0.0.0/24", 9..=1)]).err().unwrap();
        assert!(error.to_string().starts_with("listener 1 (10.0.0.0/24 ports 9-1) has no port"), "{error}");
    }

    #[test]
    fn there_are_65536_ids() {
        let rule = |i: u32| (IpNet::new(IpAddr::from(Ipv4Addr::from_bits(i)), 32).unwrap(), 80..=80, ());
        let listeners = Listeners::new((0..1 << 16).map(rule)).unwrap();
        assert_eq!(listeners.lookup4([0, 0, 255, 255], 80), Some(ListenerId(65535)));
        assert_eq!(Listeners::new((0..=1 << 16).map(rule)).err(), Some(ListenerError::TooMany(65537)));
    }

    proptest! {
        /// Against the definition: all rules that contain the address and port, the best first.
        #[test]
        fn the_lookup_is_the_definition(
            rules in prop::collection::vec((0..16u32, 28..=32u8, 0..30u16, 0..12u16), 0..40),
            at in prop::collection::vec((0..16u32, 0..45u16), 50),
        ) {
            let net = |bits, len| IpNet::new(IpAddr::from(Ipv4Addr::from_bits(bits)), len).unwrap();
            let rules: Vec<_> =
                rules.into_iter().map(|(bits, len, from, width)| (net(bits, len), from..=from + width, ())).collect();
            match Listeners::new(rules.clone()) {
                Ok(listeners) => for (bits, port) in at {
                    let addr = IpAddr::from(Ipv4Addr::from_bits(bits));
                    let best = best(&rules, addr, port);
                    prop_assert!(best.len() <= 1);
                    prop_assert_eq!(listeners.lookup(addr, port), best.first().copied());
                    prop_assert_eq!(listeners.owns_address(addr), rules.iter().any(|rule| rule.0.contains(&addr)));
                },
                Err(ListenerError::Ambiguous { first, second, port }) => {
                    let ties: Vec<_> = rules.iter().enumerate()
                        .filter(|(_, rule)| rule.0.trunc() == first.net && rule.1.contains(&port))
                        .map(|(place, rule)| (rule.1.len(), place + 1)).collect();
                    let narrowest = ties.iter().map(|(width, _)| *width).min();
                    for rule in [first, second] {
                        prop_assert!(ties.contains(&(narrowest.unwrap(), rule.place)));
                    }
                }
                Err(error) => prop_assert!(false, "{}", error),
            }
        }
    }

    fn best(rules: &[(IpNet, RangeInclusive<u16>, ())], addr: IpAddr, port: u16) -> Vec<ListenerId> {
        let rank = |rule: &(IpNet, RangeInclusive<u16>, ())| (32 - rule.0.prefix_len(), rule.1.len());
        let all = rules.iter().enumerate();
        let all: Vec<_> = all.filter(|(_, rule)| rule.0.contains(&addr) && rule.1.contains(&port)).collect();
        let best = all.iter().map(|(_, rule)| rank(rule)).min();
        let best = all.iter().filter(|(_, rule)| Some(rank(rule)) == best);
        best.map(|(place, _)| ListenerId(*place as u16)).collect()
    }
}
