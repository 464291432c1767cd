//! The other end of a veth pair: what it sends is what arrives here.

use super::check::{Check, Fix};
use super::host::Host;
use super::link::{Channels, Features, Link};
use super::place::Place;

/// The other end, as far as it can be found.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// The interface is no veth.
    None,
    /// It is somewhere: why it is not known where.
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
            "What the peer sends decides what arrives: in its namespace, `ethtool -k PEER` should say \
             tx-checksumming off. Run doctor as root to have it looked up.",
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
             with the sum of the pseudo-header alone, and is dropped as tcp_partial_checksum.",
        ).fix(end.offload_off("tx")),
        Some(_) => Check::ok(name, "whole: transmit offload is off"),
        None => Check::unknown(name, "ethtool does not say"),
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
        [] => Check::ok(name, "off: one segment a frame"),
        // The kernel itself takes packets apart for a device without tso; only checksums must be whole.
        ["gso"] => Check::ok(name, "gso on, tso off: the kernel takes packets apart before the link"),
        _ => Check::warning(name, format!("{} on", on.join(" and "))).why(
            "Data of the peer crosses the pair in packets of up to 64 KiB. None fits a frame of the UMEM: \
             generic mode drops them, native mode takes them apart at a price.",
        ).fix(end.offload_off("tso")),
    }
}

fn vlan(end: &PeerEnd) -> Check {
    let name = "peer-vlan";
    match end.features.get("tx-vlan-offload") {
        Some(feature) if feature.on => Check::warning(name, "VLAN tags travel beside the frame").why(
            "XDP would see frames without their tag, and answers would leave without one. Without VLANs it does \
             not matter.",
        ).fix(end.offload_off("txvlan")),
        Some(_) => Check::ok(name, "VLAN tags travel in the frame"),
        None => Check::unknown(name, "ethtool does not say"),
    }
}

fn mtu(host: &Host, end: &PeerEnd) -> Check {
    let (ours, theirs) = (host.device.mtu, end.link.mtu);
    let found = format!("{theirs} bytes, ours {ours}");
    let fits = host.fitting_mtu();
    if theirs <= fits {
        return Check::ok("peer-mtu", found);
    }
    let set = |mtu: u32| end.command(&["ip", "link", "set", "dev", "IF", "mtu", &mtu.to_string()]);
    Check::warning("peer-mtu", found)
        .why("What the peer may send is larger than what arrives here: such packets vanish without a word.")
        .fix(Fix::safe(set(fits), set(theirs)))
}

/// Native mode of veth takes a pair only if each sender's queue has a receive queue over here.
fn queues(host: &Host, end: &PeerEnd) -> Check {
    let (ours, theirs) = (host.device.rx_queues, end.channels.tx + end.channels.combined);
    let found = format!("sends on {theirs}, we receive on {ours}");
    if theirs <= ours {
        return Check::ok("peer-queues", found);
    }
    let set = |queues: u32| end.command(&["ethtool", "-L", "IF", "tx", &queues.to_string()]);
    Check::warning("peer-queues", found)
        .why("Native mode refuses the pair (ENOSPC); generic mode delivers everything to queue 0.")
        .fix(Fix::by_hand(set(ours)).undone_by(set(theirs)))
}
