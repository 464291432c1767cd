//! Whether an interface is one of a lab's: what may be flooded, and what must not.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Deserialize;

use super::links::{Link, json, links};
use super::namespace::Namespace;
use super::spec::{BRIDGE_DEVICE, MARK};
use super::topology::Lab;

/// Why an interface is not taken for a lab's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WhyNot {
    #[error("{interface}: cannot look it up: {what}")]
    Unknown { interface: String, what: String },
    #[error("{interface} is no veth: it may lead to a real network")]
    NotVeth { interface: String },
    #[error("{interface} does not carry the mark that `handfast lab up` leaves as its alias")]
    NoMark { interface: String },
    #[error("{interface} carries the mark of lab {lab}, but is not in a namespace of that lab")]
    Outside { interface: String, lab: String },
    #[error("the other end of {interface} is not in a namespace of lab {lab}")]
    PeerOutside { interface: String, lab: String },
    #[error("the bridge of lab {lab} has a port {port} that is not the lab's")]
    StrangePort { lab: String, port: String },
}

impl WhyNot {
    /// What to do instead.
    pub fn fix(&self) -> &'static str {
        "handfast lab up, then run it inside: handfast lab exec -- …"
    }
}

/// Whether an interface of the calling thread's network namespace is one end of a veth pair of a
/// lab, with both ends, marked, in namespaces of that lab: what is sent there cannot leave this
/// machine's lab. Needs the right to enter the lab's namespaces.
///
/// # Errors
/// It is not, or it cannot be told.
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
    let beside = peer_namespace(&link, &namespaces).map_err(unknown)?.ok_or_else(peer_outside)?;
    let there = links(Some(beside), None).map_err(unknown)?;
    let peer = there.iter().find(|other| Some(other.ifindex) == link.link_index);
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

/// A bridge forwards by itself: no port of it may lead elsewhere. `Err(None)`: it cannot be told.
fn whole_bridge(bridge: &Namespace, lab: &str, mark: &str) -> Result<(), Option<WhyNot>> {
    let links = links(Some(bridge), None).map_err(|_| None)?;
    let strange = links.iter().find(|link| {
        link.ifname != "lo" && (link.ifalias.as_deref() != Some(mark) || !link.is_veth_or(BRIDGE_DEVICE))
    });
    match strange {
        Some(link) => Err(Some(WhyNot::StrangePort { lab: lab.into(), port: link.ifname.clone() })),
        None => Ok(()),
    }
}

/// Whether this thread is inside.
fn is_ours(namespace: &Namespace) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|file| (file.dev(), file.ino()));
    let ours = identity(Path::new("/proc/thread-self/ns/net"));
    ours.is_some() && ours == identity(&namespace.path())
}

/// Which of these the other end is in. The kernel knows it by a number that holds in our namespace
/// only; no number: it is in our own.
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
