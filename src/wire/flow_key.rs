use std::fmt::Debug;
use std::mem::size_of;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};

use siphasher::sip::SipHasher13;
use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::{checksum::Sum, ethernet, ipv4, ipv6};

/// The secret that keys the table's hash, drawn at start. Without it an outsider could aim
/// connections at one bucket.
#[derive(Clone, Copy)]
pub struct HashSecret(pub u64, pub u64);

impl HashSecret {
    /// In one write: a hasher fed field by field would buffer each.
    #[inline]
    fn hash(&self, octets: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(octets)
    }
}

/// A 4-tuple from our point of view, and the words it is stored as.
pub trait FlowKey: Copy + Eq + Debug + Send + Sync + 'static {
    /// `[u32; 3]` or `[u32; 9]`: what a slot's atomic words hold.
    type Words: Copy + AsRef<[u32]> + AsMut<[u32]> + Default + Send + Sync;

    fn to_words(self) -> Self::Words;
    fn from_words(words: Self::Words) -> Self;
    fn local(&self) -> SocketAddr;
    fn remote(&self) -> SocketAddr;

    /// SipHash-1-3 of the key. A pseudo-random function: the table uses the low 32 bits, the
    /// timestamp offset (RFC 7323 5.4) the high 32, and neither tells anything of the other.
    fn hash(&self, secret: &HashSecret) -> u64;
}

/// A 4-tuple of an address family that we speak: what it takes to send to it.
pub trait PacketKey: FlowKey {
    /// The EtherType of the family's packets.
    const ETHERTYPE: u16;
    /// Octets of the network header that we send: no options, no extensions.
    const NETWORK_LEN: usize;

    /// Host order: remote, local.
    fn ports(&self) -> (u16, u16);

    /// The sum of the pseudo-header of a TCP segment of `segment_len` octets, header included. The
    /// same in both directions.
    fn pseudo_header(&self, segment_len: u16) -> Sum;

    /// Writes the network header of a TCP segment of `segment_len` octets from local to remote.
    /// `None` if there is no room, or the packet's length cannot be expressed.
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()>;
}

/// An IPv4 4-tuple: 12 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FlowKey4 {
    pub remote: [u8; 4],
    pub local: [u8; 4],
    /// Host order.
    pub remote_port: u16,
    /// Host order.
    pub local_port: u16,
}

/// An IPv6 4-tuple: 36 octets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FlowKey6 {
    pub remote: [u8; 16],
    pub local: [u8; 16],
    pub remote_port: u16,
    pub local_port: u16,
}

const _: () = assert!(size_of::<FlowKey4>() == 12 && size_of::<FlowKey6>() == 36);

impl FlowKey for FlowKey4 {
    type Words = [u32; 3];

    #[inline]
    fn to_words(self) -> [u32; 3] {
        transmute!(self)
    }

    #[inline]
    fn from_words(words: [u32; 3]) -> FlowKey4 {
        transmute!(words)
    }

    #[inline]
    fn local(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(self.local.into(), self.local_port))
    }

    #[inline]
    fn remote(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(self.remote.into(), self.remote_port))
    }

    #[inline]
    fn hash(&self, secret: &HashSecret) -> u64 {
        secret.hash(self.as_bytes())
    }
}

impl PacketKey for FlowKey4 {
    const ETHERTYPE: u16 = ethernet::IPV4;
    const NETWORK_LEN: usize = ipv4::HEADER_LEN;

    #[inline]
    fn ports(&self) -> (u16, u16) {
        (self.remote_port, self.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Sum {
        Sum::pseudo_v4(self.local, self.remote, ipv4::TCP, segment_len)
    }

    #[inline]
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()> {
        ipv4::write_header(at, self.local, self.remote, ipv4::TCP, segment_len)
    }
}

impl FlowKey for FlowKey6 {
    type Words = [u32; 9];

    #[inline]
    fn to_words(self) -> [u32; 9] {
        transmute!(self)
    }

    #[inline]
    fn from_words(words: [u32; 9]) -> FlowKey6 {
        transmute!(words)
    }

    #[inline]
    fn local(&self) -> SocketAddr {
        SocketAddr::V6(SocketAddrV6::new(self.local.into(), self.local_port, 0, 0))
    }

    #[inline]
    fn remote(&self) -> SocketAddr {
        SocketAddr::V6(SocketAddrV6::new(self.remote.into(), self.remote_port, 0, 0))
    }

    #[inline]
    fn hash(&self, secret: &HashSecret) -> u64 {
        secret.hash(self.as_bytes())
    }
}

impl PacketKey for FlowKey6 {
    const ETHERTYPE: u16 = ethernet::IPV6;
    const NETWORK_LEN: usize = ipv6::HEADER_LEN;

    #[inline]
    fn ports(&self) -> (u16, u16) {
        (self.remote_port, self.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Sum {
        Sum::pseudo_v6(&self.local, &self.remote, ipv6::TCP, segment_len)
    }

    #[inline]
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()> {
        ipv6::write_header(at, &self.local, &self.remote, ipv6::TCP, ipv6::HOP_LIMIT, segment_len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::Hasher;

    const SECRET: HashSecret = HashSecret(0x0706050403020100, 0x0f0e0d0c0b0a0908);
    const KEY4: FlowKey4 =
        FlowKey4 { remote: [192, 0, 2, 9], local: [192, 0, 2, 1], remote_port: 40_000, local_port: 80 };
    const KEY6: FlowKey6 = FlowKey6 {
        remote: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        local: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        remote_port: 40_000,
        local_port: 80,
    };

    #[test]
    fn words_and_back() {
        assert_eq!(FlowKey4::from_words(KEY4.to_words()), KEY4);
        assert_eq!(FlowKey6::from_words(KEY6.to_words()), KEY6);
        assert_eq!(FlowKey4::from_words([0; 3]).remote_port, 0);
    }

    #[test]
    fn ends_as_people_read_them() {
        assert_eq!(KEY4.local().to_string(), "192.0.2.1:80");
        assert_eq!(KEY4.remote().to_string(), "192.0.2.9:40000");
        assert_eq!(KEY6.local().to_string(), "[2001:db8::1]:80");
        assert_eq!(KEY6.remote().to_string(), "[2001:db8::9]:40000");
        assert_eq!((KEY4.ports(), KEY6.ports()), ((40_000, 80), (40_000, 80)));
    }

    /// The standard library's default hasher is SipHash-1-3 with a zero key: not promised, but an
    /// independent implementation.
    #[test]
    fn hash_is_siphash_1_3_of_the_octets() {
        let mut std = std::hash::DefaultHasher::new();
        std.write(KEY4.as_bytes());
        assert_eq!(FlowKey::hash(&KEY4, &HashSecret(0, 0)), std.finish());
        let mut std = std::hash::DefaultHasher::new();
        std.write(KEY6.as_bytes());
        assert_eq!(FlowKey::hash(&KEY6, &HashSecret(0, 0)), std.finish());
    }

    #[test]
    fn every_field_and_the_secret_matter() {
        let keys = [
            KEY4,
            FlowKey4 { remote: [192, 0, 2, 8], ..KEY4 },
            FlowKey4 { local: [192, 0, 2, 2], ..KEY4 },
            FlowKey4 { remote_port: 40_001, ..KEY4 },
            FlowKey4 { local_port: 81, ..KEY4 },
            FlowKey4 { remote: KEY4.local, local: KEY4.remote, ..KEY4 },
        ];
        let mut hashes: HashSet<u64> = keys.iter().map(|key| FlowKey::hash(key, &SECRET)).collect();
        hashes.insert(FlowKey::hash(&KEY4, &HashSecret(1, 0)));
        hashes.insert(FlowKey::hash(&KEY4, &HashSecret(0, 1)));
        assert_eq!(hashes.len(), keys.len() + 2);
    }
}
