use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use zerocopy::{FromBytes, Immutable, KnownLayout};

use super::abi;
use crate::wire::Mac;

/// An exclusive address that another host claims (RFC 5227 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The other host's MAC address.
    pub mac: Mac,
}

/// `struct claim` of `bpf/abi.h`.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C)]
struct ClaimKey {
    family: u32,
    address: [u8; 16],
    mac: [u8; 6],
    zero: [u8; 2],
}

const _: () = {
    assert!(size_of::<ClaimKey>() == abi::CLAIM_SIZE as usize);
    assert!(offset_of!(ClaimKey, address) == abi::CLAIM_ADDRESS as usize);
    assert!(offset_of!(ClaimKey, mac) == abi::CLAIM_MAC as usize);
};

/// The claims that the program remembers, with the number of frames of each so far.
pub(super) fn read(map: &MapHandle) -> Vec<(Claim, u64)> {
    let frames = |key: &[u8]| map.lookup(key, MapFlags::ANY).ok().flatten();
    let entry = |key: Vec<u8>| {
        // An entry that was replaced since it was listed is skipped.
        let frames = u64::read_from_bytes(&frames(&key)?).ok()?;
        Some((claim(&key)?, frames))
    };
    map.keys().filter_map(entry).collect()
}

fn claim(key: &[u8]) -> Option<Claim> {
    let ClaimKey { family, address, mac, .. } = ClaimKey::read_from_bytes(key).ok()?;
    let address = match family {
        abi::FAMILY_IPV4 => Ipv4Addr::from(*address.first_chunk::<4>()?).into(),
        _ => Ipv6Addr::from(address).into(),
    };
    Some(Claim { address, mac })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_an_address_and_a_mac() {
        let mut key = [0; 28];
        key[..4].copy_from_slice(&abi::FAMILY_IPV4.to_ne_bytes());
        key[4..8].copy_from_slice(&[10, 0, 0, 50]);
        key[20..26].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        let wanted = Claim { address: [10, 0, 0, 50].into(), mac: [2, 0, 0, 0, 0, 9] };
        assert_eq!(claim(&key), Some(wanted));
        key[0] = abi::FAMILY_IPV6 as u8;
        assert_eq!(claim(&key).map(|claim| claim.address.is_ipv6()), Some(true));
        assert_eq!(claim(&key[..27]), None);
    }
}
