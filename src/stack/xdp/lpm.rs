//! Rules as the entries of a longest-prefix match (LPM).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::abi;
use super::steering_rule::{ListenerPorts, ListenerRanges, SteeringRule};

/// The owned ports of the addresses for which `prefix` is the longest of all entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LpmEntry {
    pub prefix: IpNet,
    /// No address of this host: the kernel is to answer nothing there.
    pub exclusive: bool,
    pub ports: PortSet,
    /// The listeners of these ports.
    pub listeners: ListenerRanges,
}

/// One bit for each TCP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortSet(Box<[u64; 1024]>);

impl PortSet {
    /// Port p is bit p % 64 of word p / 64.
    pub(super) fn words(&self) -> &[u64; 1024] {
        &self.0
    }

    fn empty() -> Self {
        Self(Box::new([0; 1024]))
    }

    fn add(&mut self, ports: &RangeInclusive<u16>) {
        for port in ports.clone() {
            self.0[usize::from(port / 64)] |= 1 << (port % 64);
        }
    }

    fn unite(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(other.0.iter()) {
            *word |= more;
        }
    }
}

/// Returns one entry for each prefix of `rules`, and one for each address of `local` that a rule covers.
///
/// A look-up finds only the longest prefix, so an entry holds the ports of every rule that covers it. Of more
/// than [`abi::MAX_RANGES`] ranges with a listener it holds the first ones; the stack answers at the others.
pub(super) fn flatten(rules: &[SteeringRule], local: &[IpAddr]) -> Vec<LpmEntry> {
    let mut entries: Vec<LpmEntry> = Vec::new();
    // Indices of the entries whose prefixes contain the current one, the longest last.
    let mut ancestors: Vec<usize> = Vec::new();
    // In the order of `IpNet` a prefix follows all prefixes that contain it.
    for (prefix, node) in nodes(rules, local) {
        while ancestors.last().is_some_and(|&last| !entries[last].prefix.contains(&prefix)) {
            ancestors.pop();
        }
        let parent = ancestors.last().map(|&last| &entries[last]);
        if parent.is_none() && !node.is_rule {
            continue; // a local address that no rule covers
        }
        let mut ports = node.ports;
        let mut listeners = ListenerRanges::default();
        if let Some(parent) = parent {
            ports.unite(&parent.ports);
            listeners = parent.listeners.clone();
        }
        listeners.cover(node.listeners);
        listeners.truncate(abi::MAX_RANGES as usize);
        ancestors.push(entries.len());
        entries.push(LpmEntry { prefix, exclusive: !node.is_local, ports, listeners });
    }
    entries
}

struct Node {
    is_rule: bool,
    is_local: bool,
    ports: PortSet,
    listeners: Vec<ListenerPorts>,
}

fn nodes(rules: &[SteeringRule], local: &[IpAddr]) -> BTreeMap<IpNet, Node> {
    let empty = || Node { is_rule: false, is_local: false, ports: PortSet::empty(), listeners: Vec::new() };
    let mut nodes = BTreeMap::new();
    for SteeringRule { owned, listener } in rules {
        let node = nodes.entry(owned.prefix.trunc()).or_insert_with(empty);
        node.is_rule = true;
        node.ports.add(&owned.ports);
        node.listeners.extend(listener.map(|listener| ListenerPorts::new(&owned.ports, listener)));
    }
    for &address in local {
        nodes.entry(address.into()).or_insert_with(empty).is_local = true;
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::endpoint_range::EndpointRange;

    fn without_listener(rules: &[&str]) -> Vec<SteeringRule> {
        rules.iter().map(|rule| SteeringRule::from(&rule.parse::<EndpointRange>().unwrap())).collect()
    }

    /// Entries as (prefix, exclusive, the owned ones of `ports`).
    fn flat(rules: &[&str], local: &[&str], ports: &[u16]) -> Vec<(String, bool, Vec<u16>)> {
        let rules = without_listener(rules);
        let local: Vec<IpAddr> = local.iter().map(|address| address.parse().unwrap()).collect();
        let owns =
            |entry: &LpmEntry, port: u16| entry.ports.0[usize::from(port / 64)] >> (port % 64) & 1 == 1;
        flatten(&rules, &local)
            .iter()
            .map(|entry| {
                let owned = ports.iter().copied().filter(|&port| owns(entry, port)).collect();
                (entry.prefix.to_string(), entry.exclusive, owned)
            })
            .collect()
    }

    fn entry(prefix: &str, exclusive: bool, ports: &[u16]) -> (String, bool, Vec<u16>) {
        (prefix.to_owned(), exclusive, ports.to_vec())
    }

    #[test]
    fn no_rules_give_no_entries() {
        assert_eq!(flat(&[], &["10.0.0.1", "::1"], &[]), []);
    }

    #[test]
    fn rules_of_one_prefix_share_an_entry() {
        assert_eq!(
            flat(
                &["10.0.0.0/24:80", "10.0.0.0/24:443-444", "10.0.0.0/24:65535"],
                &[],
                &[79, 80, 81, 443, 444, 65535]
            ),
            [entry("10.0.0.0/24", true, &[80, 443, 444, 65535])]
        );
    }

    #[test]
    fn nested_prefixes_hold_the_ports_of_all_that_contain_them() {
        assert_eq!(
            flat(
                &[
                    "10.0.0.0/24:3",
                    "10.0.0.0/8:1",
                    "10.0.0.0/16:2",
                    "10.0.0.7:4",
                    "10.1.0.0/16:5",
                    "11.0.0.0/8:6"
                ],
                &[],
                &[1, 2, 3, 4, 5, 6]
            ),
            [
                entry("10.0.0.0/8", true, &[1]),
                entry("10.0.0.0/16", true, &[1, 2]),
                entry("10.0.0.0/24", true, &[1, 2, 3]),
                entry("10.0.0.7/32", true, &[1, 2, 3, 4]),
                entry("10.1.0.0/16", true, &[1, 5]),
                entry("11.0.0.0/8", true, &[6]),
            ]
        );
    }

    #[test]
    fn a_local_address_inside_a_prefix_is_shared() {
        assert_eq!(
            flat(&["10.0.0.0/24:80"], &["10.0.0.1", "10.0.1.1", "fe80::1"], &[80]),
            [entry("10.0.0.0/24", true, &[80]), entry("10.0.0.1/32", false, &[80])]
        );
    }

    #[test]
    fn a_rule_for_exactly_a_local_address_is_shared() {
        assert_eq!(flat(&["10.0.0.1:80"], &["10.0.0.1"], &[80]), [entry("10.0.0.1/32", false, &[80])]);
        assert_eq!(flat(&["[fe80::1]:80"], &["fe80::1"], &[80]), [entry("fe80::1/128", false, &[80])]);
    }

    #[test]
    fn the_families_keep_apart() {
        assert_eq!(
            flat(&["[::]/0:80", "0.0.0.0/0:90"], &["10.0.0.1", "2001:db8::1"], &[80, 90]),
            [
                entry("0.0.0.0/0", true, &[90]),
                entry("10.0.0.1/32", false, &[90]),
                entry("::/0", true, &[80]),
                entry("2001:db8::1/128", false, &[80]),
            ]
        );
    }

    #[test]
    fn agrees_with_a_check_of_every_rule() {
        let rules = without_listener(&[
            "0.0.0.0/0:9",
            "10.0.0.0/8:1-100",
            "10.0.0.0/9:90-200",
            "10.0.0.128/25:300",
            "10.0.0.129:7",
        ]);
        let entries = flatten(&rules, &[IpAddr::from([10, 0, 0, 130])]);
        for address in ["10.0.0.128", "10.0.0.129", "10.0.0.130", "10.0.0.1", "10.200.0.1", "11.0.0.1"] {
            let address: IpAddr = address.parse().unwrap();
            let longest =
                entries.iter().filter(|e| e.prefix.contains(&address)).max_by_key(|e| e.prefix.prefix_len());
            let words = longest.unwrap().ports.words();
            for port in 0..=400u16 {
                let owned = words[usize::from(port / 64)] >> (port % 64) & 1 == 1;
                assert_eq!(
                    owned,
                    rules.iter().any(|rule| rule.owned.covers(address, port)),
                    "{address} {port}"
                );
            }
        }
    }
}
