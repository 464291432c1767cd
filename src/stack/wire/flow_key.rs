use std::fmt::Debug;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::{checksum::Checksum, ethernet, ipv4, ipv6};

/// The secret that keys the table's hash, drawn at start: one random number per word of the
/// longest 4-tuple, and one more. Without it an outsider could aim connections at one bucket.
#[derive(Clone, Copy)]
pub struct HashSecret(pub [u64; HashSecret::WORDS]);

impl HashSecret {
    /// Numbers in a secret, 64 bits each.
    pub const WORDS: usize = 10;

    /// Numbers that follow from `seed` (SplitMix64): for simulations and tests that must repeat.
    pub const fn fixed(seed: u64) -> HashSecret {
        let mut numbers = [0; HashSecret::WORDS];
        let mut at = 0;
        let mut state = seed;
        while at < HashSecret::WORDS {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            numbers[at] = mixed ^ (mixed >> 31);
            at += 1;
        }
        HashSecret(numbers)
    }

    /// Multilinear hashing: strongly universal in its upper half, whatever the words are (Lemire
    /// and Kaser, "Strongly universal string hashing is fast", 2014). That is: of any two 4-tuples
    /// an outsider may choose, only one pair in 2^32 collides, as long as nothing of the secret
    /// is known; so nothing derived from this hash may leave the host. Words that count up, as ports
    /// do, stay evenly spaced under it; the mixing after it scatters them and is reversible.
    #[inline(always)]
    fn hash(&self, words: &[u32]) -> u32 {
        let [first, rest @ ..] = &self.0;
        let sum = words
            .iter()
            .zip(rest)
            .fold(*first, |sum, (word, factor)| sum.wrapping_add(u64::from(*word).wrapping_mul(*factor)));
        let half = (sum >> 32) as u32;
        let half = (half ^ (half >> 16)).wrapping_mul(0x85eb_ca6b);
        let half = (half ^ (half >> 13)).wrapping_mul(0xc2b2_ae35);
        half ^ (half >> 16)
    }
}

/// A 4-tuple seen from the local end, and the words that store it.
pub trait FlowKey: Copy + Eq + Debug + Send + Sync + 'static {
    /// `[u32; 3]` or `[u32; 9]`: what a slot's atomic words hold.
    type Words: Copy + AsRef<[u32]> + AsMut<[u32]> + Default + Send + Sync;

    /// The words that store it.
    fn to_words(self) -> Self::Words;
    /// The 4-tuple that these words store.
    fn from_words(words: Self::Words) -> Self;
    /// The address and port of this end.
    fn local(&self) -> SocketAddr;
    /// The address and port of the peer.
    fn remote(&self) -> SocketAddr;

    /// A keyed, universal hash for the table, 32 bits. Not for the wire: see [`HashSecret`].
    fn hash(&self, secret: &HashSecret) -> u32;
}

/// A 4-tuple of a supported address family: what is needed to send to its remote end.
pub trait PacketKey: FlowKey {
    /// The EtherType of the family's packets.
    const ETHERTYPE: u16;
    /// Bytes of the network header of sent packets: no options, no extensions.
    const NETWORK_LEN: usize;

    /// Host order: remote, local.
    fn ports(&self) -> (u16, u16);

    /// Whether both have the same local address and port.
    fn same_local(&self, other: &Self) -> bool;

    /// The sum of the pseudo-header of a TCP segment of `segment_len` bytes, header included. The
    /// same in both directions.
    fn pseudo_header(&self, segment_len: u16) -> Checksum;

    /// Writes the network header of a TCP segment of `segment_len` bytes from local to remote.
    /// `None` if there is no room, or the packet's length cannot be expressed.
    fn write_network_header(&self, at: &mut [u8], segment_len: u16) -> Option<()>;
}

/// An IPv4 4-tuple: 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FlowKey4 {
    /// The peer's address, network order.
    pub remote: [u8; 4],
    /// This end's address, network order.
    pub local: [u8; 4],
    /// Host order.
    pub remote_port: u16,
    /// Host order.
    pub local_port: u16,
}

/// An IPv6 4-tuple: 36 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct FlowKey6 {
    /// The peer's address, network order.
    pub remote: [u8; 16],
    /// This end's address, network order.
    pub local: [u8; 16],
    /// Host order.
    pub remote_port: u16,
    /// Host order.
    pub local_port: u16,
}

const _: () = assert!(size_of::<FlowKey4>() == 12 && size_of::<FlowKey6>() == 36);

/// The prefix of a source that one sender cannot choose freely: an IPv4 /24, an IPv6 /64.
pub fn source_prefix(source: IpAddr) -> u64 {
    match source {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => (address.to_bits() >> 64) as u64,
    }
}

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
    fn hash(&self, secret: &HashSecret) -> u32 {
        secret.hash(&self.to_words())
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
    fn same_local(&self, other: &Self) -> bool {
        (self.local, self.local_port) == (other.local, other.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Checksum {
        Checksum::pseudo_v4(self.local, self.remote, ipv4::TCP, segment_len)
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
    fn hash(&self, secret: &HashSecret) -> u32 {
        secret.hash(&self.to_words())
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
    fn same_local(&self, other: &Self) -> bool {
        (self.local, self.local_port) == (other.local, other.local_port)
    }

    #[inline]
    fn pseudo_header(&self, segment_len: u16) -> Checksum {
        Checksum::pseudo_v6(&self.local, &self.remote, ipv6::TCP, segment_len)
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

    const SECRET: HashSecret = HashSecret::fixed(7);
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

    /// Ports and addresses that count up must not fill some buckets before others: with as many
    /// keys as buckets, as many stay empty as if thrown at random (1/e of them).
    #[test]
    fn neighbours_scatter() {
        const BUCKETS: usize = 1 << 14;
        for seed in 0..64 {
            let secret = HashSecret::fixed(seed);
            for by_port in [true, false] {
                let mut used = vec![false; BUCKETS];
                for number in 0..BUCKETS as u32 {
                    let [.., high, low] = number.to_be_bytes();
                    let key = match by_port {
                        true => FlowKey4 { remote_port: 1024 + number as u16, ..KEY4 },
                        false => FlowKey4 { remote: [10, 0, high, low], ..KEY4 },
                    };
                    used[FlowKey::hash(&key, &secret) as usize % BUCKETS] = true;
                }
                let empty = used.iter().filter(|used| !**used).count() as f64 / BUCKETS as f64;
                assert!((0.33..0.41).contains(&empty), "seed {seed}, by port {by_port}: {empty} empty");
            }
        }
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
        let mut hashes: HashSet<u32> = keys.iter().map(|key| FlowKey::hash(key, &SECRET)).collect();
        hashes.insert(FlowKey::hash(&KEY4, &HashSecret::fixed(8)));
        assert_eq!(hashes.len(), keys.len() + 1);
    }
}
