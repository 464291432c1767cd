use std::fs;
use std::path::PathBuf;

use super::command::CommandError;
use super::holders::{Holders, find};
use super::link::{Features, Link};
use super::peer::Peer;
use super::place::Place;
use super::probe::Probe;
use crate::xdp::{Device, QueueConfig, XdpError};

/// What all checks of one interface are made from, looked up once.
#[derive(Debug)]
pub(super) struct Host {
    pub device: Device,
    pub link: Link,
    pub features: Result<Features, CommandError>,
    pub peer: Peer,
    pub probe: Probe,
    /// Processes that have a part in the interface.
    pub holders: Holders,
}

impl Host {
    pub(super) fn look(device: Device) -> Result<Host, CommandError> {
        let link = Link::ask(&Place::Here, &device.name)?;
        let programs: Vec<u32> = link.programs().iter().map(|program| program.prog.id).collect();
        Ok(Host {
            features: Features::ask(&Place::Here, &device.name),
            peer: Peer::of(&link),
            probe: Probe::of(&device),
            holders: find(&programs),
            link,
            device,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.device.name
    }

    /// Octets of the largest IP packet that a frame of the UMEM holds.
    pub(super) fn most(&self) -> u32 {
        let mut device = self.device.clone();
        (device.up, device.loopback, device.mtu) = (true, false, u32::MAX);
        device.hardware = libc::ARPHRD_ETHER;
        match device.check(QueueConfig::new("", 0, 0).frame_size) {
            Err(XdpError::Mtu { most, .. }) => most,
            _ => u32::MAX,
        }
    }

    /// The interface's directory in /sys. `None`: /sys shows another network namespace.
    pub(super) fn sys(&self) -> Option<PathBuf> {
        let path = PathBuf::from(format!("/sys/class/net/{}", self.name()));
        let read = |file: &str| fs::read_to_string(path.join(file)).ok();
        let index = read("ifindex")?.trim().parse() == Ok(self.device.index);
        let octets = self.device.mac.unwrap_or_default().map(|octet| format!("{octet:02x}")).join(":");
        (index && read("address")?.trim() == octets).then_some(path)
    }
}

/// A file of one line, without its end. `None`: it is not there, or empty.
pub(super) fn line(path: impl AsRef<std::path::Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}
