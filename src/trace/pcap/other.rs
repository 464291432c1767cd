use std::collections::BTreeMap;
use std::fmt;

use handfast_text::counted;

/// What a packet without a readable TCP segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Other {
    /// An unsupported link type (<https://www.tcpdump.org/linktypes.html>).
    Link(u32),
    EtherType(u16),
    /// IEEE 802.2 without SNAP.
    Llc,
    /// A PPP protocol.
    Ppp(u16),
    /// An IP protocol.
    Protocol(u8),
    /// A fragment of an IP packet: the segment is in several packets.
    Fragment,
    /// Captured only up to before the TCP flags.
    Truncated,
    /// A header contradicts itself.
    Invalid,
}

/// Well-known names. All others are shown as numbers.
const LINKS: [(u32, &str); 8] = [
    (105, "IEEE 802.11"),
    (119, "IEEE 802.11 with Prism header"),
    (127, "IEEE 802.11 with radiotap"),
    (163, "IEEE 802.11 with AVS header"),
    (189, "USB"),
    (220, "USB"),
    (227, "CAN"),
    (253, "netlink"),
];
const ETHER_TYPES: [(u16, &str); 8] = [
    (0x0806, "ARP"),
    (0x8035, "RARP"),
    (0x8809, "slow protocols (LACP)"),
    (0x8863, "PPPoE discovery"),
    (0x888e, "EAPOL"),
    (0x88cc, "LLDP"),
    (0x88e5, "MACsec"),
    (0x88f7, "PTP"),
];
const PROTOCOLS: [(u8, &str); 14] = [
    (1, "ICMP"),
    (2, "IGMP"),
    (17, "UDP"),
    (46, "RSVP"),
    (47, "GRE"),
    (50, "ESP"),
    (58, "ICMPv6"),
    (59, "IPv6 without a next header"),
    (88, "EIGRP"),
    (89, "OSPF"),
    (103, "PIM"),
    (112, "VRRP"),
    (115, "L2TP"),
    (132, "SCTP"),
];

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Other::Link(link) => match name(&LINKS, link) {
                Some(name) => write!(f, "{name}, unsupported link type {link}"),
                None => write!(f, "unsupported link type {link}"),
            },
            Other::EtherType(kind) => match name(&ETHER_TYPES, kind) {
                Some(name) => f.write_str(name),
                None => write!(f, "EtherType 0x{kind:04x}"),
            },
            Other::Llc => f.write_str("IEEE 802.2 LLC"),
            Other::Ppp(protocol) => write!(f, "PPP protocol 0x{protocol:04x}"),
            Other::Protocol(number) => match name(&PROTOCOLS, number) {
                Some(name) => f.write_str(name),
                None => write!(f, "IP protocol {number}"),
            },
            Other::Fragment => f.write_str("fragment of an IP packet"),
            Other::Truncated => f.write_str("truncated before the TCP flags (snap length)"),
            Other::Invalid => f.write_str("with an invalid header"),
        }
    }
}

fn name<N: PartialEq>(names: &[(N, &'static str)], number: &N) -> Option<&'static str> {
    names.iter().find(|(known, _)| known == number).map(|(_, name)| *name)
}

/// Number of packets of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others(BTreeMap<Other, u64>);

/// Kinds that are counted separately, and kinds that are listed.
const MAX_KINDS: usize = 1_000;
const LISTED: usize = 6;

impl Others {
    pub(super) fn count(&mut self, other: Other) {
        if self.0.contains_key(&other) || self.0.len() < MAX_KINDS {
            *self.0.entry(other).or_default() += 1;
        } else {
            *self.0.entry(Other::Invalid).or_default() += 1;
        }
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    pub fn of(&self, other: Other) -> u64 {
        self.0.get(&other).copied().unwrap_or_default()
    }

    /// Packets of unsupported link types.
    pub fn unsupported(&self) -> u64 {
        self.0.iter().filter(|(other, _)| matches!(other, Other::Link(_))).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Others {
    /// The most frequent first: `12 UDP, 3 ARP`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds: Vec<(&Other, &u64)> = self.0.iter().collect();
        kinds.sort_by(|a, b| b.1.cmp(a.1));
        for (place, (kind, count)) in kinds.iter().take(LISTED).enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            write!(f, "{comma}{} {kind}", handfast_text::grouped(**count))?;
        }
        match kinds.get(LISTED..).unwrap_or_default() {
            [] => Ok(()),
            more => write!(
                f,
                ", {} of {}",
                handfast_text::grouped(more.iter().map(|(_, count)| **count).sum()),
                counted(more.len() as u64, "other kind")
            ),
        }
    }
}
