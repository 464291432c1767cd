use std::mem::offset_of;
use std::os::fd::{AsFd, AsRawFd};

use ipnet::IpNet;
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};
use zerocopy::{Immutable, IntoBytes};

use super::abi;
use super::program_error::ProgramError;
use super::steer::Entry;

/// `struct owned_key` of `bpf/abi.h`.
#[derive(Clone, Copy, Debug, IntoBytes, Immutable)]
#[repr(C)]
struct Key {
    prefix_len: u32,
    family: u32,
    address: [u8; 16],
}

/// `struct owned` of `bpf/abi.h`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Value {
    flags: u32,
    reserved: u32,
    ports: [u64; 1024],
}

const _: () = {
    assert!(size_of::<Key>() == abi::OWNED_KEY_SIZE as usize);
    assert!(offset_of!(Key, prefix_len) == 0);
    assert!(offset_of!(Key, family) == abi::OWNED_KEY_FAMILY as usize);
    assert!(offset_of!(Key, address) == abi::OWNED_KEY_ADDRESS as usize);
    assert!(size_of::<Value>() == abi::OWNED_SIZE as usize);
    assert!(offset_of!(Value, flags) == 0);
    assert!(offset_of!(Value, ports) == abi::OWNED_PORTS as usize);
};

/// Two sets of entries in the kernel, one of them in force.
///
/// A packet sees either the whole old set or the whole new one. Both exist from the start, so
/// replacing the rules needs descriptors only and works after the capabilities are gone (Linux
/// 5.19 or newer).
#[derive(Debug)]
pub struct RuleSets {
    /// The program's pointer to the set in force.
    switch: MapHandle,
    sets: [Set; 2],
    in_force: usize,
}

impl RuleSets {
    /// `first` is the set in force. Both are empty.
    pub fn new(switch: MapHandle, first: MapHandle, second: MapHandle) -> Self {
        let set = |trie| Set { trie, keys: Vec::new() };
        Self { switch, sets: [set(first), set(second)], in_force: 0 }
    }

    /// Puts `entries` in force, all at the same moment. After an error the old ones still are.
    pub fn replace(&mut self, entries: &[Entry]) -> Result<(), ProgramError> {
        let max = abi::MAX_OWNED as usize;
        if entries.len() > max {
            return Err(ProgramError::TooManyRules { entries: entries.len(), max });
        }
        let next = 1 - self.in_force;
        self.fill_and_switch(next, entries).map_err(|source| ProgramError::Rules { source })?;
        let old = std::mem::replace(&mut self.in_force, next);
        // No packet looks there any more. What cannot be removed now is removed before the next use.
        let _ = self.sets[old].clear();
        Ok(())
    }

    fn fill_and_switch(&mut self, next: usize, entries: &[Entry]) -> libbpf_rs::Result<()> {
        let set = &mut self.sets[next];
        set.clear()?;
        for entry in entries {
            set.insert(entry)?;
        }
        let trie = set.trie.as_fd().as_raw_fd();
        // The kernel returns when the last packet that saw the old set is done.
        self.switch.update(&0u32.to_ne_bytes(), &trie.to_ne_bytes(), MapFlags::ANY)
    }
}

/// One longest-prefix match in the kernel, and the keys that are in it.
#[derive(Debug)]
struct Set {
    trie: MapHandle,
    keys: Vec<Key>,
}

impl Set {
    fn insert(&mut self, entry: &Entry) -> libbpf_rs::Result<()> {
        let key = Key::from(entry.prefix);
        let value = Value {
            flags: if entry.exclusive { abi::OWNED_EXCLUSIVE } else { 0 },
            reserved: 0,
            ports: *entry.ports.words(),
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

impl From<IpNet> for Key {
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
