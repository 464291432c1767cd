use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::IpNet;
use thiserror::Error;

use handfast_stack::wire::EndpointRange;
use handfast_stack::wire::endpoint_range::EndpointRangeError;

/// The default ports: all but the well-known ones, which a peer may treat as privileged.
const DEFAULT_PORTS: RangeInclusive<u16> = 1024..=u16::MAX;

/// A source as the user writes it: `CIDR[:PORT[-PORT]]`, an IPv6 prefix with ports in brackets: `10.0.0.0/24`, `10.0.0.9:2000-2999`, `[2001:db8::]/64:1024-65535`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceArg {
    pub net: IpNet,
    /// `None`: all ports from 1024 on, without those that the kernel needs.
    pub ports: Option<RangeInclusive<u16>>,
}

/// Addresses and ports to open connections from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Without host bits.
    pub net: IpNet,
    /// Not empty, without port 0.
    pub ports: RangeInclusive<u16>,
}

/// Why a source cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SourceError {
    #[error(transparent)]
    Text(#[from] EndpointRangeError),
    #[error(
        "the source ports {0}-{1} overlap with the kernel's ephemeral ports, {2}-{3}, on an address of an \
         interface: write other ports, an address that no interface has, or move the kernel's range with \
         `sysctl -w net.ipv4.ip_local_port_range=\"FIRST LAST\"`"
    )]
    KernelPorts(u16, u16, u16, u16),
    #[error(
        "the kernel's ephemeral ports are {0}-{1}, which leaves none on an address of an interface: use an \
         address that no interface has"
    )]
    NoPortLeft(u16, u16),
}

impl FromStr for SourceArg {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<SourceArg, SourceError> {
        // An IPv6 address without ports needs no brackets. The port is added so that the prefix is parsed
        // as one with ports is.
        let bare = text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>());
        let whole = match bare {
            Ok(IpNet::V6(net)) => Some(format!("[{}]/{}:1", net.addr(), net.prefix_len())),
            Ok(IpNet::V4(_)) => Some(format!("{text}:1")),
            Err(_) => None,
        };
        if let Some(whole) = whole {
            return Ok(SourceArg { net: whole.parse::<EndpointRange>()?.prefix, ports: None });
        }
        match text.parse::<EndpointRange>() {
            _ if text.is_empty() => Err(EndpointRangeError::Address(text.to_owned()).into()),
            Ok(owned) => Ok(SourceArg { net: owned.prefix, ports: Some(owned.ports) }),
            Err(EndpointRangeError::MissingPort(_)) => {
                Ok(SourceArg { net: format!("{text}:1").parse::<EndpointRange>()?.prefix, ports: None })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl SourceArg {
    /// Resolves the ports. `kernel`: the kernel's ephemeral range
    /// (`/proc/sys/net/ipv4/ip_local_port_range`, for both families) if an interface has one of these
    /// addresses: segments to those ports belong to the kernel's own connections.
    ///
    /// # Errors
    /// [`SourceError`]: the ports overlap with the kernel's, or it leaves none.
    pub fn resolve(&self, kernel: Option<RangeInclusive<u16>>) -> Result<Vec<Source>, SourceError> {
        let source = |ports: RangeInclusive<u16>| Source { net: self.net, ports };
        let Some(kernel) = kernel.filter(|kernel| !kernel.is_empty()) else {
            return Ok(vec![source(self.ports.clone().unwrap_or(DEFAULT_PORTS))]);
        };
        let (low, high) = kernel.into_inner();
        if let Some(ports) = self.ports.clone() {
            return match *ports.start() > high || *ports.end() < low {
                true => Ok(vec![source(ports)]),
                false => Err(SourceError::KernelPorts(*ports.start(), *ports.end(), low, high)),
            };
        }
        let (first, last) = DEFAULT_PORTS.into_inner();
        let below = low.checked_sub(1).map(|end| first..=end);
        let above = high.checked_add(1).map(|start| start.max(first)..=last);
        let left: Vec<Source> =
            below.into_iter().chain(above).filter(|ports| !ports.is_empty()).map(source).collect();
        if left.is_empty() { Err(SourceError::NoPortLeft(low, high)) } else { Ok(left) }
    }
}

impl Source {
    /// The range that the steering program must redirect: the replies.
    pub fn owned(&self) -> EndpointRange {
        EndpointRange { prefix: self.net, ports: self.ports.clone() }
    }

    /// The first usable address, and the number of them: without the network and broadcast address of an
    /// IPv4 prefix (shorter than /31, RFC 3021), and without the subnet-router anycast address
    /// of an IPv6 prefix (shorter than /127, RFC 4291 2.6.1, RFC 6164).
    pub(super) fn hosts(&self) -> (u128, u128) {
        let host_bits = u32::from(self.net.max_prefix_len() - self.net.prefix_len());
        let first = match self.net.network() {
            IpAddr::V4(address) => u128::from(u32::from(address)),
            IpAddr::V6(address) => u128::from(address),
        };
        let all = 1u128.checked_shl(host_bits).unwrap_or(u128::MAX);
        match self.net {
            _ if host_bits < 2 => (first, all),
            IpNet::V4(_) => (first + 1, all - 2),
            IpNet::V6(_) => (first + 1, all - 1),
        }
    }

    /// Whether the two have an address and port in common.
    pub(super) fn overlaps(&self, other: &Source) -> bool {
        let nets = self.net.contains(&other.net) || other.net.contains(&self.net);
        nets && self.ports.start() <= other.ports.end() && other.ports.start() <= self.ports.end()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owned().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source_arg(text: &str) -> SourceArg {
        text.parse().expect(text)
    }

    #[test]
    fn ports_may_be_left_out() {
        for (text, net, ports) in [
            ("10.0.0.1", "10.0.0.1/32", None),
            ("10.0.0.0/24", "10.0.0.0/24", None),
            ("10.0.0.0/24:2000-2999", "10.0.0.0/24", Some(2000..=2999)),
            ("10.0.0.9:5000", "10.0.0.9/32", Some(5000..=5000)),
            ("2001:db8::1", "2001:db8::1/128", None),
            ("2001:db8::/64", "2001:db8::/64", None),
            ("[2001:db8::1]", "2001:db8::1/128", None),
            ("[2001:db8::]/64", "2001:db8::/64", None),
            ("[2001:db8::]/64:1-9", "2001:db8::/64", Some(1..=9)),
            ("[2001:db8::/64]:1-9", "2001:db8::/64", Some(1..=9)),
        ] {
            assert_eq!(source_arg(text), SourceArg { net: net.parse().unwrap(), ports }, "{text}");
        }
    }

    #[test]
    fn mistakes_have_names() {
        for (text, part) in [
            ("", "neither an IPv4 nor an IPv6"),
            ("10.0.0.1/24", "has host bits set"),
            ("2001:db8::1/64", "has host bits set"),
            ("10.0.0.0/33", "invalid prefix length"),
            ("10.0.0.1:0", "port 0"),
            ("10.0.0.1:9-1", "run backwards"),
            ("[2001:db8::1", "not closed"),
            ("example.org:80", "neither an IPv4 nor an IPv6"),
            ("224.0.0.1", "multicast"),
            ("::ffff:10.0.0.1", "write 10.0.0.1"),
        ] {
            let error = text.parse::<SourceArg>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_kernel_keeps_its_ports_on_an_address_it_shares() {
        let ports = |text: &str, kernel| {
            let sources = source_arg(text).resolve(kernel)?;
            Ok(sources.into_iter().map(|source| source.ports).collect::<Vec<_>>())
        };
        assert_eq!(ports("10.0.0.1", None), Ok(vec![1024..=65535]));
        assert_eq!(ports("10.0.0.1", Some(32768..=60999)), Ok(vec![1024..=32767, 61000..=65535]));
        assert_eq!(ports("10.0.0.1", Some(1..=60999)), Ok(vec![61000..=65535]));
        assert_eq!(ports("10.0.0.1", Some(2000..=65535)), Ok(vec![1024..=1999]));
        assert_eq!(ports("10.0.0.1", Some(1..=65535)), Err(SourceError::NoPortLeft(1, 65535)));
        assert_eq!(ports("10.0.0.1:80-1023", Some(1024..=60999)), Ok(vec![80..=1023]));
        for taken in ["32768-32768", "60999-65535", "1-65535", "40000-40001"] {
            let error = ports(&format!("10.0.0.1:{taken}"), Some(32768..=60999));
            assert!(matches!(error, Err(SourceError::KernelPorts(..))), "{taken}");
        }
        assert_eq!(ports("10.0.0.1:40000-40001", None), Ok(vec![40000..=40001]));
    }

    #[test]
    fn reserved_addresses_are_not_used() {
        let v4 = |text: &str| u128::from(u32::from(text.parse::<std::net::Ipv4Addr>().unwrap()));
        let v6 = |text: &str| u128::from(text.parse::<std::net::Ipv6Addr>().unwrap());
        for (text, hosts) in [
            ("10.0.0.0/24", (v4("10.0.0.1"), 254)),
            ("10.0.0.0/30", (v4("10.0.0.1"), 2)),
            ("10.0.0.0/31", (v4("10.0.0.0"), 2)),
            ("10.0.0.7", (v4("10.0.0.7"), 1)),
            ("2001:db8::/64", (v6("2001:db8::1"), (1 << 64) - 1)),
            ("2001:db8::/127", (v6("2001:db8::"), 2)),
            ("2001:db8::5", (v6("2001:db8::5"), 1)),
        ] {
            assert_eq!(source_arg(text).resolve(None).unwrap()[0].hosts(), hosts, "{text}");
        }
        assert_eq!(source_arg("::/0").resolve(None).unwrap()[0].hosts(), (1, u128::MAX - 1));
    }

    #[test]
    fn sources_overlap_only_if_addresses_and_ports_do() {
        let source = |text: &str| source_arg(text).resolve(None).unwrap().remove(0);
        for (one, other, overlap) in [
            ("10.0.0.0/24:1-9", "10.0.0.7:9", true),
            ("10.0.0.0/24:1-9", "10.0.0.7:10", false),
            ("10.0.0.0/24", "10.0.1.0/24", false),
            ("10.0.0.0/8", "10.0.1.0/24", true),
            ("10.0.0.0/8", "2001:db8::/64", false),
        ] {
            assert_eq!(source(one).overlaps(&source(other)), overlap, "{one} {other}");
            assert_eq!(source(other).overlaps(&source(one)), overlap, "{other} {one}");
        }
    }
}
