//! Checks that an interface belongs to a lab, before it is flooded.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Deserialize;

use super::links::{Link, json, links};
use super::namespace::Namespace;
use super::spec::{BRIDGE_DEVICE, MARK};
use super::topology::Lab;

/// Why an interface does not count as part of a lab.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    #[error("cannot look up {interface}: {what}")]
    Unknown { interface: String, what: String },
    #[error("{interface} is not a veth: it may lead to a real network")]
    NotVeth { interface: String },
    #[error("{interface} does not carry the mark that `handfast lab up` leaves as its alias")]
    NoMark { interface: String },
    #[error("{interface} carries the mark of lab {lab}, but is not in a namespace of that lab")]
    Outside { interface: String, lab: String },
    #[error("the other end of {interface} is not in a namespace of lab {lab}")]
    PeerOutside { interface: String, lab: String },
    #[error("the bridge of lab {lab} has a foreign port {port}")]
    ForeignPort { lab: String, port: String },
}

impl WhyNot {
    /// The fix.
    pub fn fix(&self) -> &'static str {
        "handfast lab up, then run it inside: handfast lab exec -- …"
    }
}

/// Checks that an interface of the calling thread's network namespace is one end of a lab's veth pair, with both ends
/// marked and in namespaces of that lab: then its frames cannot leave the lab. Needs permission to enter the lab's
/// namespaces.
///
/// # Errors
/// It is not, or that cannot be determined.
pub fn is_lab_interface(name: &str) -> Result<(), WhyNot> {
    let unknown = |what: String| WhyNot::Unknown { interface: name.into(), what };
    let link = links(None, Some(name)).map_err(unknown)?.pop().ok_or_else(|| unknown("no answer".into()))?;
    if !link.is_veth() {
        return Err(WhyNot::NotVeth { interface: name.into() });
    }
    let mark = link.ifalias.clone().filter(|alias| alias.starts_with(MARK));
    let mark = mark.ok_or_else(|| WhyNot::NoMark { interface: name.into() })?;
    let lab = mark[MARK.len()..].to_string();
    let outside = || WhyNot::Outside { interface: name.into(), lab: lab.clone() };
    let lab_there = Lab::open(&lab).map_err(|_| outside())?;
    let namespaces = lab_there.namespaces();
    if !namespaces.iter().any(|namespace| is_ours(namespace)) {
        return Err(outside());
    }
    let peer_outside = || WhyNot::PeerOutside { interface: name.into(), lab: lab.clone() };
    let peer_namespace = peer_namespace(&link, &namespaces).map_err(unknown)?.ok_or_else(peer_outside)?;
    let peer_links = links(Some(peer_namespace), None).map_err(unknown)?;
    let peer = peer_links.iter().find(|other| Some(other.ifindex) == link.link_index);
    let is_peer = |other: &&Link| other.is_veth() && other.link_index == Some(link.ifindex);
    let peer = peer.filter(is_peer).ok_or_else(peer_outside)?;
    if peer.ifalias.as_ref() != Some(&mark) {
        return Err(peer_outside());
    }
    match lab_there.bridge() {
        Some(bridge) => whole_bridge(bridge, &lab, &mark).map_err(|why| why.unwrap_or_else(peer_outside)),
        None => Ok(()),
    }
}

/// Checks that every port of the bridge belongs to the lab. `Err(None)`: that cannot be determined.
fn whole_bridge(bridge: &Namespace, lab: &str, mark: &str) -> Result<(), Option<WhyNot>> {
    let links = links(Some(bridge), None).map_err(|_| None)?;
    let foreign = links.iter().find(|link| {
        link.ifname != "lo" && (link.ifalias.as_deref() != Some(mark) || !link.is_veth_or(BRIDGE_DEVICE))
    });
    match foreign {
        Some(link) => Err(Some(WhyNot::ForeignPort { lab: lab.into(), port: link.ifname.clone() })),
        None => Ok(()),
    }
}

/// Whether this thread is in the namespace.
fn is_ours(namespace: &Namespace) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let ours = identity(Path::new("/proc/thread-self/ns/net"));
    ours.is_some() && ours == identity(&namespace.path())
}

/// Returns the namespace of the veth peer. The kernel gives an id that is valid in this namespace only; without one the
/// peer is in this namespace.
fn peer_namespace<'a>(link: &Link, namespaces: &[&'a Namespace]) -> Result<Option<&'a Namespace>, String> {
    #[derive(Deserialize)]
    struct Known {
        nsid: i32,
        name: Option<String>,
    }
    let Some(id) = link.link_netnsid else {
        return Ok(namespaces.iter().copied().find(|namespace| is_ours(namespace)));
    };
    let known: Vec<Known> = json(&["-j", "netns", "list-id"])?;
    let name = known.into_iter().find(|known| known.nsid == id).and_then(|known| known.name);
    Ok(namespaces.iter().copied().find(|namespace| Some(namespace.name()) == name.as_deref()))
}
