use std::fmt::Debug;
use std::mem::size_of;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use zerocopy::{FromBytes, Immutable, IntoBytes, transmute};

use super::tuple_prf::{Block, TupleBlocks};

/// A 4-tuple seen from the local end, and the words that store it.
pub trait FlowKey: Copy + Eq + Debug + Send + Sync + 'static {
    /// `[u32; 3]` or `[u32; 9]`: what a slot's atomic words hold.
    type Words: Copy + AsRef<[u32]> + AsMut<[u32]> + Default + Send + Sync;
    /// `[Block; 1]` or `[Block; 3]`: the input of the keyed function.
    type Blocks: TupleBlocks;

    /// The words that store it.
    fn to_words(self) -> Self::Words;
    /// The 4-tuple that these words store.
    fn from_words(words: Self::Words) -> Self;
    /// The words, and zeros up to a whole block.
    fn to_blocks(self) -> Self::Blocks;
    /// The address and port of this end.
    fn local(&self) -> SocketAddr;
    /// The address and port of the peer.
    fn remote(&self) -> SocketAddr;
}

/// An IPv4 4-tuple: 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, FromBytes, IntoBytes, Immutable)]
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, FromBytes, IntoBytes, Immutable)]
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
    type Blocks = [Block; 1];

    #[inline]
    fn to_words(self) -> [u32; 3] {
        transmute!(self)
    }

    #[inline]
    fn from_words(words: [u32; 3]) -> FlowKey4 {
        transmute!(words)
    }

    #[inline]
    fn to_blocks(self) -> [Block; 1] {
        let [a, b, c] = self.to_words();
        transmute!([a, b, c, 0])
    }

    #[inline]
    fn local(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(self.local.into(), self.local_port))
    }

    #[inline]
    fn remote(&self) -> SocketAddr {
        SocketAddr::V4(SocketAddrV4::new(self.remote.into(), self.remote_port))
    }
}

impl FlowKey for FlowKey6 {
    type Words = [u32; 9];
    type Blocks = [Block; 3];

    #[inline]
    fn to_words(self) -> [u32; 9] {
        transmute!(self)
    }

    #[inline]
    fn from_words(words: [u32; 9]) -> FlowKey6 {
        transmute!(words)
    }

    #[inline]
    fn to_blocks(self) -> [Block; 3] {
        let mut words = [0; 12];
        words[..9].copy_from_slice(&self.to_words());
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PacketKey;

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
}
