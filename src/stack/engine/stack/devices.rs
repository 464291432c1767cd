use std::net::IpAddr;
use std::os::fd::AsFd;

use ipnet::IpNet;

use super::{Effective, EffectiveDevice, StackConfig, StartError, notes};
use crate::wire::{EndpointRange, ParseConfig};
use crate::xdp::sizing::{FRAME_SIZES, Sizing};
use crate::xdp::{
    CopyMode, Device, EffectiveConfig, Mode, Network, Preference, Program, Queue, QueueConfig, inspect,
};

/// An interface with the steering program on it, for as long as this lives.
pub(super) struct OpenDevice {
    pub(super) device: Device,
    pub(super) program: Program,
}

/// Opens every queue of a device behind its steering program. A queue without a socket would
/// drop what we own, so it is all of them or none.
pub(super) fn open_device(
    options: &StackConfig,
    device: Device,
    local: &[IpAddr],
    active: &mut Effective,
) -> Result<(OpenDevice, Vec<Queue>), StartError> {
    let [.., largest] = FRAME_SIZES;
    device.check(options.frame_size.unwrap_or(largest))?;
    let listened = options.listen.iter().map(|(owned, _)| owned);
    let owned: Vec<EndpointRange> = listened.chain(&options.owned).cloned().collect();
    let mut program = Program::load(&owned, local)?;
    let started = start(options, &mut program, &device, active)?;
    active.notes.extend(notes::whole_links(&device.name, &owned, &device.addresses));
    active.notes.extend(notes::hidden_tags(&device.name));
    let (queues, opened): (Vec<Queue>, Vec<EffectiveConfig>) = started.queues.into_iter().unzip();
    for note in opened.iter().flat_map(|opened| &opened.notes) {
        if !active.notes.contains(note) {
            active.notes.push(note.clone());
        }
    }
    active.devices.push(EffectiveDevice {
        name: device.name.clone(),
        driver: device.driver.clone().unwrap_or_else(|| "unknown driver".to_owned()),
        mode: started.mode,
        zero_copy: opened.iter().all(|opened| opened.zero_copy),
        zero_copy_queues: (0..)
            .zip(&opened)
            .filter(|(_, opened)| opened.zero_copy)
            .map(|(at, _)| at)
            .collect(),
        queues: device.rx_queues,
        frame_size: started.config.frame_size,
        umem_bytes: started.config.memory(),
        tx_budget: opened.iter().map(|opened| opened.tx_budget).min().unwrap_or(0),
        hugepages: opened.iter().all(|opened| opened.hugepages),
    });
    Ok((OpenDevice { device, program }, queues))
}

/// Queues behind an attached program.
struct Started {
    mode: Mode,
    config: QueueConfig,
    queues: Vec<(Queue, EffectiveConfig)>,
}

/// In the mode asked for; or in the one that suits the driver, and if that fails in the other.
fn start(
    options: &StackConfig,
    program: &mut Program,
    device: &Device,
    active: &mut Effective,
) -> Result<Started, StartError> {
    let mut start = |mode, notes: &mut Vec<String>| in_mode(options, program, device, mode, notes);
    if let Some(mode) = options.mode {
        return start(mode, &mut active.notes);
    }
    if options.copy == CopyMode::ZeroCopy {
        // Generic mode has none.
        return start(Mode::Native, &mut active.notes);
    }
    match device.preference() {
        Preference::Generic => start(Mode::Generic, &mut active.notes),
        Preference::Native => match start(Mode::Native, &mut Vec::new()) {
            Err(StartError::Program(error)) => {
                active.notes.push(format!("native mode failed, generic mode taken: {error}"));
                start(Mode::Generic, &mut active.notes)
            }
            Err(error) => Err(error),
            Ok(started) => Ok(started),
        },
    }
}

/// The sockets first, the program last. From its first frame on every queue has a socket; and a
/// driver that starts its queues anew for the program finds the sockets' memory, and frames in it.
fn in_mode(
    options: &StackConfig,
    program: &mut Program,
    device: &Device,
    mode: Mode,
    notes: &mut Vec<String>,
) -> Result<Started, StartError> {
    program.check_free(device.index, &device.name, mode)?;
    let says = inspect::features(device.index);
    let sizing = Sizing::choose(device, mode, options.copy, options.frame_size, says)?;
    notes.extend(sizing.note);
    let mut config = QueueConfig::new(&device.name, device.index, 0);
    config.set_rings(options.ring);
    config.hugepages = options.hugepages;
    (config.copy, config.frame_size) = (sizing.copy, sizing.frame_size);
    let mut queues = Vec::new();
    for number in 0..device.rx_queues {
        config.queue = number;
        let (queue, opened) = Queue::open(&config)?;
        program.set_socket(number, queue.as_fd())?;
        queues.push((queue, opened));
    }
    program.attach(device.index, &device.name, mode)?;
    Ok(Started { mode, config, queues })
}

/// What the parser is configured with, beside what the interface is.
#[derive(Clone)]
pub(super) struct Given {
    /// On-link prefixes; empty: the interface's own.
    pub(super) subnets: Vec<IpNet>,
    pub(super) accept_partial_checksum: bool,
}

impl Given {
    pub(super) fn of(options: &StackConfig) -> Given {
        let accept_partial_checksum = options.accept_partial_checksum;
        Given { subnets: options.subnets.clone(), accept_partial_checksum }
    }

    /// What the parser needs to know of an interface.
    pub(super) fn policy(&self, network: &Network, index: u32) -> ParseConfig {
        let links = if self.subnets.is_empty() { links(network, index) } else { self.subnets.clone() };
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net.trunc()),
            IpNet::V6(_) => None,
        };
        ParseConfig {
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
