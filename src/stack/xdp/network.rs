//! The interfaces and addresses of a network namespace. An interface is identified by its index: its
//! names change, and an address may have a label of its own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use super::XdpError;
use super::rtnetlink::{Dump, attributes, dump};
use crate::wire::Mac;

/// The interfaces and addresses of the calling thread's network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// All interfaces, the loopback included.
    pub interfaces: Vec<Interface>,
    /// All addresses of them.
    pub addresses: Vec<Address>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Its index, unique in the namespace.
    pub index: u32,
    /// Its name, up to 15 bytes.
    pub name: String,
    /// Alternative names (`ip link property add ... altname`), up to 127 bytes each.
    pub altnames: Vec<String>,
    /// Its MAC address; `None` if it is not Ethernet.
    pub mac: Option<Mac>,
    /// The hardware type, `ARPHRD_*`.
    pub hardware: u16,
    /// Whether it is up.
    pub up: bool,
    /// The bridge that it is a port of, by index.
    pub bridge: Option<u32>,
    /// The bridge, bond or other device that it is a member of, by index.
    pub master: Option<u32>,
    /// The device below it (VLAN, macvlan), or the other end of a veth, by index; `None` if that is in
    /// another namespace.
    pub lower: Option<u32>,
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The interface, by index.
    pub index: u32,
    /// The address of this end.
    pub address: IpAddr,
    /// Bits of the network's prefix.
    pub prefix_len: u8,
}

/// `struct ifinfomsg`.
#[derive(FromBytes)]
#[repr(C)]
struct LinkMessage {
    family: u8,
    pad: u8,
    hardware: u16,
    index: u32,
    flags: u32,
    change: u32,
}

/// `struct ifaddrmsg`.
#[derive(FromBytes)]
#[repr(C)]
struct AddressMessage {
    family: u8,
    prefix_len: u8,
    flags: u8,
    scope: u8,
    index: u32,
}

/// The maximum depth of devices on top of one another.
const MAX_STACKED: u32 = 6;
/// Inside `IFLA_LINKINFO` (linux/if_link.h).
const INFO_SLAVE_KIND: u16 = 4;

impl Network {
    /// Reads both lists.
    ///
    /// # Errors
    /// [`XdpError::List`].
    pub fn read() -> Result<Network, XdpError> {
        Ok(Network {
            interfaces: dump(Dump::Links, interface).map_err(XdpError::List)?,
            addresses: dump(Dump::Addresses, address).map_err(XdpError::List)?,
        })
    }

    /// The interface of this name or alternative name.
    pub fn named(&self, name: &str) -> Option<&Interface> {
        let has = |interface: &&Interface| {
            interface.name == name || interface.altnames.iter().any(|altname| altname == name)
        };
        self.interfaces.iter().find(has)
    }

    /// The interface of this index.
    pub fn at(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.index == index)
    }

    /// The addresses of an interface, with prefix lengths. A port of a bridge also has those of the bridge,
    /// which are on the same link.
    pub fn addresses_of(&self, index: u32) -> Vec<(IpAddr, u8)> {
        let bridge = self.at(index).and_then(|interface| interface.bridge);
        let is_of = |address: &&Address| address.index == index || Some(address.index) == bridge;
        let of = self.addresses.iter().filter(is_of);
        of.map(|address| (address.address, address.prefix_len)).collect()
    }

    /// The MAC address that peers on the interface's link use for this host: for a port of a bridge, the
    /// bridge's.
    pub fn mac_of(&self, index: u32) -> Option<Mac> {
        let interface = self.at(index)?;
        let bridge = interface.bridge.and_then(|bridge| self.at(bridge));
        bridge.and_then(|bridge| bridge.mac).or(interface.mac)
    }

    /// All addresses of this host, of any interface, sorted and without duplicates.
    pub fn local(&self) -> Vec<IpAddr> {
        let mut local: Vec<IpAddr> = self.addresses.iter().map(|address| address.address).collect();
        local.sort_unstable();
        local.dedup();
        local
    }

    /// Whether packets for the interface `upper` can arrive on the interface `index`: it is the same one,
    /// or `upper` is a device on top of it (a VLAN, a bridge, a bond).
    pub fn comes_through(&self, upper: u32, index: u32) -> bool {
        self.stands_on(upper, index, MAX_STACKED)
    }

    fn stands_on(&self, upper: u32, index: u32, depth: u32) -> bool {
        if upper == index {
            return true;
        }
        if depth == 0 {
            return false;
        }
        // The ends of a veth pair name each other; neither is below the other.
        let is_pair = |lower: u32| self.at(lower).is_some_and(|other| other.lower == Some(upper));
        let lower = self.at(upper).and_then(|upper| upper.lower).filter(|lower| !is_pair(*lower));
        let parts = self.interfaces.iter().filter(|part| part.master == Some(upper)).map(|part| part.index);
        lower.into_iter().chain(parts).any(|below| self.stands_on(below, index, depth - 1))
    }

    /// The name of the interface with this address.
    pub fn holder(&self, address: IpAddr) -> Option<&str> {
        let holder = self.addresses.iter().find(|known| known.address == address)?;
        self.at(holder.index).map(|interface| interface.name.as_str())
    }
}

/// From an RTM_NEWLINK message.
fn interface(message: &[u8]) -> Option<Interface> {
    let (link, rest) = LinkMessage::read_from_prefix(message).ok()?;
    let mut interface = Interface {
        index: link.index,
        hardware: link.hardware,
        up: link.flags & libc::IFF_UP as u32 != 0,
        ..Interface::default()
    };
    let (mut is_elsewhere, mut lower) = (false, None);
    let mut is_bridge_port = false;
    for (kind, value) in attributes(rest) {
        match kind {
            libc::IFLA_IFNAME => interface.name = text(value),
            libc::IFLA_ADDRESS => interface.mac = value.try_into().ok(),
            libc::IFLA_LINK => lower = u32::read_from_bytes(value).ok(),
            libc::IFLA_LINK_NETNSID => is_elsewhere = true,
            libc::IFLA_MASTER => interface.master = u32::read_from_bytes(value).ok(),
            libc::IFLA_LINKINFO => {
                let slave = attributes(value).find(|(kind, _)| *kind == INFO_SLAVE_KIND);
                is_bridge_port = slave.is_some_and(|(_, kind)| text(kind) == "bridge");
            }
            libc::IFLA_PROP_LIST => {
                let names = attributes(value).filter(|(kind, _)| *kind == libc::IFLA_ALT_IFNAME);
                interface.altnames = names.map(|(_, name)| text(name)).collect();
            }
            _ => {}
        }
    }
    interface.bridge = interface.master.filter(|_| is_bridge_port);
    interface.lower = lower.filter(|_| !is_elsewhere);
    Some(interface)
}

/// From an RTM_NEWADDR message. If it has both attributes, IFA_LOCAL is the address of this end: on a
/// point-to-point link IFA_ADDRESS is the peer's.
fn address(message: &[u8]) -> Option<Address> {
    let (fixed, rest) = AddressMessage::read_from_prefix(message).ok()?;
    let value = |wanted| attributes(rest).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    let address = ip(value(libc::IFA_LOCAL).or_else(|| value(libc::IFA_ADDRESS))?)?;
    Some(Address { index: fixed.index, address, prefix_len: fixed.prefix_len })
}

/// An address of four or sixteen bytes.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// A string that ends at the first zero byte.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::rtnetlink::attribute;
    use super::*;

    #[test]
    fn the_loopback_is_there_with_its_address() {
        let network = Network::read().expect("rtnetlink");
        let loopback = network.named("lo").expect("lo");
        assert_eq!((loopback.index, loopback.hardware), (1, libc::ARPHRD_LOOPBACK));
        assert_eq!(network.at(1), Some(loopback));
        assert!(network.named("hf-nowhere").is_none());
    }

    #[test]
    fn an_interface_has_names_and_perhaps_a_bridge() {
        let fixed = [&[0, 0, 1, 0][..], &7u32.to_ne_bytes(), &1u32.to_ne_bytes(), &[0; 4]].concat();
        let altnames =
            [attribute(libc::IFLA_ALT_IFNAME, b"lan0\0"), attribute(libc::IFLA_ALT_IFNAME, b"uplink\0")];
        let message = |kind: &[u8]| {
            let info = attribute(INFO_SLAVE_KIND, kind);
            [
                fixed.clone(),
                attribute(libc::IFLA_IFNAME, b"eth0\0"),
                attribute(9999, b"of a later kernel"),
                attribute(libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 7]),
                attribute(libc::IFLA_MASTER, &3u32.to_ne_bytes()),
                attribute(libc::IFLA_LINKINFO | 0x8000, &info),
                attribute(libc::IFLA_PROP_LIST | 0x8000, &altnames.concat()),
            ]
            .concat()
        };
        let port = interface(&message(b"bridge\0")).expect("an interface");
        assert_eq!((port.index, &*port.name, port.up, port.bridge), (7, "eth0", true, Some(3)));
        assert_eq!((port.hardware, port.mac), (1, Some([2, 0, 0, 0, 0, 7])));
        assert_eq!(port.altnames, ["lan0", "uplink"]);
        // A VRF or bond does not determine its member's MAC.
        assert_eq!(interface(&message(b"vrf\0")).expect("an interface").bridge, None);
        assert_eq!(interface(&fixed[..15]), None);
    }

    #[test]
    fn of_a_point_to_point_address_the_near_end_is_ours() {
        let fixed = [&[2, 32, 0, 0][..], &7u32.to_ne_bytes()].concat();
        let far = attribute(libc::IFA_ADDRESS, &[10, 0, 0, 2]);
        let near = attribute(libc::IFA_LOCAL, &[10, 0, 0, 1]);
        let label = attribute(libc::IFA_LABEL, b"eth0:1\0");
        let found = |parts: &[&[u8]]| address(&parts.concat()).map(|found| (found.index, found.address));
        assert_eq!(found(&[&fixed, &far, &near, &label]), Some((7, [10, 0, 0, 1].into())));
        assert_eq!(found(&[&fixed, &far]), Some((7, [10, 0, 0, 2].into())));
        assert_eq!(found(&[&fixed, &label]), None);
    }

    #[test]
    fn what_stands_on_an_interface_comes_through_it() {
        let interface = |index, lower, master| Interface { index, lower, master, ..Interface::default() };
        // eth0 in a bond with a VLAN on it; a veth pair; another.
        let network = Network {
            interfaces: vec![
                interface(1, None, Some(2)),
                interface(2, None, None),
                interface(3, Some(2), None),
                interface(4, Some(5), None),
                interface(5, Some(4), None),
            ],
            addresses: Vec::new(),
        };
        for (upper, index, comes) in [
            (1, 1, true),
            (2, 1, true),
            (3, 1, true),
            (1, 2, false),
            (4, 5, false),
            (4, 4, true),
            (9, 1, false),
        ] {
            assert_eq!(network.comes_through(upper, index), comes, "{upper} through {index}");
        }
    }

    #[test]
    fn a_bridge_lends_its_ports_mac_and_addresses() {
        let interface = |index, last, bridge| Interface {
            index,
            name: format!("if{index}"),
            mac: Some([2, 0, 0, 0, 0, last]),
            bridge,
            ..Interface::default()
        };
        let held = |index, last| Address { index, address: [10, 0, 0, last].into(), prefix_len: 24 };
        let network = Network {
            interfaces: vec![interface(1, 1, None), interface(2, 2, Some(3)), interface(3, 3, None)],
            addresses: vec![held(1, 1), held(3, 3), held(2, 2), held(1, 3)],
        };
        assert_eq!(network.mac_of(1), Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(network.mac_of(2), Some([2, 0, 0, 0, 0, 3]));
        assert_eq!(network.addresses_of(2), [([10, 0, 0, 3].into(), 24), ([10, 0, 0, 2].into(), 24)]);
        assert_eq!(network.local().len(), 3);
        assert_eq!(network.holder([10, 0, 0, 2].into()), Some("if2"));
    }
}
