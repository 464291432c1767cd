//! The addresses of a core on its links: other MACs and subnets while it runs, and their announcement.

use std::net::IpAddr;

use super::{CoreDevice, Worker};
use crate::engine::port::Port;
use crate::observe::DropReason;
use crate::wire::icmp;
use crate::wire::{Mac, ParseConfig, arp};

impl<P: Port> Worker<P> {
    /// What the parser needs to know of a device, from the next poll on. Segments of connections
    /// that are there leave with the new MAC, too.
    pub fn set_policy(&mut self, device: usize, policy: &ParseConfig) {
        for (port_index, known) in
            self.devices.iter_mut().enumerate().filter(|(_, known)| known.index == device)
        {
            let device = CoreDevice::new(device, policy.clone());
            if device.mac != known.mac {
                self.core.link_cache.set_mac(port_index as u8, policy.mac);
            }
            *known = device;
        }
        for far in self.ports.far.iter_mut().filter(|far| far.device == device) {
            let port_index = far.set_policy(policy);
            self.core.link_cache.set_mac(port_index, policy.mac);
        }
    }

    /// Says on a device's link that these addresses are at its MAC: by gratuitous ARP (an
    /// announcement of RFC 5227 2.3) and by unsolicited neighbour advertisements (RFC 4861 7.2.6).
    /// Untagged; nothing if the core has no queue of the device. For a few addresses at a time.
    pub fn announce(&mut self, device: usize, addresses: &[IpAddr]) {
        let Some(index) = self.devices.iter().position(|known| known.index == device) else {
            return;
        };
        let (mac, port) = (self.devices[index].mac, &mut self.ports.own[index]);
        let counters = &self.core.counters;
        for address in addresses {
            let Some(mut frame) = port.allocate() else {
                counters.dropped(DropReason::NoFrame);
                return;
            };
            match write(port.bytes_mut(&mut frame), *address, mac) {
                Some(len) => {
                    counters.announcements.bump();
                    counters.frames_out.bump();
                    port.transmit(frame, len);
                }
                None => port.release(frame),
            }
        }
    }
}

fn write(frame: &mut [u8], address: IpAddr, mac: Mac) -> Option<usize> {
    match address {
        IpAddr::V4(address) => arp::announce(frame, address.octets(), mac),
        IpAddr::V6(address) => icmp::announce(frame, address.octets(), mac),
    }
}
