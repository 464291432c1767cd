use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use handfast_stack::engine::{STATES, state_name};
use handfast_stack::tcp::State;

/// A filter for connections; an unset field matches all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// States to match; empty: any.
    pub state: Vec<StateName>,
    pub local: Option<AddressFilter>,
    pub peer: Option<AddressFilter>,
    /// Maximum number of listed connections.
    pub limit: Option<u64>,
}

impl Filter {
    /// Whether the addresses match.
    pub(super) fn passes(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        let contains =
            |filter: &Option<AddressFilter>, end| filter.as_ref().is_none_or(|filter| filter.contains(end));
        contains(&self.local, local) && contains(&self.peer, peer)
    }

    pub(super) fn passes_state(&self, state: State) -> bool {
        self.state.is_empty() || self.state.iter().any(|wanted| wanted.0 == state)
    }
}

/// A state by its name in RFC 9293, in upper or lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateName(pub State);

impl FromStr for StateName {
    type Err = String;

    fn from_str(text: &str) -> Result<StateName, String> {
        let wanted = text.to_ascii_uppercase().replace('_', "-");
        let found = STATES.iter().find(|(_, name)| *name == wanted);
        found.map(|(state, _)| StateName(*state)).ok_or_else(|| {
            let names: Vec<&str> = STATES.iter().map(|(_, name)| *name).collect();
            format!("invalid state `{text}`: the states are {}", names.join(", "))
        })
    }
}

/// An address filter: `ADDR`, `ADDR/PREFIX`, `ADDR[/PREFIX]:PORT` or `:PORT`; IPv6 in brackets if a port follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressFilter {
    net: Option<IpNet>,
    port: Option<u16>,
}

impl AddressFilter {
    fn contains(&self, end: SocketAddr) -> bool {
        self.net.is_none_or(|net| net.contains(&end.ip())) && self.port.is_none_or(|port| port == end.port())
    }
}

impl FromStr for AddressFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<AddressFilter, String> {
        let wrong = || {
            format!(
                "invalid address `{text}`: write 10.0.0.1, 10.0.0.0/24, 10.0.0.1:80, [2001:db8::1]:80 or :80"
            )
        };
        let (addresses, port) = split(text);
        let port = port.map(|port| port.parse::<u16>().map_err(|_| wrong())).transpose()?;
        let net = match addresses {
            "" if port.is_some() => None,
            addresses => Some(net(addresses).ok_or_else(wrong)?),
        };
        Ok(AddressFilter { net, port })
    }
}

/// The addresses, and the port after the colon. In an IPv6 address without brackets every colon
/// belongs to the address.
fn split(text: &str) -> (&str, Option<&str>) {
    let bare = text.split('/').next().unwrap_or(text).parse::<Ipv6Addr>().is_ok();
    let whole = bare || text.ends_with(']');
    match text.rsplit_once(':').filter(|_| !whole) {
        // `[2001:db8::]/64`: the last colon is inside.
        Some((_, behind)) if behind.contains(']') => (text, None),
        Some((addresses, port)) => (addresses, Some(port)),
        None => (text, None),
    }
}

fn net(text: &str) -> Option<IpNet> {
    let (address, length) =
        text.split_once('/').map_or((text, None), |(address, rest)| (address, Some(rest)));
    let inside = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address: IpAddr = match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().ok()?.into(),
        None => address.parse().ok()?,
    };
    match length {
        Some(length) => IpNet::new(address, length.parse().ok()?).ok(),
        None => Some(address.into()),
    }
}

impl fmt::Display for AddressFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.net {
            Some(net) if net.addr().is_ipv6() => write!(f, "[{}]/{}", net.addr(), net.prefix_len())?,
            Some(net) => write!(f, "{net}")?,
            None => {}
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl TryFrom<String> for AddressFilter {
    type Error = String;

    fn try_from(text: String) -> Result<AddressFilter, String> {
        text.parse()
    }
}

impl From<AddressFilter> for String {
    fn from(filter: AddressFilter) -> String {
        filter.to_string()
    }
}

impl TryFrom<String> for StateName {
    type Error = String;

    fn try_from(text: String) -> Result<StateName, String> {
        text.parse()
    }
}

impl From<StateName> for String {
    fn from(name: StateName) -> String {
        state_name(name.0).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> AddressFilter {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn filters_match_addresses_and_ports() {
        let ends = ["10.0.0.1:80", "10.0.0.2:443", "[2001:db8::1]:80", "[2001:db8:1::1]:443"];
        for (text, held) in [
            ("10.0.0.1", [true, false, false, false]),
            ("10.0.0.0/24", [true, true, false, false]),
            ("10.0.0.0/24:443", [false, true, false, false]),
            (":80", [true, false, true, false]),
            ("2001:db8::1", [false, false, true, false]),
            ("2001:db8::/32", [false, false, true, true]),
            ("[2001:db8::]/32:443", [false, false, false, true]),
            ("[2001:db8::1]", [false, false, true, false]),
            ("[2001:db8::1]:80", [false, false, true, false]),
            ("[2001:db8::]/32", [false, false, true, true]),
        ] {
            assert_eq!(ends.map(|end| place(text).contains(end.parse().unwrap())), held, "{text}");
            assert_eq!(place(&place(text).to_string()), place(text), "{text}, written and read");
        }
    }

    #[test]
    fn an_invalid_filter_is_named() {
        for text in ["", ":", ":x", ":70000", "10.0.0.300", "10.0.0.1/33", "[::1", "10.0.0.1:80:80", "host"] {
            let error = text.parse::<AddressFilter>().expect_err(text);
            assert!(error.contains(&format!("invalid address `{text}`")), "{error}");
        }
    }

    #[test]
    fn states_are_named_as_people_write_them() {
        for text in ["TIME-WAIT", "time-wait", "time_wait"] {
            assert_eq!(text.parse(), Ok(StateName(State::TimeWait)));
        }
        let error = "open".parse::<StateName>().expect_err("no state");
        assert!(error.contains("`open`") && error.contains("SYN-RECEIVED"), "{error}");
    }

    #[test]
    fn a_filter_is_read_as_it_is_written() {
        let filter = Filter {
            state: vec![StateName(State::FinWait1)],
            local: Some(place("[2001:db8::]/64:80")),
            peer: Some(place("10.0.0.0/8")),
            limit: Some(3),
        };
        let text = serde_json::to_string(&filter).unwrap();
        assert_eq!(serde_json::from_str::<Filter>(&text).unwrap(), filter);
        assert_eq!(serde_json::from_str::<Filter>("{}").unwrap(), Filter::default());
        assert!(serde_json::from_str::<Filter>(r#"{"port":80}"#).is_err());
    }
}
