//! The VLANs of an interface, and whether XDP sees their tags.

use std::fs;

use super::ethtool;

/// The kernel's list of VLAN interfaces of the reader's network namespace.
const LIST: &str = "/proc/thread-self/net/vlan/config";

/// Whether the NIC removes the tag of received frames (rx-vlan-offload), so that XDP sees none.
pub fn is_hidden(ifname: &str) -> bool {
    ethtool::strips_vlan_tag(ifname).unwrap_or(false)
}

/// The names of the VLAN interfaces on top of this one.
pub fn devices(ifname: &str) -> Vec<String> {
    fs::read_to_string(LIST).map_or_else(|_| Vec::new(), |list| on_top_of(&list, ifname))
}

/// Parses lines of `NAME | ID | DEVICE` after two lines of headings.
fn on_top_of(list: &str, ifname: &str) -> Vec<String> {
    let name = |line: &str| {
        let mut columns = line.split('|').map(str::trim);
        let (name, _, device) = (columns.next()?, columns.next()?, columns.next()?);
        (device == ifname).then(|| name.to_owned())
    };
    list.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_are_found_by_the_device_below() {
        let list = "VLAN Dev name\t | VLAN ID\nName-Type: VLAN_NAME_TYPE_RAW_PLUS_VID_NO_PAD\n\
            eth0.5         | 5  | eth0\nuplink         | 7  | eth0\neth1.5         | 5  | eth1\n";
        assert_eq!(on_top_of(list, "eth0"), ["eth0.5", "uplink"]);
        assert!(on_top_of(list, "eth").is_empty() && on_top_of("", "eth0").is_empty());
    }
}
