//! The sentences that report a change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::engine::stack::ListenError;
use crate::wire::Mac;
use crate::xdp::{Claim, Network};

/// Addresses of one change that are named; the others are counted.
const NAMED: usize = 8;

/// Addresses of ours that the machine has now, and that it has no more.
pub(super) fn addresses(network: &Network, added: &[&IpAddr], removed: &[&IpAddr]) -> Vec<String> {
    let holder = |address: &IpAddr| network.holder(*address).unwrap_or("an interface").to_owned();
    let added_line = |address: &&IpAddr| {
        format!(
            "{address} is an address of this machine now ({}): only its listed ports are taken, all others \
             are left to the kernel; connections go on",
            holder(address)
        )
    };
    let removed_line = |address: &&IpAddr| {
        format!(
            "{address} is on no interface any more: from now on handfast alone answers for it, closed \
             ports included"
        )
    };
    let mut lines: Vec<String> = added.iter().take(NAMED).map(added_line).collect();
    lines.extend(removed.iter().take(NAMED).map(removed_line));
    let more = added.len().saturating_sub(NAMED) + removed.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("likewise {more} more addresses"));
    }
    lines
}

/// The eBPF program can answer SYNs on an interface now, or no longer, and why.
pub(super) fn tier(interface: &str, because: Option<String>) -> String {
    match because {
        None => format!("{interface}: the eBPF program can answer SYNs by cookie now"),
        Some(why) => {
            format!(
                "{interface}: the cores answer SYNs by cookie, because the eBPF program cannot any more: {why}"
            )
        }
    }
}

/// Steering cannot follow.
pub(super) fn refused(now: &BTreeSet<IpAddr>, before: &BTreeSet<IpAddr>, error: &ListenError) -> String {
    let of = |these: &BTreeSet<IpAddr>, those: &BTreeSet<IpAddr>, sign: char| {
        let names = these.difference(those).map(move |address| format!("{sign}{address}"));
        names.collect::<Vec<_>>()
    };
    let mut changed = of(now, before, '+');
    changed.extend(of(before, now, '-'));
    let more = changed.len().saturating_sub(NAMED);
    changed.truncate(NAMED);
    if more > 0 {
        changed.push(format!("and {more} more"));
    }
    format!(
        "the addresses of this machine have changed ({}), and steering cannot follow: {error}; start again to \
         take them into account",
        changed.join(" ")
    )
}

pub(super) fn mac(name: &str, before: Option<Mac>, now: Option<Mac>) -> String {
    let text = |mac: Option<Mac>| mac.map_or_else(|| "no MAC".to_owned(), written);
    format!("the MAC of {name} is {} now, was {}: answers come from the new one", text(now), text(before))
}

pub(super) fn conflict(name: &str, claim: &Claim, frames: u64) -> String {
    let frames = if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") };
    format!(
        "conflict: {} says on {name} that it has {}, which handfast answers for ({frames}): one of the two \
         needs another address (--no-arp if both are meant to have it)",
        written(claim.mac),
        claim.address
    )
}

fn written(mac: Mac) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
