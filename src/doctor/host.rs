use std::fs;
use std::path::PathBuf;

use super::command::CommandError;
use super::link::{Features, Link};
use super::netns::Netns;
use super::probe::BindProbe;
use super::program_owners::{ProgramOwners, find};
use super::veth::VethPeer;
use handfast_stack::xdp::sizing::{self, Sizing};
use handfast_stack::xdp::{CopyMode, Device, Mode, Preference, inspect};

/// The facts that all checks of one interface use, looked up once.
#[derive(Debug)]
pub(super) struct Host {
    pub device: Device,
    pub link: Link,
    pub features: Result<Features, CommandError>,
    pub peer: VethPeer,
    pub probe: BindProbe,
    /// Processes that use the interface.
    pub owners: ProgramOwners,
    /// The XDP features that the driver announces; `None`: the kernel does not report them.
    pub driver: Option<inspect::XdpFeatures>,
}

impl Host {
    pub(super) fn look(device: Device) -> Result<Host, CommandError> {
        let link = Link::ask(&Netns::Here, &device.name)?;
        let programs: Vec<u32> = link.programs().iter().map(|program| program.prog.id).collect();
        Ok(Host {
            features: Features::ask(&Netns::Here, &device.name),
            peer: VethPeer::of(&link),
            probe: BindProbe::of(&device),
            owners: find(&programs),
            driver: inspect::features(device.index),
            link,
            device,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.device.name
    }

    /// Maximum size of a UMEM frame, in bytes.
    pub(super) fn frame_size() -> u32 {
        let [.., largest] = sizing::FRAME_SIZES;
        largest
    }

    /// Bytes of the frames that `respond` uses by default.
    pub(super) fn frame_size_by_default(&self) -> u32 {
        let sizing = Sizing::choose(&self.device, self.mode_by_default(), CopyMode::Auto, None, self.driver);
        sizing.map_or(Host::frame_size(), |sizing| sizing.frame_size)
    }

    /// The mode that `respond` uses by default, unless the driver refuses it.
    pub(super) fn mode_by_default(&self) -> Mode {
        match self.device.preference() {
            Preference::Native => Mode::Native,
            Preference::Generic => Mode::Generic,
        }
    }

    /// The MTU, or the advised one if it does not fit.
    pub(super) fn fitting_mtu(&self) -> u32 {
        let size = Host::frame_size();
        match self.device.mtu {
            mtu if mtu > sizing::largest_mtu(size) => sizing::advised_mtu(size),
            mtu => mtu,
        }
    }

    /// The interface's directory in /sys. `None`: /sys shows another network namespace.
    pub(super) fn sys(&self) -> Option<PathBuf> {
        let path = PathBuf::from(format!("/sys/class/net/{}", self.name()));
        let read = |file: &str| fs::read_to_string(path.join(file)).ok();
        let index = read("ifindex")?.trim().parse() == Ok(self.device.index);
        let mac = self.device.mac.unwrap_or_default().map(|byte| format!("{byte:02x}")).join(":");
        (index && read("address")?.trim() == mac).then_some(path)
    }
}

/// A file of one line, without its end. `None`: it is not there, or empty.
pub(super) fn line(path: impl AsRef<std::path::Path>) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}
