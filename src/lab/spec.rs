use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::error::LabError;
use super::loss::Loss;

/// The client's end of the veth pair.
pub const CLIENT_DEVICE: &str = "hf-c";
/// The server's end of the veth pair: the responder's `--dev`.
pub const SERVER_DEVICE: &str = "hf-s";
/// The bridge, if there is one, and its ports to client and server.
pub const BRIDGE_DEVICE: &str = "hf-b";
pub const BRIDGE_TO_CLIENT: &str = "hf-bc";
pub const BRIDGE_TO_SERVER: &str = "hf-bs";
pub const CLIENT_MAC: &str = "02:00:00:12:00:01";
pub const SERVER_MAC: &str = "02:00:00:12:00:02";

/// On the client's link, but on no interface: the responder may own all of it. From the range of RFC 2544 for
/// benchmarks.
pub const SERVED_V4: &str = "198.18.1.0/24";
/// As [`SERVED_V4`], from the documentation range (RFC 3849).
pub const SERVED_V6: &str = "2001:db8:18::1:0/112";
/// The address of the server's kernel, so that both stacks can be compared on one link.
pub const KERNEL_V4: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 1);
pub const KERNEL_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x18, 0, 0, 0, 0xff, 1);

/// On no interface, and routed to the client's first address: the sources of a load generator in user space. With one
/// gateway the server's neighbour table needs one entry for all.
pub const SOURCES_V4: &str = "10.78.0.0/16";
/// As [`SOURCES_V4`].
pub const SOURCES_V6: &str = "2001:db8:78::/64";

/// Prefix of the lab's name in the alias of its interfaces.
pub(super) const MARK: &str = "handfast-lab:";

/// Number of client addresses: 32 times 64,512 ports for each address and port served.
const CLIENT_ADDRESSES: u8 = 32;

/// Specification of a lab.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Names the namespaces: `hf-NAME-client`, `hf-NAME-server`.
    pub name: String,
    /// Receive and transmit queues of either end.
    pub queues: u32,
    /// Addresses of both families; otherwise IPv6 is disabled in both namespaces.
    pub ipv6: bool,
    /// The 802.1Q tag of the client's frames; replies need it too.
    pub vlan: Option<u16>,
    /// Distributes the client's frames over the queues in turn, so that a flow arrives on all of them.
    pub scatter: bool,
    /// Losses on the link.
    pub loss: Loss,
    /// Adds a bridge in its own namespace, `hf-NAME-bridge`, between two veth pairs: a capture there sees every frame,
    /// also those from AF_XDP to an end with XDP. For captures, not for rates.
    pub bridge: bool,
}

impl Spec {
    /// A lab with one queue, IPv4, no tag, and no loss.
    pub fn new(name: impl Into<String>) -> Spec {
        Spec {
            name: name.into(),
            queues: 1,
            ipv6: false,
            vlan: None,
            scatter: false,
            loss: Loss::NONE,
            bridge: false,
        }
    }

    pub(super) fn check(&self) -> Result<(), LabError> {
        check_name(&self.name)?;
        if !(1..=64).contains(&self.queues) {
            return Err(LabError::Queues { queues: self.queues });
        }
        match self.vlan {
            Some(id) if !(1..=4094).contains(&id) => Err(LabError::Vlan { id }),
            _ => Ok(()),
        }
    }

    /// Returns the alias of every interface of the lab, which [`is_lab_interface`](super::is_lab_interface) checks.
    pub(super) fn mark(&self) -> String {
        format!("{MARK}{}", self.name)
    }

    pub(super) fn needs_link_program(&self) -> bool {
        self.vlan.is_some() || self.scatter || self.loss != Loss::NONE
    }
}

/// Returns the client's address that [`SOURCES_V4`] or [`SOURCES_V6`] is routed to.
pub(super) fn gateway(ipv6: bool) -> IpAddr {
    match ipv6 {
        false => IpAddr::from([198, 18, 0, 1]),
        true => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 0, 1]),
    }
}

/// Returns the client's addresses of one family.
pub fn client_addresses(ipv6: bool) -> impl Iterator<Item = IpAddr> {
    (1..=CLIENT_ADDRESSES).map(move |host| match ipv6 {
        false => IpAddr::from([198, 18, 0, host]),
        true => IpAddr::from([0x2001, 0xdb8, 0x18, 0, 0, 0, 0, u16::from(host)]),
    })
}

pub(super) fn check_name(name: &str) -> Result<(), LabError> {
    let reason = if name.is_empty() {
        "an empty name".to_string()
    } else if name.len() > 16 {
        format!("`{name}` has {} bytes", name.len())
    } else if let Some(odd) = name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        format!("`{name}` contains `{odd}`")
    } else {
        return Ok(());
    };
    Err(LabError::Name { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_namespace_directory_are_refused() {
        for (name, good) in [
            ("lab", true),
            ("a-1", true),
            ("", false),
            ("../etc", false),
            ("a b", false),
            ("seventeen-letters", false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name:?}");
        }
    }

    #[test]
    fn queues_and_tags_have_their_ranges() {
        let spec = |queues, vlan| Spec { queues, vlan, ..Spec::new("x") };
        for (spec, good) in [
            (spec(1, None), true),
            (spec(64, Some(4094)), true),
            (spec(0, None), false),
            (spec(65, None), false),
            (spec(1, Some(0)), false),
            (spec(1, Some(4095)), false),
        ] {
            assert_eq!(spec.check().is_ok(), good, "{spec:?}");
        }
    }
}
