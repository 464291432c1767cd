//! What an operator would want to know before the first frame: sentences, for [`super::Effective`].

use std::net::IpAddr;

use ipnet::IpNet;

use crate::wire::EndpointRange;
use crate::xdp::{Network, vlan};

/// Cores that were asked for and get no queue. A queue belongs to one core.
pub(super) fn idle_cores(asked: &[usize], taken: &[usize], queues: u32) -> Option<String> {
    let idle: Vec<String> =
        asked.iter().filter(|cpu| !taken.contains(cpu)).map(ToString::to_string).collect();
    let queues = match queues {
        1 => "is 1 queue".to_owned(),
        more => format!("are {more} queues"),
    };
    let cores = if idle.len() == 1 { "core" } else { "cores" };
    (!idle.is_empty()).then(|| {
        format!(
            "there {queues} and a queue has one core: nothing for {cores} {} to do; \
             ethtool -L IF combined N (veth: rx N tx N) makes more queues",
            idle.join(", "),
        )
    })
}

/// A link whose every address we take: ARP and neighbour discovery are answered for hosts that may be
/// there. Not a link of two hosts, where the other one asks.
pub(super) fn whole_links(name: &str, owned: &[EndpointRange], addresses: &[(IpAddr, u8)]) -> Vec<String> {
    let links = addresses.iter().filter_map(|(address, length)| IpNet::new(*address, *length).ok());
    let links = links.map(|link| link.trunc()).filter(|link| {
        let is_local = matches!(link.addr(), IpAddr::V6(address) if address.is_unicast_link_local());
        link.max_prefix_len() - link.prefix_len() > 1 && !is_local
    });
    let taken =
        links.filter_map(|link| Some((link, owned.iter().find(|owned| owned.prefix.contains(&link))?)));
    let note = |(link, owned): (IpNet, &EndpointRange)| {
        format!(
            "{owned} takes in all of {link}, the link of {name}: whoever asks there for the MAC of any address \
             but this machine's gets ours, and hosts that have one lose what is sent to them"
        )
    };
    taken.map(note).collect()
}

/// VLANs on an interface that takes the tag out of the frame: our answer would leave without it.
pub(super) fn hidden_tags(name: &str) -> Option<String> {
    let vlans = vlan::devices(name);
    (vlan::is_hidden(name) && !vlans.is_empty()).then(|| {
        format!(
            "{name} has VLANs ({}), and its NIC takes the tag out of a received frame: what comes with a tag is \
             answered without one; cure: ethtool -K {name} rxvlan off",
            vlans.join(" ")
        )
    })
}

/// Addresses that are the machine's own: there the kernel keeps what is not listed.
pub(super) fn shared(owned: &[&EndpointRange], network: &Network) -> Option<String> {
    const NAMED: usize = 8;
    let local = network.local().into_iter().filter(|address| !address.is_loopback());
    let shared: Vec<IpAddr> =
        local.filter(|address| owned.iter().any(|owned| owned.prefix.contains(address))).collect();
    let name = |address: &IpAddr| format!("{address} ({})", network.holder(*address).unwrap_or("?"));
    let mut names: Vec<String> = shared.iter().take(NAMED).map(name).collect();
    if shared.len() > NAMED {
        names.push(format!("and {} more", shared.len() - NAMED));
    }
    (!shared.is_empty()).then(|| {
        format!("shared with the kernel, which keeps all ports that are not listed: {}", names.join(" "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::{Address, Interface};

    #[test]
    fn addresses_of_every_interface_are_shared() {
        let named = |index, name: &str| Interface { index, name: name.into(), ..Interface::default() };
        let held =
            |index, address: &str| Address { index, address: address.parse().unwrap(), prefix_len: 24 };
        let network = Network {
            interfaces: vec![named(1, "lo"), named(2, "eth0")],
            addresses: vec![held(1, "127.0.0.1"), held(1, "10.1.1.1"), held(2, "10.0.0.5")],
        };
        let note = |owned: &str| shared(&[&owned.parse().unwrap()], &network);
        let both = note("0.0.0.0/0:80").expect("two of them");
        assert!(both.ends_with(": 10.0.0.5 (eth0) 10.1.1.1 (lo)"), "{both}");
        assert!(note("10.1.1.1:80").is_some_and(|note| note.ends_with(": 10.1.1.1 (lo)")));
        assert_eq!(note("10.2.0.0/16:80"), None);
    }

    #[test]
    fn only_cores_that_were_asked_for_are_missed() {
        assert_eq!(idle_cores(&[], &[0], 1), None);
        assert_eq!(idle_cores(&[2, 3], &[2, 3], 2), None);
        let note = idle_cores(&[0, 1], &[0], 1).expect("one too many");
        assert!(note.starts_with("there is 1 queue") && note.contains("for core 1 to do"), "{note}");
        let note = idle_cores(&[0, 1, 2, 3], &[0, 1], 2).expect("two too many");
        assert!(note.starts_with("there are 2 queues") && note.contains("for cores 2, 3 to do"), "{note}");
    }

    #[test]
    fn a_link_is_whole_with_every_address_of_it() {
        let notes = |owned: &str, address: &str, length| {
            whole_links("eth0", &[owned.parse().unwrap()], &[(address.parse().unwrap(), length)]).len()
        };
        for (owned, address, length, number) in [
            ("0.0.0.0/0:80", "10.0.0.1", 24, 1),
            ("10.0.0.0/24:80", "10.0.0.1", 24, 1),
            ("[2001:db8::]/32:80", "2001:db8::1", 64, 1),
            // A part of it, another, two hosts, one; the other family, what every interface has.
            ("10.0.0.128/25:80", "10.0.0.1", 24, 0),
            ("10.0.1.0/24:80", "10.0.0.1", 24, 0),
            ("0.0.0.0/0:80", "10.0.0.0", 31, 0),
            ("0.0.0.0/0:80", "10.0.0.1", 32, 0),
            ("[::]/0:80", "10.0.0.1", 24, 0),
            ("[::]/0:80", "fe80::1", 64, 0),
        ] {
            assert_eq!(notes(owned, address, length), number, "{owned} on {address}/{length}");
        }
    }
}
