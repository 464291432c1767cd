//! What connections are opened to, as it is asked for: an address, one with a zone, or a name.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::ops::RangeInclusive;
use std::str::FromStr;

use nix::net::if_::if_indextoname;

use super::Failure;
use handfast_load::Target;

/// `ADDR:PORT[-PORT]`, `[ADDR6%ZONE]:PORT[-PORT]` (RFC 4007 11) or `NAME:PORT[-PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetArg {
    host: TargetHost,
    ports: RangeInclusive<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TargetHost {
    Address(IpAddr),
    Zoned(Ipv6Addr, String),
    Name(String),
}

/// A target whose address is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) target: Target,
    /// The interface of a link-local address.
    pub(super) zone: Option<String>,
    /// The name that was looked up.
    pub(super) name: Option<String>,
}

impl FromStr for TargetArg {
    type Err = String;

    fn from_str(text: &str) -> Result<TargetArg, String> {
        if let Some((address, zone, ports)) = zoned(text) {
            let target: Target = format!("[{address}]:{ports}").parse()?;
            let IpAddr::V6(address) = target.address else { return Err(not_zoned(text)) };
            if zone.is_empty() || !address.is_unicast_link_local() {
                return Err(not_zoned(text));
            }
            return Ok(TargetArg { host: TargetHost::Zoned(address, zone.to_owned()), ports: target.ports });
        }
        if let Some((name, ports)) = named(text) {
            // The ports are read as those of any address are.
            let target: Target = format!("192.0.2.1:{ports}").parse()?;
            return Ok(TargetArg { host: TargetHost::Name(name.to_owned()), ports: target.ports });
        }
        let Target { address, ports } = text.parse()?;
        Ok(TargetArg { host: TargetHost::Address(address), ports })
    }
}

/// Address, zone and ports of `[fe80::1%eth0]:80`.
fn zoned(text: &str) -> Option<(&str, &str, &str)> {
    let (inside, ports) = text.strip_prefix('[')?.split_once("]:")?;
    let (address, zone) = inside.split_once('%')?;
    Some((address, zone, ports))
}

fn not_zoned(text: &str) -> String {
    format!("invalid target \"{text}\": only a link-local address has a zone, as in [fe80::1%eth0]:80")
}

/// Name and ports of `example.org:80`. The last label of a name is no number (RFC 1123 2.1).
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, ports) = text.rsplit_once(':')?;
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let last = name.trim_end_matches('.').rsplit('.').next()?;
    let number = last.bytes().all(|byte| byte.is_ascii_digit());
    (name.bytes().all(of_name) && !last.is_empty() && !number).then_some((name, ports))
}

impl TargetArg {
    /// As the Host field of a request names it (RFC 9110 7.2): without a zone.
    pub(super) fn authority(&self) -> String {
        match &self.host {
            TargetHost::Address(address) => self.at(*address).to_string(),
            TargetHost::Zoned(address, _) => self.at((*address).into()).to_string(),
            TargetHost::Name(name) if self.ports.start() == self.ports.end() => {
                format!("{name}:{}", self.ports.start())
            }
            TargetHost::Name(name) => format!("{name}:{}-{}", self.ports.start(), self.ports.end()),
        }
    }

    fn at(&self, address: IpAddr) -> Target {
        Target { address, ports: self.ports.clone() }
    }

    /// Looks a name up (getaddrinfo(3)). Of its addresses the first of the `family` that sources were
    /// given in, `true`: IPv4, else the first of all.
    pub(super) fn resolve(&self, family: Option<bool>) -> Result<Resolved, Failure> {
        let known = |address, zone| Resolved { target: self.at(address), zone, name: None };
        let name = match &self.host {
            TargetHost::Address(address) => return Ok(known(*address, None)),
            TargetHost::Zoned(address, zone) => {
                // An interface may be named by its index (RFC 4007 11.2).
                let named = zone.parse().ok().and_then(interface).unwrap_or_else(|| zone.clone());
                return Ok(known((*address).into(), Some(named)));
            }
            TargetHost::Name(name) => name,
        };
        let found = (name.as_str(), *self.ports.start()).to_socket_addrs().map_err(|error| {
            Failure::new(format!("cannot look up {name}: {error}"))
                .fix(format!("check the name (getent ahosts {name}), or give an address"))
        })?;
        let found: Vec<SocketAddr> = found.collect();
        let of_family = |at: &&SocketAddr| family.is_none_or(|ipv4| at.is_ipv4() == ipv4);
        let Some(at) = found.iter().find(of_family) else {
            return Err(Failure::new(format!("{name} has no address of the same family as --source"))
                .fix("give sources of the other address family, or none"));
        };
        let zone = match at {
            SocketAddr::V6(at) if at.scope_id() > 0 => interface(at.scope_id()),
            _ => None,
        };
        Ok(Resolved { name: Some(name.clone()), ..known(at.ip(), zone) })
    }
}

fn interface(index: u32) -> Option<String> {
    if_indextoname(index).ok()?.into_string().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_a_zone_or_a_name() {
        let fe80: Ipv6Addr = "fe80::1".parse().unwrap();
        for (text, host, ports, authority) in [
            ("10.8.0.1:80", TargetHost::Address([10, 8, 0, 1].into()), 80..=80, "10.8.0.1:80"),
            ("[fe80::1%eth0]:80", TargetHost::Zoned(fe80, "eth0".into()), 80..=80, "[fe80::1]:80"),
            ("[fe80::1]:80-90", TargetHost::Address(fe80.into()), 80..=90, "[fe80::1]:80-90"),
            ("example.org:80", TargetHost::Name("example.org".into()), 80..=80, "example.org:80"),
            ("web-1:8080-8081", TargetHost::Name("web-1".into()), 8080..=8081, "web-1:8080-8081"),
            ("localhost:80", TargetHost::Name("localhost".into()), 80..=80, "localhost:80"),
            ("example.org.:80", TargetHost::Name("example.org.".into()), 80..=80, "example.org.:80"),
            ("1.example:80", TargetHost::Name("1.example".into()), 80..=80, "1.example:80"),
        ] {
            let target: TargetArg = text.parse().expect(text);
            assert_eq!(target.authority(), authority);
            assert_eq!(target, TargetArg { host, ports }, "{text}");
        }
    }

    #[test]
    fn mistakes_have_names() {
        for (text, part) in [
            ("10.8.0.1", "has no port"),
            ("example.org", "has no port"),
            ("10.8.0.300:80", "neither an IPv4 nor an IPv6"),
            ("10.8.0.0/24:80", "a whole network"),
            ("example.org:0", "port 0"),
            ("example.org:http", "invalid port"),
            ("[2001:db8::1%eth0]:80", "only a link-local address has a zone"),
            ("[fe80::1%]:80", "only a link-local address has a zone"),
            ("[10.8.0.1%eth0]:80", "IPv"),
            ("fe80::1%eth0:80", "brackets"),
            (":80", "no address"),
        ] {
            let error = text.parse::<TargetArg>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_zone_is_a_name_or_an_index() {
        for (text, zone) in
            [("[fe80::1%lo]:80", "lo"), ("[fe80::1%1]:80", "lo"), ("[fe80::1%eth9]:80", "eth9")]
        {
            let found = text.parse::<TargetArg>().unwrap().resolve(None).unwrap();
            assert_eq!(found.zone.as_deref(), Some(zone), "{text}");
        }
    }

    #[test]
    fn a_name_is_looked_up_in_the_family_of_the_sources() {
        let target: TargetArg = "localhost:80".parse().unwrap();
        let found = target.resolve(Some(true)).unwrap();
        assert_eq!(
            (found.target.to_string().as_str(), found.name.as_deref()),
            ("127.0.0.1:80", Some("localhost"))
        );
        let none: TargetArg = "nothing.invalid:80".parse().unwrap();
        let error = none.resolve(None).unwrap_err().to_string();
        assert!(error.contains("cannot look up nothing.invalid") && error.contains("fix: "), "{error}");
    }
}
