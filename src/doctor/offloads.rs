//! Offloads of the interface that change frames before XDP sees them.

use super::Action;
use super::check::{Check, Fix};
use super::host::Host;
use super::sniff::{Captured, capture};
use handfast_stack::xdp::inspect::XdpFeatures;
use handfast_stack::xdp::vlan;

pub(super) fn checks(host: &Host) -> Vec<Check> {
    let merging = "Frames are merged into packets larger than a frame of the UMEM. Some drivers switch it off for native XDP, \
         others refuse.";
    let tags = match vlan::devices(host.name()).as_slice() {
        [] => {
            "The NIC removes the VLAN tag from the frame, so XDP cannot see it, and answers are sent without one. \
             This does not matter without VLANs."
                .to_owned()
        }
        some => format!(
            "The NIC removes the VLAN tag from the frame, so XDP cannot see it: answers to frames for {} would be \
             sent without a tag and lost.",
            some.join(" ")
        ),
    };
    let mut checks = vec![
        should_be_off(host, "lro", "large-receive-offload", "lro", merging),
        should_be_off(host, "gro-hw", "rx-gro-hw", "rx-gro-hw", merging),
        should_be_off(host, "rx-vlan", "rx-vlan-offload", "rxvlan", &tags),
        transmit_checksum(host),
    ];
    checks.extend(partial_checksums(host));
    checks
}

fn should_be_off(host: &Host, name: &'static str, long: &str, short: &str, why: &str) -> Check {
    let feature = match &host.features {
        Ok(features) => features.get(long),
        Err(error) => return Check::unknown(name, error.to_string()),
    };
    let switch = |to| Action::run(["ethtool", "-K", host.name(), short, to]);
    match feature {
        Some(feature) if feature.on && feature.fixed => {
            Check::warning(name, "on, and the driver cannot switch it off").why(why)
        }
        Some(feature) if feature.on => {
            Check::warning(name, "on").why(why).fix(Fix::safe(switch("off"), switch("on")))
        }
        Some(_) => Check::ok(name, "off"),
        None => Check::unknown(name, "ethtool does not report it"),
    }
}

fn transmit_checksum(host: &Host) -> Check {
    let found = match host.device.tx_checksum {
        Some(true) => "by the device for the kernel; handfast computes its own",
        Some(false) => "in software",
        None => return Check::unknown("tx-checksum", "the driver does not report it"),
    };
    Check::ok("tx-checksum", found)
}

/// virtio-net delivers segments from virtual machines on the same host before their checksum is
/// complete, as long as its driver announces that it verifies them. Native mode switches that off.
fn of_virtio(host: &Host, captured: &Captured) -> Option<Check> {
    let is_virtio = host.device.driver.as_deref() == Some("virtio_net");
    if !is_virtio || host.device.rx_checksum == Some(false) {
        return None;
    }
    Some(virtio(host.driver.is_none_or(XdpFeatures::redirect), captured))
}

/// `native`: auto uses native mode.
fn virtio(native: bool, captured: &Captured) -> Check {
    let name = "partial-checksums";
    let found = format!("virtio-net; {} of {} TCP segments seen", captured.partial, captured.segments);
    let why = "Generic mode would drop segments from virtual machines on the same host, as tcp_partial_checksum: it \
               needs --accept-partial-checksums, and at the sender ethtool -K PEER tso off gso off. Native mode \
               needs neither.";
    match native {
        true => {
            Check::ok(name, format!("{found}; native mode, which auto uses, receives complete ones")).why(why)
        }
        false => Check::warning(name, found).why(why),
    }
}

/// Captures for a moment what arrives.
fn partial_checksums(host: &Host) -> Option<Check> {
    let name = "partial-checksums";
    if !host.device.up {
        return Some(Check::unknown(name, "the interface is down"));
    }
    let captured = match capture(host.device.index) {
        Ok(captured) => captured,
        Err(error) => {
            return Some(Check::unknown(name, format!("cannot capture from the interface: {error}")));
        }
    };
    if let Some(check) = of_virtio(host, &captured) {
        return Some(check);
    }
    let Captured { segments, partial, milliseconds } = captured;
    let found = format!("{partial} of {segments} TCP segments seen in {milliseconds} ms");
    Some(match (segments, partial) {
        (0, _) => Check::unknown(name, found).why("This check cannot see frames that XDP takes."),
        (_, 0) => Check::ok(name, found),
        _ => Check::error(name, found)
            .why(
                "Their checksum covers the pseudo-header only, as sent by a sender on this host with transmit \
                 checksum offload. They are dropped as tcp_partial_checksum.",
            )
            .fix(host.peer.end().map(|end| end.offload_off("tx"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Level;

    #[test]
    fn virtio_names_what_generic_mode_needs() {
        let captured = Captured { segments: 0, partial: 0, milliseconds: 300 };
        for (native, level) in [(true, Level::Ok), (false, Level::Warning)] {
            let check = virtio(native, &captured);
            assert_eq!(check.level, level, "{check:?}");
            assert!(check.why.contains("--accept-partial-checksums"), "{check:?}");
            assert!(!check.why.contains("veth") && !check.found.contains("veth"), "{check:?}");
        }
    }
}
