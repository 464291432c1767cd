use std::net::{IpAddr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use ipnet::IpNet;

use super::template::TemplateFlow;

const FIRST_PORT: u32 = 1024;
const PORTS: u64 = 65_536 - FIRST_PORT as u64;

/// Numbers the 4-tuples: all ports of one address, then those of the next.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    /// Address 0 of the prefix, port 0.
    first: TemplateFlow,
    /// Length of an address, bytes.
    size: usize,
    /// The last 32 bits of the first host's address.
    base: u32,
    hosts: u32,
}

impl Sources {
    /// All hosts of `prefix`, all ports from 1024, to `peer`. `None`: different address families.
    pub(super) fn new(prefix: IpNet, peer: SocketAddr) -> Option<Sources> {
        let mut first = TemplateFlow::default();
        let size = match (prefix.network(), peer.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                first.addresses[..4].copy_from_slice(&from.octets());
                first.addresses[4..8].copy_from_slice(&to.octets());
                4
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                first.addresses[..16].copy_from_slice(&from.octets());
                first.addresses[16..].copy_from_slice(&to.octets());
                16
            }
            _ => return None,
        };
        first.ports[2..].copy_from_slice(&peer.port().to_be_bytes());
        let bits = u32::from(prefix.max_prefix_len() - prefix.prefix_len()).min(16);
        let mut sources = Sources { first, size, base: 0, hosts: (1u32 << bits).saturating_sub(2).max(1) };
        // The network address is not a host.
        sources.base = sources.last_word(&first) + u32::from(bits >= 2);
        Some(sources)
    }

    /// Returns the 4-tuple of this number, from the source to the peer.
    #[inline]
    pub(super) fn flow(&self, number: u32) -> TemplateFlow {
        let mut flow = self.first;
        let host = self.base + (u64::from(number) / PORTS) as u32;
        let port = FIRST_PORT + (u64::from(number) % PORTS) as u32;
        flow.addresses[self.size - 4..self.size].copy_from_slice(&host.to_be_bytes());
        flow.ports[..2].copy_from_slice(&(port as u16).to_be_bytes());
        flow
    }

    /// Returns the number of a 4-tuple; `None`: not from these sources.
    #[inline]
    pub(super) fn number(&self, flow: &TemplateFlow) -> Option<u32> {
        let host = self.last_word(flow).wrapping_sub(self.base);
        let port = u32::from(u16::from_be_bytes([flow.ports[0], flow.ports[1]]));
        let port = u64::from(port.checked_sub(FIRST_PORT)?);
        (host < self.hosts).then(|| (u64::from(host) * PORTS + port) as u32)
    }

    /// Returns the next number.
    #[inline]
    pub(super) fn next(&self, number: u32) -> u32 {
        ((u64::from(number) + 1) % (u64::from(self.hosts) * PORTS)) as u32
    }

    /// Returns the number that a random word stands for.
    #[inline]
    pub(super) fn at(&self, random: u64) -> u32 {
        let count = u64::from(self.hosts) * PORTS;
        ((u128::from(random) * u128::from(count)) >> 64) as u32
    }

    /// Returns a start that earlier runs have not reached, unless they opened more than a million connections
    /// a second: a server may hold the 4-tuples of an earlier run in TIME-WAIT.
    pub(super) fn by_clock(&self) -> u32 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (since.as_micros() % u128::from(u64::from(self.hosts) * PORTS)) as u32
    }

    fn last_word(&self, flow: &TemplateFlow) -> u32 {
        let mut word = [0; 4];
        word.copy_from_slice(&flow.addresses[self.size - 4..self.size]);
        u32::from_be_bytes(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_number_is_one_tuple_and_each_tuple_one_number() {
        for (prefix, peer) in [("10.78.0.0/16", "198.18.1.1:80"), ("2001:db8:78::/64", "[2001:db8::1]:80")] {
            let sources = Sources::new(prefix.parse().unwrap(), peer.parse().unwrap()).unwrap();
            let mut seen = HashSet::new();
            for number in [0, 1, 64_511, 64_512, 1_000_000, 4_000_000_000] {
                let flow = sources.flow(number);
                assert_eq!(sources.number(&flow), Some(number), "{prefix}");
                assert!(seen.insert((flow.addresses, flow.ports)), "{prefix} {number}");
            }
        }
        let one = Sources::new("10.78.0.8/32".parse().unwrap(), "10.0.0.1:80".parse().unwrap()).unwrap();
        assert_eq!(one.next(64_511), 0, "one address has 64,512 ports");
        assert!(Sources::new("10.78.0.0/16".parse().unwrap(), "[::1]:80".parse().unwrap()).is_none());
    }

    #[test]
    fn other_addresses_and_ports_have_no_number() {
        let sources = Sources::new("10.78.0.0/16".parse().unwrap(), "10.0.0.1:80".parse().unwrap()).unwrap();
        let mut flow = sources.flow(7);
        flow.ports[..2].copy_from_slice(&80u16.to_be_bytes());
        assert_eq!(sources.number(&flow), None, "a port below the first");
        let mut flow = sources.flow(7);
        flow.addresses[0] = 11;
        assert_eq!(sources.number(&flow), None, "an address outside");
    }
}
