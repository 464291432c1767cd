use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;

use super::{Active, ActiveDevice, Options, StartError, notes};
use crate::wire::{Owned, Policy};
use crate::xdp::{Device, Mode, Network, Opened, Preference, Program, ProgramError, Queue, QueueConfig};

/// An interface with the steering program on it, for as long as this lives.
pub(super) struct OpenDevice {
    pub(super) device: Device,
    pub(super) program: Program,
}

/// Opens every queue of a device behind its steering program. A queue without a socket would
/// drop what we own, so it is all of them or none.
pub(super) fn open_device(
    options: &Options,
    device: Device,
    local: &[IpAddr],
    active: &mut Active,
) -> Result<(OpenDevice, Vec<Queue>), StartError> {
    let mut config = QueueConfig::new(&device.name, device.index, 0);
    config.set_rings(options.ring);
    config.copy = options.copy;
    config.hugepages = options.hugepages;
    device.check(config.frame_size)?;
    let listened = options.listen.iter().map(|(owned, _)| owned);
    let owned: Vec<Owned> = listened.chain(&options.owned).cloned().collect();
    let mut program = Program::load(&owned, local)?;
    let mode = attach(options.mode, &mut program, &device, active)?;
    active.notes.extend(notes::whole_links(&device.name, &owned, &device.addresses));
    let mut queues = Vec::new();
    let mut what = None;
    for number in 0..device.rx_queues {
        config.queue = number;
        let (queue, opened) = Queue::open(&config)?;
        program.set_socket(number, queue.as_fd())?;
        queues.push(queue);
        let opened: &Opened = what.insert(opened);
        active.notes.extend(
            opened.notes.iter().filter(|note| !active.notes.contains(note)).cloned().collect::<Vec<_>>(),
        );
    }
    active.devices.push(ActiveDevice {
        name: device.name.clone(),
        driver: device.driver.clone().unwrap_or_else(|| "unknown driver".to_owned()),
        mode,
        zero_copy: what.as_ref().is_some_and(|opened| opened.zero_copy),
        queues: device.rx_queues,
        tx_budget: what.as_ref().map_or(0, |opened| opened.tx_budget),
        hugepages: what.as_ref().is_some_and(|opened| opened.hugepages),
    });
    Ok((OpenDevice { device, program }, queues))
}

/// In the mode asked for; or in the one that suits the driver, and if that fails in the other.
fn attach(
    asked: Option<Mode>,
    program: &mut Program,
    device: &Device,
    active: &mut Active,
) -> Result<Mode, ProgramError> {
    let mut attach = |mode| program.attach(device.index, &device.name, mode).map(|()| mode);
    if let Some(mode) = asked {
        return attach(mode);
    }
    match device.preference() {
        Preference::Generic => attach(Mode::Generic),
        Preference::Native => attach(Mode::Native).or_else(|error| {
            active.notes.push(format!("native mode failed, generic mode taken: {error}"));
            attach(Mode::Generic)
        }),
    }
}

/// What the parser is configured with, beside what the interface is.
#[derive(Clone)]
pub(super) struct Given {
    /// On-link prefixes; empty: the interface's own.
    pub(super) subnets: Vec<IpNet>,
    pub(super) accept_partial_checksum: bool,
}

impl Given {
    pub(super) fn of(options: &Options) -> Given {
        let accept_partial_checksum = options.accept_partial_checksum;
        Given { subnets: options.subnets.clone(), accept_partial_checksum }
    }

    /// What the parser needs to know of an interface.
    pub(super) fn policy(&self, network: &Network, index: u32) -> Policy {
        let links = if self.subnets.is_empty() { links(network, index) } else { self.subnets.clone() };
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net.trunc()),
            IpNet::V6(_) => None,
        };
        Policy {
            mac: network.mac_of(index),
            subnets: links.into_iter().filter_map(v4).collect(),
            accept_partial_checksum: self.accept_partial_checksum,
        }
    }
}

/// The prefixes on the link of an interface, by its addresses.
pub(super) fn links(network: &Network, index: u32) -> Vec<IpNet> {
    let addresses = network.addresses_of(index);
    let links = addresses.iter().filter_map(|(address, length)| IpNet::new(*address, *length).ok());
    links.map(|link| link.trunc()).collect()
}
