use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Source;
use handfast_stack::engine::FourTuple;
use handfast_stack::wire::EndpointRange;

/// The target of connections: one address, one port or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub address: IpAddr,
    /// Never empty, never with port 0.
    pub ports: RangeInclusive<u16>,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Target, String> {
        let owned = text.parse::<EndpointRange>().map_err(|error| error.to_string())?;
        if owned.prefix.prefix_len() < owned.prefix.max_prefix_len() {
            return Err(format!("\"{text}\" is a whole network: a target is one address, ADDR:PORT[-PORT]"));
        }
        Ok(Target { address: owned.prefix.addr(), ports: owned.ports })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EndpointRange { prefix: self.address.into(), ports: self.ports.clone() }.fmt(f)
    }
}

/// The maximum number of 4-tuples used: at a million per second they last for an hour, longer than any
/// TIME-WAIT.
const MAX_TUPLES: u64 = 1 << 32;

/// All 4-tuples of a run, numbered from 0: the target's port changes fastest, then the source's port, then
/// its address.
#[derive(Clone, Debug)]
pub struct TupleSpace {
    ranges: Vec<SourceRange>,
    address: IpAddr,
    first_target: u16,
    targets: u64,
}

/// The 4-tuples of one source.
#[derive(Clone, Debug)]
struct SourceRange {
    /// The numbers of this source end before this one.
    end: u64,
    /// The first address.
    host: u128,
    first_port: u16,
    ports: u64,
}

impl TupleSpace {
    /// Uses the first addresses of each source, as many as [`MAX_TUPLES`] 4-tuples need.
    pub fn new(sources: &[Source], target: &Target) -> TupleSpace {
        let width = |ports: &RangeInclusive<u16>| u64::from(ports.end().saturating_sub(*ports.start())) + 1;
        let targets = width(&target.ports);
        let budget = MAX_TUPLES / sources.len().max(1) as u64;
        let mut end = 0;
        let ranges = sources.iter().map(|source| {
            let (host, hosts) = source.hosts();
            let ports = width(&source.ports);
            let max = (budget / (ports * targets)).max(1);
            end += u64::try_from(hosts).unwrap_or(u64::MAX).min(max) * ports * targets;
            SourceRange { end, host, first_port: *source.ports.start(), ports }
        });
        TupleSpace {
            ranges: ranges.collect(),
            address: target.address,
            first_target: *target.ports.start(),
            targets,
        }
    }

    /// The number of 4-tuples.
    pub fn len(&self) -> u64 {
        self.ranges.last().map_or(0, |range| range.end)
    }

    /// The number of 4-tuples of this many addresses, of the source with the fewest ports.
    pub(super) fn of_addresses(&self, addresses: u64) -> u64 {
        let ports = self.ranges.iter().map(|range| range.ports).min().unwrap_or(1);
        addresses.saturating_mul(ports).saturating_mul(self.targets)
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// 4-tuple number `index`, below [`TupleSpace::len`].
    #[inline]
    pub(super) fn at(&self, index: u64) -> Option<FourTuple> {
        let mut start = 0;
        for range in &self.ranges {
            if index < range.end {
                return Some(self.within(range, index - start));
            }
            start = range.end;
        }
        None
    }

    #[inline]
    fn within(&self, range: &SourceRange, index: u64) -> FourTuple {
        let (rest, target) = (index / self.targets, index % self.targets);
        let (host, port) = (rest / range.ports, rest % range.ports);
        let host = range.host.wrapping_add(u128::from(host));
        let local: IpAddr = match self.address {
            IpAddr::V4(_) => Ipv4Addr::from(host as u32).into(),
            IpAddr::V6(_) => Ipv6Addr::from(host).into(),
        };
        FourTuple {
            local: SocketAddr::new(local, range.first_port.wrapping_add(port as u16)),
            remote: SocketAddr::new(self.address, self.first_target.wrapping_add(target as u16)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::source::SourceArg;
    use super::*;

    fn space(sources: &[&str], target: &str) -> TupleSpace {
        let sources: Vec<Source> = sources
            .iter()
            .flat_map(|text| text.parse::<SourceArg>().unwrap().resolve(None).unwrap())
            .collect();
        TupleSpace::new(&sources, &target.parse().unwrap())
    }

    #[test]
    fn every_number_is_another_4_tuple() {
        let space = space(&["10.0.0.0/29:1000-1009", "10.1.0.1:7-9"], "10.9.0.1:80-81");
        assert_eq!(space.len(), (6 * 10 + 3) * 2);
        let all: BTreeSet<_> = (0..space.len()).map(|index| space.at(index).unwrap()).map(text).collect();
        assert_eq!(all.len() as u64, space.len());
        assert!(all.contains("10.0.0.6:1009 10.9.0.1:81") && all.contains("10.1.0.1:7 10.9.0.1:80"));
        assert!(!all.iter().any(|ends| ends.starts_with("10.0.0.0:") || ends.starts_with("10.0.0.7:")));
        assert_eq!(space.at(space.len()), None);
    }

    fn text(ends: FourTuple) -> String {
        format!("{} {}", ends.local, ends.remote)
    }

    #[test]
    fn a_vast_network_is_used_in_part() {
        let space = space(&["2001:db8::/64", "[2001:db8:1::]/64:5"], "[2001:db8:9::1]:80");
        assert!((MAX_TUPLES / 4..=MAX_TUPLES).contains(&space.len()), "{}", space.len());
        assert_eq!(text(space.at(0).unwrap()), "[2001:db8::1]:1024 [2001:db8:9::1]:80");
        let last = space.at(space.len() - 1).unwrap();
        assert!(text(last).starts_with("[2001:db8:1::8000:0]:5 "), "{}", text(last));
    }

    #[test]
    fn a_target_is_one_address() {
        assert_eq!("10.0.0.1:80-90".parse::<Target>().unwrap().to_string(), "10.0.0.1:80-90");
        assert_eq!("[2001:db8::1]:80".parse::<Target>().unwrap().to_string(), "[2001:db8::1]:80");
        assert!("10.0.0.0/24:80".parse::<Target>().unwrap_err().contains("a whole network"));
        assert!("10.0.0.1".parse::<Target>().unwrap_err().contains("has no port"));
    }
}
