//! The other end of a veth pair, as far as it can be found.

use super::check::Fix;
use super::link::{ChannelCounts, Features, Link};
use super::netns::Netns;

/// The other end, as far as it can be found.
#[derive(Clone, Debug)]
pub(super) enum VethPeer {
    /// The interface is not a veth.
    None,
    /// It exists, but could not be found: the reason.
    Hidden(String),
    Found(Box<PeerEnd>),
}

#[derive(Clone, Debug)]
pub(super) struct PeerEnd {
    pub netns: Netns,
    pub link: Link,
    pub features: Features,
    pub channels: ChannelCounts,
}

impl VethPeer {
    pub(super) fn of(link: &Link) -> VethPeer {
        let Some(index) = link.link_index.filter(|_| link.is_veth()) else { return VethPeer::None };
        let netns = match link.link_netnsid {
            None => Some(Netns::Here),
            Some(nsid) => Netns::of_nsid(nsid),
        };
        let Some(netns) = netns else {
            return VethPeer::Hidden(format!(
                "interface {index} of a namespace that this process cannot find"
            ));
        };
        match PeerEnd::ask(netns.clone(), index) {
            Ok(end) => VethPeer::Found(Box::new(end)),
            Err(error) => VethPeer::Hidden(format!("interface {index} of {}: {error}", netns.described())),
        }
    }

    pub(super) fn end(&self) -> Option<&PeerEnd> {
        match self {
            VethPeer::Found(end) => Some(end),
            VethPeer::None | VethPeer::Hidden(_) => None,
        }
    }
}

impl PeerEnd {
    fn ask(netns: Netns, index: u32) -> Result<PeerEnd, super::CommandError> {
        let link = Link::by_index(&netns, index)?;
        let features = Features::ask(&netns, &link.ifname)?;
        // A driver without channels has one queue: nothing follows from that.
        let channels = ChannelCounts::ask(&netns, &link.ifname).unwrap_or_default();
        Ok(PeerEnd { netns, link, features, channels })
    }

    /// A command about this end; `IF` in it stands for its name.
    pub(super) fn command(&self, words: &[&str]) -> super::Action {
        let name = self.link.ifname.as_str();
        self.netns.action(words.iter().map(|word| if *word == "IF" { name } else { word }))
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
