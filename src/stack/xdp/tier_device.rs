use std::io;
use std::mem::offset_of;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::Release;

use libbpf_rs::MapHandle;
use zerocopy::{Immutable, IntoBytes};

use super::abi;
use super::mapping::Mapping;

/// The cookie tier's settings of the interface of a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TierDevice {
    /// How the program sends frames there.
    pub transmit: Transmit,
    /// Whether a TCP checksum over the pseudo-header alone is accepted.
    pub accepts_partial: bool,
    /// SYNs in frames to another MAC are left to the stack. `None`: any.
    pub mac: Option<[u8; 6]>,
    /// The broadcast addresses of the networks on the link, never the source of a SYN. With more than 16
    /// of them the stack answers every SYN.
    pub broadcasts: Vec<Ipv4Addr>,
}

/// How a program sends a frame where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Transmit {
    /// It cannot: the stack answers every SYN.
    #[default]
    Nothing,
    /// `XDP_TX`.
    Tx,
    /// `XDP_REDIRECT` to the same interface. A veth whose other end has NAPI without a program takes a frame
    /// by
    /// `XDP_TX`, but the other end is not woken.
    Redirect,
}

impl Transmit {
    fn number(self) -> u32 {
        match self {
            Transmit::Nothing => abi::TRANSMITS_NOTHING,
            Transmit::Tx => abi::TRANSMITS_TX,
            Transmit::Redirect => abi::TRANSMITS_REDIRECT,
        }
    }
}

/// `struct tier_device` of `bpf/abi.h`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct DeviceSettings {
    transmits: u32,
    accepts_partial: u32,
    has_mac: u32,
    mac: [u8; 6],
    zero: [u8; 2],
    broadcast_count: u32,
    broadcasts: [[u8; 4]; abi::MAX_BROADCASTS as usize],
}

const _: () = {
    assert!(size_of::<DeviceSettings>() == abi::TIER_DEVICE_SIZE as usize);
    assert!(offset_of!(DeviceSettings, transmits) == 0);
    assert!(offset_of!(DeviceSettings, mac) == abi::TIER_DEVICE_MAC as usize);
    assert!(offset_of!(DeviceSettings, broadcast_count) == abi::TIER_DEVICE_BROADCAST_COUNT as usize);
};

/// The program's `tier_device`, in this process's memory.
#[derive(Debug)]
pub(super) struct DeviceMap(Mapping);

impl DeviceMap {
    pub(super) fn new(map: &MapHandle) -> io::Result<DeviceMap> {
        Mapping::of_array(map.as_fd(), size_of::<DeviceSettings>()).map(DeviceMap)
    }

    /// The program answers no SYN while the other words change.
    pub(super) fn set(&self, device: &TierDevice) {
        let settings = DeviceSettings::new(device);
        self.store(0, 0);
        for (index, word) in settings.as_bytes().as_chunks().0.iter().enumerate().skip(1) {
            self.store(4 * index, u32::from_ne_bytes(*word));
        }
        self.store(0, settings.transmits);
    }

    fn store(&self, offset: usize, value: u32) {
        if let Ok(word) = self.0.word32(offset) {
            word.store(value, Release);
        }
    }
}

impl DeviceSettings {
    fn new(device: &TierDevice) -> DeviceSettings {
        let mut broadcasts = [[0; 4]; abi::MAX_BROADCASTS as usize];
        for (place, address) in broadcasts.iter_mut().zip(&device.broadcasts) {
            *place = address.octets();
        }
        let fit = device.broadcasts.len() <= broadcasts.len();
        DeviceSettings {
            transmits: if fit { device.transmit.number() } else { abi::TRANSMITS_NOTHING },
            accepts_partial: u32::from(device.accepts_partial),
            has_mac: u32::from(device.mac.is_some()),
            mac: device.mac.unwrap_or_default(),
            zero: [0; 2],
            broadcast_count: device.broadcasts.len().min(broadcasts.len()) as u32,
            broadcasts,
        }
    }
}
