//! The other end of a veth pair: it sends what this interface receives.

use super::check::{Check, Fix};
use super::host::Host;
use super::link::{Channels, Features, Link};
use super::place::Place;

/// The other end, as far as it can be found.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// The interface is not a veth.
    None,
    /// It exists, but could not be found: the reason.
    Hidden(String),
    Found(Box<PeerEnd>),
}

#[derive(Clone, Debug)]
pub(super) struct PeerEnd {
    pub place: Place,
    pub link: Link,
    features: Features,
    channels: Channels,
}

impl Peer {
    pub(super) fn of(link: &Link) -> Peer {
        let Some(index) = link.link_index.filter(|_| link.is_veth()) else { return Peer::None };
        let place = match link.link_netnsid {
            None => Some(Place::Here),
            Some(nsid) => Place::of_nsid(nsid),
        };
        let Some(place) = place else {
            return Peer::Hidden(format!("interface {index} of a namespace that this process cannot find"));
        };
        match PeerEnd::ask(place.clone(), index) {
            Ok(end) => Peer::Found(Box::new(end)),
            Err(error) => Peer::Hidden(format!("interface {index} of {}: {error}", place.described())),
        }
    }

    pub(super) fn end(&self) -> Option<&PeerEnd> {
        match self {
            Peer::Found(end) => Some(end),
            Peer::None | Peer::Hidden(_) => None,
        }
    }
}

impl PeerEnd {
    fn ask(place: Place, index: u32) -> Result<PeerEnd, super::CommandError> {
        let link = Link::by_index(&place, index)?;
        let features = Features::ask(&place, &link.ifname)?;
        // A driver without channels has one queue: nothing follows from that.
        let channels = Channels::ask(&place, &link.ifname).unwrap_or_default();
        Ok(PeerEnd { place, link, features, channels })
    }

    /// A command about this end; `IF` in it stands for its name.
    fn command(&self, words: &[&str]) -> super::Action {
        let name = self.link.ifname.as_str();
        self.place.action(words.iter().map(|word| if *word == "IF" { name } else { word }))
    }

    /// Switches an offload off.
    pub(super) fn offload_off(&self, offload: &str) -> Fix {
        let switch = |to| self.command(&["ethtool", "-K", "IF", offload, to]);
        Fix::safe(switch("off"), switch("on"))
    }

    pub(super) fn up(&self) -> Fix {
        let set = |to| self.command(&["ip", "link", "set", "dev", "IF", to]);
        Fix::safe(set("up"), set("down"))
    }
}

pub(super) fn checks(host: &Host) -> Vec<Check> {
    match &host.peer {
        Peer::None => Vec::new(),
        Peer::Hidden(what) => vec![Check::unknown("peer", what).why(
            "The offloads of the peer decide what arrives: in its namespace, `ethtool -k PEER` should show \
             tx-checksumming off. Run doctor as root to check it.",
        )],
        Peer::Found(end) => {
            let found = format!("{} in {}", end.link.ifname, end.place.described());
            let mut checks = vec![Check::ok("peer", found), checksum(end), segmentation(end), vlan(end)];
            checks.extend([mtu(host, end), queues(host, end)]);
            checks
        }
    }
}

fn checksum(end: &PeerEnd) -> Check {
    let name = "peer-checksum";
    match end.features.get("tx-checksumming") {
        Some(feature) if feature.on => Check::error(name, "transmit checksum offload is on").why(
            "The peer's kernel leaves TCP checksums to a device that does not exist: every segment arrives \
             with a checksum of the pseudo-header only, and is dropped as tcp_partial_checksum.",
        ).fix(end.offload_off("tx")),
        Some(_) => Check::ok(name, "complete: transmit checksum offload is off"),
        None => Check::unknown(name, "ethtool does not report it"),
    }
}

fn segmentation(end: &PeerEnd) -> Check {
    let name = "peer-segmentation";
    let on: Vec<&str> = [("tcp-segmentation-offload", "tso"), ("generic-segmentation-offload", "gso")]
        .into_iter()
        .filter(|(long, _)| end.features.get(long).is_some_and(|feature| feature.on))
        .map(|(_, short)| short)
        .collect();
    match on.as_slice() {
        [] => Check::ok(name, "off: one segment per frame"),
        // The kernel itself segments packets for a device without tso; only checksums must be complete.
        ["gso"] => Check::ok(name, "gso on, tso off: the kernel segments packets before the link"),
        _ => Check::warning(name, format!("{} on", on.join(" and "))).why(
            "The peer sends data in packets of up to 64 KiB, which do not fit into a frame of the UMEM: generic \
             mode drops them, native mode segments them at a cost.",
        ).fix(end.offload_off("tso")),
    }
}

fn vlan(end: &PeerEnd) -> Check {
    let name = "peer-vlan";
    match end.features.get("tx-vlan-offload") {
        Some(feature) if feature.on => Check::warning(name, "VLAN tags are sent as metadata, outside of the frame").why(
            "XDP would see frames without their tag, and answers would be sent without one. This does not matter \
             without VLANs.",
        ).fix(end.offload_off("txvlan")),
        Some(_) => Check::ok(name, "VLAN tags are sent in the frame"),
        None => Check::unknown(name, "ethtool does not report it"),
    }
}

fn mtu(host: &Host, end: &PeerEnd) -> Check {
    let (ours, theirs) = (host.device.mtu, end.link.mtu);
    let found = format!("{theirs} bytes, here {ours}");
    let fits = host.fitting_mtu();
    if theirs <= fits {
        return Check::ok("peer-mtu", found);
    }
    let set = |mtu: u32| end.command(&["ip", "link", "set", "dev", "IF", "mtu", &mtu.to_string()]);
    Check::warning("peer-mtu", found)
        .why("The peer can send larger packets than this interface receives: they are lost without notice.")
        .fix(Fix::safe(set(fits), set(theirs)))
}

/// Native mode of veth takes a pair only if each sender's queue has a receive queue over here.
fn queues(host: &Host, end: &PeerEnd) -> Check {
    let (ours, theirs) = (host.device.rx_queues, end.channels.tx + end.channels.combined);
    let found = format!("sends on {theirs}, received on {ours}");
    if theirs <= ours {
        return Check::ok("peer-queues", found);
    }
    let set = |queues: u32| end.command(&["ethtool", "-L", "IF", "tx", &queues.to_string()]);
    Check::warning("peer-queues", found)
        .why("Native mode refuses the pair (ENOSPC); generic mode delivers all frames to queue 0.")
        .fix(Fix::by_hand(set(ours)).undone_by(set(theirs)))
}
