//! The checks of the other end of a veth pair: it sends what this interface receives.

use super::check::{Check, Fix};
use super::host::Host;
use super::veth::{PeerEnd, VethPeer};

pub(super) fn checks(host: &Host) -> Vec<Check> {
    match &host.peer {
        VethPeer::None => Vec::new(),
        VethPeer::Hidden(what) => vec![Check::unknown("peer", what).why(
            "The offloads of the peer decide what arrives: in its namespace, `ethtool -k PEER` should show \
             tx-checksumming off. Run doctor as root to check it.",
        )],
        VethPeer::Found(end) => {
            let found = format!("{} in {}", end.link.ifname, end.netns.described());
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
