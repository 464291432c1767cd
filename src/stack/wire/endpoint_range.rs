use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;

/// A range of addresses and TCP ports that the stack serves instead of the kernel.
///
/// Written `ADDR[/PREFIX]:PORT[-PORT]`, IPv6 in brackets: `10.0.0.0/24:80`, `[2001:db8::]/64:80-90`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointRange {
    /// No host bits are set.
    pub prefix: IpNet,
    /// Never empty, never with port 0.
    pub ports: RangeInclusive<u16>,
}

impl EndpointRange {
    /// Whether the range includes `port` at `address`.
    pub fn covers(&self, address: IpAddr, port: u16) -> bool {
        self.prefix.contains(&address) && self.ports.contains(&port)
    }
}

impl fmt::Display for EndpointRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix {
            IpNet::V4(net) => write!(f, "{}", net.addr())?,
            IpNet::V6(net) => write!(f, "[{}]", net.addr())?,
        }
        if self.prefix.prefix_len() < self.prefix.max_prefix_len() {
            write!(f, "/{}", self.prefix.prefix_len())?;
        }
        write!(f, ":{}", self.ports.start())?;
        if self.ports.start() < self.ports.end() {
            write!(f, "-{}", self.ports.end())?;
        }
        Ok(())
    }
}

impl FromStr for EndpointRange {
    type Err = EndpointRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (place, ports) = split_ports(text)?;
        Ok(Self { prefix: parse_prefix(place)?, ports: parse_ports(ports)? })
    }
}

/// Why a text is not an [`EndpointRange`].
#[allow(missing_docs, reason = "the fields are those of the sentence")]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointRangeError {
    /// A text without a port.
    #[error(
        "\"{0}\" has no port: write ADDR[/PREFIX]:PORT[-PORT], for example 10.0.0.1:80 or [2001:db8::1]:80"
    )]
    MissingPort(String),
    /// A text with nothing before the colon of the port.
    #[error("\"{0}\" has no address: write ADDR{0} or ADDR/PREFIX{0}")]
    MissingAddress(String),
    /// A text with several colons and no brackets.
    #[error("\"{0}\": write an IPv6 address in brackets, for example [2001:db8::1]:80")]
    MissingBrackets(String),
    /// An opening bracket without a closing one.
    #[error("\"{0}\": the bracket is not closed: write [ADDR]:PORT")]
    UnclosedBracket(String),
    /// A text that is no address.
    #[error("\"{0}\" is neither an IPv4 nor an IPv6 address")]
    Address(String),
    /// An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2).
    #[error("\"{0}\" is an IPv4 address inside IPv6: write {1}")]
    Mapped(Ipv6Addr, Ipv4Addr),
    /// The unspecified address alone (`0.0.0.0` or `::`).
    #[error("{0} alone is the unspecified address, which no packet is sent to; every address is {0}/0")]
    Unspecified(IpAddr),
    /// A prefix inside 127.0.0.0/8 or `::1`.
    #[error("{0} is loopback: packets to it stay in the kernel and reach no interface")]
    Loopback(IpNet),
    /// A prefix of addresses that are never a destination, such as 0.0.0.0/8 and the broadcast address.
    #[error("no packet has a destination in {0}")]
    NoDestination(IpNet),
    /// An address of a group, not of a host.
    #[error("\"{0}\" is a multicast address: TCP has none")]
    Multicast(IpAddr),
    /// A text that is no prefix length, or a length above `max` bits.
    #[error("invalid prefix length \"{text}\" for {address}: write a number from 0 to {max}")]
    Prefix { text: String, address: IpAddr, max: u8 },
    /// A prefix length inside the brackets and one behind them.
    #[error("the prefix length of \"{0}\" is written twice")]
    TwoPrefixes(String),
    /// An address with bits set behind its prefix; `network` is the address without them.
    #[error("\"{address}/{prefix_len}\" has host bits set: write {address} or {network}")]
    HostBits { address: IpAddr, prefix_len: u8, network: IpNet },
    /// A text that is no number of 16 bits.
    #[error("invalid port \"{0}\": write a number from 1 to 65535")]
    Port(String),
    /// Port 0, which no service can have.
    #[error("invalid port 0: write a number from 1 to 65535")]
    PortZero,
    /// A first port above the last one.
    #[error("the ports {0}-{1} run backwards: write {1}-{0}")]
    Reversed(u16, u16),
}

/// The text before the colon of the port, and after it.
fn split_ports(text: &str) -> Result<(&str, &str), EndpointRangeError> {
    let missing = || EndpointRangeError::MissingPort(text.to_owned());
    if text.starts_with('[') {
        let close = text.find(']').ok_or_else(|| EndpointRangeError::UnclosedBracket(text.to_owned()))?;
        let colon = text[close..].find(':').ok_or_else(missing)? + close;
        return Ok((&text[..colon], &text[colon + 1..]));
    }
    let (place, ports) = text.rsplit_once(':').ok_or_else(missing)?;
    if place.is_empty() {
        return Err(EndpointRangeError::MissingAddress(text.to_owned()));
    }
    if place.contains(':') {
        return Err(EndpointRangeError::MissingBrackets(text.to_owned()));
    }
    Ok((place, ports))
}

/// `10.0.0.0/24`, `[2001:db8::]/64` or `[2001:db8::/64]`, without the prefix for one address.
fn parse_prefix(place: &str) -> Result<IpNet, EndpointRangeError> {
    let Some(rest) = place.strip_prefix('[') else {
        let (address, prefix_len) = split_prefix(place);
        let address: Ipv4Addr =
            address.parse().map_err(|_| EndpointRangeError::Address(address.to_owned()))?;
        return network(address.into(), prefix_len);
    };
    let (inside, behind) =
        rest.split_once(']').ok_or_else(|| EndpointRangeError::UnclosedBracket(place.to_owned()))?;
    let (address, inner_len) = split_prefix(inside);
    let outer_len = match behind {
        "" => None,
        _ => Some(behind.strip_prefix('/').ok_or_else(|| EndpointRangeError::Address(place.to_owned()))?),
    };
    if inner_len.is_some() && outer_len.is_some() {
        return Err(EndpointRangeError::TwoPrefixes(place.to_owned()));
    }
    let address: Ipv6Addr = address.parse().map_err(|_| EndpointRangeError::Address(address.to_owned()))?;
    if let Some(mapped) = address.to_ipv4_mapped() {
        return Err(EndpointRangeError::Mapped(address, mapped));
    }
    network(address.into(), inner_len.or(outer_len))
}

fn split_prefix(text: &str) -> (&str, Option<&str>) {
    text.split_once('/').map_or((text, None), |(address, prefix_len)| (address, Some(prefix_len)))
}

fn network(address: IpAddr, prefix_len: Option<&str>) -> Result<IpNet, EndpointRangeError> {
    if address.is_multicast() {
        return Err(EndpointRangeError::Multicast(address));
    }
    let Some(text) = prefix_len else {
        return deliverable(address.into());
    };
    let max = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = decimal::<u8>(text)
        .filter(|&prefix_len| prefix_len <= max)
        .ok_or_else(|| EndpointRangeError::Prefix { text: text.to_owned(), address, max })?;
    let net = match address {
        IpAddr::V4(address) => Ipv4Net::new(address, prefix_len).map(IpNet::V4),
        IpAddr::V6(address) => Ipv6Net::new(address, prefix_len).map(IpNet::V6),
    }
    .map_err(|_| EndpointRangeError::Prefix { text: text.to_owned(), address, max })?;
    if net.trunc() != net {
        return Err(EndpointRangeError::HostBits { address, prefix_len, network: net.trunc() });
    }
    deliverable(net)
}

/// Refuses a prefix without any address that can be an endpoint of a connection: its listener would never
/// be used ([`super::ipv4::is_endpoint`], [`super::ipv6::is_endpoint`]).
fn deliverable(net: IpNet) -> Result<IpNet, EndpointRangeError> {
    let address = net.addr();
    let inside = |base: IpAddr, prefix_len| {
        address.is_ipv4() == base.is_ipv4()
            && IpNet::new(base, prefix_len).is_ok_and(|never| never.contains(&net))
    };
    if net.prefix_len() == net.max_prefix_len() && address.is_unspecified() {
        Err(EndpointRangeError::Unspecified(address))
    } else if inside(Ipv4Addr::LOCALHOST.into(), 8) || inside(Ipv6Addr::LOCALHOST.into(), 128) {
        Err(EndpointRangeError::Loopback(net))
    } else if inside(Ipv4Addr::UNSPECIFIED.into(), 8)
        || inside(Ipv6Addr::UNSPECIFIED.into(), 127)
        || inside(Ipv4Addr::BROADCAST.into(), 32)
    {
        Err(EndpointRangeError::NoDestination(net))
    } else {
        Ok(net)
    }
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, EndpointRangeError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_port(first)?, parse_port(last)?);
    if first > last {
        return Err(EndpointRangeError::Reversed(first, last));
    }
    Ok(first..=last)
}

fn parse_port(text: &str) -> Result<u16, EndpointRangeError> {
    match decimal(text) {
        Some(0) => Err(EndpointRangeError::PortZero),
        Some(port) => Ok(port),
        None => Err(EndpointRangeError::Port(text.to_owned())),
    }
}

/// Digits only: `parse` alone would accept a plus sign.
fn decimal<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_every_form() {
        for (text, written) in [
            ("10.0.0.1:80", "10.0.0.1:80"),
            ("10.0.0.1/32:80", "10.0.0.1:80"),
            ("10.0.0.0/24:80-90", "10.0.0.0/24:80-90"),
            ("0.0.0.0/0:1-65535", "0.0.0.0/0:1-65535"),
            ("10.0.0.1:80-80", "10.0.0.1:80"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("0.0.0.0/1:80", "0.0.0.0/1:80"),
            ("[::]/96:80", "[::]/96:80"),
            ("[2001:db8::]/64:80-90", "[2001:db8::]/64:80-90"),
            ("[2001:db8::/64]:80", "[2001:db8::]/64:80"),
            ("[::]/0:443", "[::]/0:443"),
        ] {
            let owned: EndpointRange = text.parse().unwrap();
            assert_eq!(owned.to_string(), written);
            assert_eq!(written.parse::<EndpointRange>().unwrap(), owned);
        }
    }

    #[test]
    fn covers_its_prefix_and_ports() {
        let owned: EndpointRange = "10.0.0.0/24:80-90".parse().unwrap();
        assert!(owned.covers([10, 0, 0, 255].into(), 80));
        assert!(owned.covers([10, 0, 0, 0].into(), 90));
        assert!(!owned.covers([10, 0, 1, 0].into(), 80));
        assert!(!owned.covers([10, 0, 0, 1].into(), 91));
        assert!(!owned.covers(Ipv6Addr::LOCALHOST.into(), 80));
    }

    #[test]
    fn names_each_mistake() {
        let text = String::from;
        let v4 = |a, b, c, d| IpAddr::from([a, b, c, d]);
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        for (input, error) in [
            ("", EndpointRangeError::MissingPort(text(""))),
            ("10.0.0.1", EndpointRangeError::MissingPort(text("10.0.0.1"))),
            ("[::1]", EndpointRangeError::MissingPort(text("[::1]"))),
            ("[::1]/64", EndpointRangeError::MissingPort(text("[::1]/64"))),
            ("::1:80", EndpointRangeError::MissingBrackets(text("::1:80"))),
            ("2001:db8::/64:80", EndpointRangeError::MissingBrackets(text("2001:db8::/64:80"))),
            ("[::1:80", EndpointRangeError::UnclosedBracket(text("[::1:80"))),
            ("10.0.0:80", EndpointRangeError::Address(text("10.0.0"))),
            ("10.0.0.256:80", EndpointRangeError::Address(text("10.0.0.256"))),
            ("example.org:80", EndpointRangeError::Address(text("example.org"))),
            (":80", EndpointRangeError::MissingAddress(text(":80"))),
            ("[10.0.0.1]:80", EndpointRangeError::Address(text("10.0.0.1"))),
            ("[::1]x:80", EndpointRangeError::Address(text("[::1]x"))),
            (
                "[::ffff:10.0.0.1]:80",
                EndpointRangeError::Mapped("::ffff:10.0.0.1".parse().unwrap(), [10, 0, 0, 1].into()),
            ),
            ("224.0.0.1:80", EndpointRangeError::Multicast(v4(224, 0, 0, 1))),
            ("0.0.0.0:80", EndpointRangeError::Unspecified(v4(0, 0, 0, 0))),
            ("[::]/128:80", EndpointRangeError::Unspecified(Ipv6Addr::UNSPECIFIED.into())),
            ("127.0.0.1:80", EndpointRangeError::Loopback(net("127.0.0.1/32"))),
            ("127.0.0.0/8:80", EndpointRangeError::Loopback(net("127.0.0.0/8"))),
            ("[::1]:80", EndpointRangeError::Loopback(net("::1/128"))),
            ("0.0.0.0/8:80", EndpointRangeError::NoDestination(net("0.0.0.0/8"))),
            ("0.1.2.3:80", EndpointRangeError::NoDestination(net("0.1.2.3/32"))),
            ("255.255.255.255:80", EndpointRangeError::NoDestination(net("255.255.255.255/32"))),
            ("[::]/127:80", EndpointRangeError::NoDestination(net("::/127"))),
            (
                "10.0.0.0/33:80",
                EndpointRangeError::Prefix { text: text("33"), address: v4(10, 0, 0, 0), max: 32 },
            ),
            (
                "10.0.0.0/:80",
                EndpointRangeError::Prefix { text: text(""), address: v4(10, 0, 0, 0), max: 32 },
            ),
            (
                "10.0.0.0/+8:80",
                EndpointRangeError::Prefix { text: text("+8"), address: v4(10, 0, 0, 0), max: 32 },
            ),
            (
                "[::]/129:80",
                EndpointRangeError::Prefix {
                    text: text("129"),
                    address: Ipv6Addr::UNSPECIFIED.into(),
                    max: 128,
                },
            ),
            ("[::/64]/64:80", EndpointRangeError::TwoPrefixes(text("[::/64]/64"))),
            (
                "10.0.0.1/24:80",
                EndpointRangeError::HostBits {
                    address: v4(10, 0, 0, 1),
                    prefix_len: 24,
                    network: "10.0.0.0/24".parse().unwrap(),
                },
            ),
            ("10.0.0.1:0", EndpointRangeError::PortZero),
            ("10.0.0.1:0-5", EndpointRangeError::PortZero),
            ("10.0.0.1:", EndpointRangeError::Port(text(""))),
            ("10.0.0.1:65536", EndpointRangeError::Port(text("65536"))),
            ("10.0.0.1:+80", EndpointRangeError::Port(text("+80"))),
            ("10.0.0.1:80-", EndpointRangeError::Port(text(""))),
            ("10.0.0.1:http", EndpointRangeError::Port(text("http"))),
            ("10.0.0.1:90-80", EndpointRangeError::Reversed(90, 80)),
        ] {
            assert_eq!(input.parse::<EndpointRange>(), Err(error), "{input}");
        }
    }
}
