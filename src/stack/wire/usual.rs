//! The link and network header of a usual frame: untagged Ethernet to the interface's address, IPv4 or IPv6
//! without options or extensions, TCP. Its checks are those of [`super::parse()`], without drop reasons.
//!
//! Headers are read in words of eight bytes: one comparison checks several fields, and one addition sums four
//! words of the checksum.

use ipnet::Ipv4Net;

use super::ethernet::{self, UntaggedWords};
use super::{FlowKey, FlowKey4, FlowKey6, ParseConfig, ipv4, ipv6, tcp};

/// The checks of an interface's frames, prepared from its [`ParseConfig`].
#[derive(Clone, Debug)]
pub struct FrameFilter {
    /// Bits of the destination address and of the first two bytes of the source address.
    mac_mask: u64,
    mac_wanted: u64,
    /// A broadcast address of these is never an endpoint.
    subnets: Vec<Ipv4Net>,
}

impl FrameFilter {
    /// The checks of `config`.
    pub fn new(config: &ParseConfig) -> FrameFilter {
        // The group bit (IEEE 802: I/G) of both addresses.
        const GROUP: u64 = u64::from_ne_bytes([1, 0, 0, 0, 0, 0, 1, 0]);
        const DESTINATION: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0]);
        let (mac_mask, mac_wanted) = match config.mac {
            Some([a, b, c, d, e, f]) => (GROUP | DESTINATION, u64::from_ne_bytes([a, b, c, d, e, f, 0, 0])),
            None => (GROUP, 0),
        };
        FrameFilter { mac_mask, mac_wanted, subnets: config.subnets.clone() }
    }

    /// Whether both IPv4 addresses, first byte lowest, can be the ends of one connection. 255 as a first byte
    /// is left to the full parser.
    #[inline(always)]
    fn are_endpoints(&self, addresses: u64) -> bool {
        let (remote, local) = (addresses as u32, (addresses >> 32) as u32);
        let usual = |address: u32| IS_USUAL[usize::from(address as u8)];
        // The last two bits of every broadcast address are ones.
        let ones = addresses & (addresses >> 1) & (1 << 24 | 1 << 56);
        remote != local && usual(remote) & usual(local) && (ones == 0 || !self.has_broadcast(addresses))
    }

    #[inline(never)]
    fn has_broadcast(&self, addresses: u64) -> bool {
        let [remote, local]: [[u8; 4]; 2] = zerocopy::transmute!(addresses.to_le_bytes());
        [remote, local].into_iter().any(|address| ipv4::is_broadcast(address, &self.subnets))
    }

    /// Whether the destination is this interface, the source no group, and the EtherType this one.
    #[inline(never)]
    fn is_to_us(&self, frame: &[u8], ethertype: u16) -> bool {
        self.difference(word(frame, 0)) == 0 && frame.get(12..14) == Some(&ethertype.to_be_bytes())
    }

    /// Whether frames with this link header pass the comparison of addresses.
    pub fn accepts(&self, link: &UntaggedWords) -> bool {
        self.difference(link.first()) == 0
    }

    /// Zero if the destination is the interface's address, where that is known, and neither address is a group's.
    #[inline(always)]
    fn difference(&self, macs: u64) -> u64 {
        (macs & self.mac_mask) ^ self.mac_wanted
    }
}

/// The network header of a usual frame.
pub struct UsualNetwork<A> {
    pub(super) addresses: A,
    /// One's-complement sum of both addresses.
    pub(super) sum: u64,
    /// Where the packet ends in the frame, bytes.
    pub(super) end: usize,
    /// The link header is the expected one.
    pub(super) expected_link: bool,
}

/// The network layer of usual frames.
pub trait UsualPacket: FlowKey {
    /// Bytes of the network header of usual packets.
    const HEADER_LEN: usize;
    /// Source and destination address as in the packet.
    type Addresses;

    /// Checks link and network header, the IPv4 header's checksum included. `None`: the frame is not a usual
    /// one. The end of the packet is not checked against that of the frame.
    fn read(
        frame: &[u8],
        filter: &FrameFilter,
        link: &UntaggedWords,
    ) -> Option<UsualNetwork<Self::Addresses>>;

    /// The key of these addresses and of both ports: remote, local; host order.
    fn with_ports(addresses: &Self::Addresses, ports: [u16; 2]) -> Self;
}

/// Bytes of the link header of usual frames.
pub(super) const LINK_LEN: usize = ethernet::HEADER_LEN;

/// Eight bytes in the order of memory; 0 past the end.
#[inline(always)]
pub(super) fn word(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |word| u64::from_ne_bytes(*word))
}

/// Four bytes in the order of memory; 0 past the end.
#[inline(always)]
pub(super) fn half(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |half| u32::from_ne_bytes(*half))
}

/// One's-complement addition: the carry comes in at the other end.
#[inline(always)]
pub(super) fn add(sum: u64, word: u64) -> u64 {
    let (sum, carry) = sum.overflowing_add(word);
    sum + u64::from(carry)
}

/// Both halves of a word: their sum leaves room for carries.
#[inline(always)]
pub(super) fn halves(word: u64) -> u64 {
    (word & 0xffff_ffff) + (word >> 32)
}

/// Whether a sum over bytes and their checksum is correct: a multiple of 0xffff, because 2^16 is 1 modulo
/// 0xffff.
#[inline(always)]
pub(super) fn is_intact(sum: u64) -> bool {
    sum.is_multiple_of(0xffff)
}

impl UsualPacket for FlowKey4 {
    const HEADER_LEN: usize = ipv4::HEADER_LEN;
    type Addresses = u64;

    #[inline(always)]
    fn read(frame: &[u8], filter: &FrameFilter, link: &UntaggedWords) -> Option<UsualNetwork<u64>> {
        /// Version 4 and five words of header; not a fragment.
        const MASK: u64 = u64::from_ne_bytes([0xff, 0, 0, 0, 0, 0, 0x3f, 0xff]);
        const WANTED: u64 = u64::from_ne_bytes([0x45, 0, 0, 0, 0, 0, 0, 0]);
        let head: &[u8; LINK_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN] = frame.first_chunk()?;
        let (start, middle, addresses) = (word(head, 14), half(head, 22), word(head, 26));
        let protocol =
            middle & u32::from_ne_bytes([0, 0xff, 0, 0]) ^ u32::from_ne_bytes([0, ipv4::TCP, 0, 0]);
        let expected_link = UntaggedWords::of(head) == Some(*link);
        let differing = (start & MASK) ^ WANTED | u64::from(protocol);
        if differing != 0 || !expected_link && !filter.is_to_us(head, ethernet::IPV4) {
            return None;
        }
        let intact = is_intact(add(add(addresses, start), u64::from(middle)));
        if !intact || !filter.are_endpoints(addresses.to_le()) {
            return None;
        }
        let end = LINK_LEN + usize::from(u16::from_be_bytes([head[16], head[17]]));
        Some(UsualNetwork { addresses, sum: addresses, end, expected_link })
    }

    #[inline(always)]
    fn with_ports(addresses: &u64, ports: [u16; 2]) -> FlowKey4 {
        #[derive(zerocopy::IntoBytes, zerocopy::Immutable)]
        #[repr(C, packed)]
        struct Words(u64, [u16; 2]);
        zerocopy::transmute!(Words(*addresses, ports))
    }
}

/// First bytes of addresses that are endpoints unless they are a subnet's broadcast address. 255 is left to
/// the full parser.
static IS_USUAL: [bool; 256] = {
    let mut usual = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        usual[byte] = !matches!(byte, 0 | 127 | 224..=239 | 255);
        byte += 1;
    }
    usual
};

impl UsualPacket for FlowKey6 {
    const HEADER_LEN: usize = ipv6::HEADER_LEN;
    type Addresses = [[u64; 2]; 2];

    #[inline(always)]
    fn read(frame: &[u8], filter: &FrameFilter, link: &UntaggedWords) -> Option<UsualNetwork<[[u64; 2]; 2]>> {
        /// Version 6, and TCP after the fixed header.
        const MASK: u64 = u64::from_ne_bytes([0xf0, 0, 0, 0, 0, 0, 0xff, 0]);
        const WANTED: u64 = u64::from_ne_bytes([0x60, 0, 0, 0, 0, 0, ipv6::TCP, 0]);
        let head: &[u8; LINK_LEN + ipv6::HEADER_LEN + tcp::HEADER_LEN] = frame.first_chunk()?;
        let expected_link = UntaggedWords::of(head) == Some(*link);
        let differing = (word(head, 14) & MASK) ^ WANTED;
        if differing != 0 || !expected_link && !filter.is_to_us(head, ethernet::IPV6) {
            return None;
        }
        let remote = [word(head, 22), word(head, 30)];
        let local = [word(head, 38), word(head, 46)];
        // Unspecified, loopback and mapped addresses begin with 0, groups with 0xff.
        let usual = |first: u8| first.wrapping_add(1) > 1;
        if !usual(head[22]) || !usual(head[38]) || remote == local {
            return None;
        }
        let sum = add(add(add(remote[0], remote[1]), local[0]), local[1]);
        let end = LINK_LEN + ipv6::HEADER_LEN + usize::from(u16::from_be_bytes([head[18], head[19]]));
        Some(UsualNetwork { addresses: [remote, local], sum, end, expected_link })
    }

    #[inline(always)]
    fn with_ports([remote, local]: &[[u64; 2]; 2], [remote_port, local_port]: [u16; 2]) -> FlowKey6 {
        let (remote, local) = (zerocopy::transmute!(*remote), zerocopy::transmute!(*local));
        FlowKey6 { remote, local, remote_port, local_port }
    }
}
