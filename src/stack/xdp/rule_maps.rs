use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use zerocopy::{Immutable, IntoBytes};

use super::abi;
use super::lpm::LpmEntry;
use super::program_error::ProgramError;
use super::steering_rule::ListenerPorts;

/// `struct owned_key` of `bpf/abi.h`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
struct RuleKey {
    prefix_len: u32,
    family: u32,
    address: [u8; 16],
}

/// `struct owned` of `bpf/abi.h`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct RuleValue {
    flags: u32,
    range_count: u32,
    ports: [u64; 1024],
    ranges: [PortRange; abi::MAX_RANGES as usize],
}

/// `struct port_range` of `bpf/abi.h`.
#[derive(Clone, Copy, Default, IntoBytes, Immutable)]
#[repr(C)]
struct PortRange {
    first: u16,
    last: u16,
    listener: u16,
    reserved: u16,
}

const _: () = {
    assert!(size_of::<RuleKey>() == abi::OWNED_KEY_SIZE as usize);
    assert!(offset_of!(RuleKey, prefix_len) == 0);
    assert!(offset_of!(RuleKey, family) == abi::OWNED_KEY_FAMILY as usize);
    assert!(offset_of!(RuleKey, address) == abi::OWNED_KEY_ADDRESS as usize);
    assert!(size_of::<RuleValue>() == abi::OWNED_SIZE as usize);
    assert!(offset_of!(RuleValue, flags) == 0);
    assert!(offset_of!(RuleValue, ports) == abi::OWNED_PORTS as usize);
    assert!(offset_of!(RuleValue, ranges) == abi::OWNED_RANGES as usize);
    assert!(size_of::<PortRange>() == abi::PORT_RANGE_SIZE as usize);
    // The program searches by bisection.
    assert!(abi::MAX_RANGES.is_power_of_two());
};

/// Two maps of the rules' entries in the kernel, one of them active.
///
/// A packet sees either all old entries or all new ones. Both maps exist from the start, so replacing
/// the rules needs descriptors only, and works after the capabilities are dropped (Linux 5.19 or newer).
#[derive(Debug)]
pub(super) struct RuleMaps {
    /// The program's pointer to the active map.
    switch: MapHandle,
    maps: [RuleMap; 2],
    active: usize,
}

impl RuleMaps {
    /// `first` is the active map. Both are empty.
    pub(super) fn new(switch: MapHandle, first: MapHandle, second: MapHandle) -> Self {
        let map = |trie| RuleMap { trie, keys: Vec::new() };
        Self { switch, maps: [map(first), map(second)], active: 0 }
    }

    /// Replaces all entries at the same moment.
    ///
    /// # Errors
    /// There are too many, or the kernel refuses one. The old entries stay active.
    pub(super) fn replace(&mut self, entries: &[LpmEntry]) -> Result<(), ProgramError> {
        let max = abi::MAX_OWNED as usize;
        if entries.len() > max {
            return Err(ProgramError::TooManyRules { entries: entries.len(), max });
        }
        let next = 1 - self.active;
        self.fill_and_switch(next, entries).map_err(|source| ProgramError::Rules { source })?;
        let old = std::mem::replace(&mut self.active, next);
        // No packet is looked up there any more. Entries that cannot be removed now are removed before
        // the next use.
        let _ = self.maps[old].clear();
        Ok(())
    }

    fn fill_and_switch(&mut self, next: usize, entries: &[LpmEntry]) -> libbpf_rs::Result<()> {
        let map = &mut self.maps[next];
        map.clear()?;
        for entry in entries {
            map.insert(entry)?;
        }
        let trie = map.trie.as_fd().as_raw_fd();
        // The kernel returns once the last packet that used the old map is done.
        self.switch.update(&0u32.to_ne_bytes(), &trie.to_ne_bytes(), MapFlags::ANY)
    }
}

/// One LPM trie in the kernel, and its keys.
#[derive(Debug)]
struct RuleMap {
    trie: MapHandle,
    keys: Vec<RuleKey>,
}

impl RuleMap {
    fn insert(&mut self, entry: &LpmEntry) -> libbpf_rs::Result<()> {
        let key = RuleKey::from(entry.prefix);
        let (ranges, range_count) = port_ranges(entry.listeners.ranges());
        let value = RuleValue {
            flags: if entry.exclusive { abi::OWNED_EXCLUSIVE } else { 0 },
            range_count,
            ports: *entry.ports.words(),
            ranges,
        };
        self.trie.update(key.as_bytes(), value.as_bytes(), MapFlags::ANY)?;
        self.keys.push(key);
        Ok(())
    }

    fn clear(&mut self) -> libbpf_rs::Result<()> {
        while let Some(key) = self.keys.last() {
            match self.trie.delete(key.as_bytes()) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => self.keys.pop(),
            };
        }
        Ok(())
    }
}

/// The ranges and their number. After them the last one is repeated.
fn port_ranges(listeners: &[ListenerPorts]) -> ([PortRange; abi::MAX_RANGES as usize], u32) {
    let range =
        |&ListenerPorts { first, last, listener }: &_| PortRange { first, last, listener, reserved: 0 };
    let mut ranges = [listeners.last().map(range).unwrap_or_default(); abi::MAX_RANGES as usize];
    let mut count = 0;
    for (place, ports) in ranges.iter_mut().zip(listeners) {
        *place = range(ports);
        count += 1;
    }
    (ranges, count)
}

impl From<IpNet> for RuleKey {
    fn from(prefix: IpNet) -> Self {
        let mut address = [0; 16];
        let family = match prefix {
            IpNet::V4(net) => {
                address[..4].copy_from_slice(&net.network().octets());
                abi::FAMILY_IPV4
            }
            IpNet::V6(net) => {
                address = net.network().octets();
                abi::FAMILY_IPV6
            }
        };
        Self { prefix_len: abi::FAMILY_BITS + u32::from(prefix.prefix_len()), family, address }
    }
}
