/// An Ethernet hardware address.
pub type Mac = [u8; 6];

/// EtherTypes that the stack processes.
pub const IPV4: u16 = 0x0800;
/// The EtherType of ARP (RFC 826).
pub const ARP: u16 = 0x0806;
/// The EtherType of IPv6 (RFC 2464 3).
pub const IPV6: u16 = 0x86dd;

/// Every station on the link.
pub const BROADCAST: Mac = [0xff; 6];

/// Bytes of a link header without VLAN tags.
pub const HEADER_LEN: usize = 14;
/// Bytes of one VLAN tag.
pub const TAG_LEN: usize = 4;
/// Bytes of the longest link header: two VLAN tags.
pub const MAX_HEADER_LEN: usize = HEADER_LEN + 2 * TAG_LEN;

/// What follows a frame's VLAN tags, and whether it was sent to a group.
///
/// The addresses stay in the frame: to copy them in pieces and compare them as a whole costs more than all
/// other checks of the link header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The EtherType after the tags.
    pub ethertype: u16,
    /// Bytes, tags included: 14, 18 or 22.
    pub len: u8,
    /// Whether the frame was sent to a broadcast or multicast address.
    pub to_group: bool,
}

impl Link {
    /// Reads the link header, with up to two VLAN tags. `None` if the frame ends inside it.
    #[inline(always)]
    pub fn parse(frame: &[u8]) -> Option<Link> {
        let (len, ethertype) = after_tags(frame)?;
        let to_group = frame.first().is_some_and(|first| first & 1 != 0);
        Some(Link { ethertype, len, to_group })
    }
}

/// The address a frame was sent to; `None` if it is too short.
#[inline(always)]
pub fn destination(frame: &[u8]) -> Option<&Mac> {
    frame.first_chunk()
}

/// The address a frame was sent from; `None` if it is too short.
#[inline(always)]
pub fn source(frame: &[u8]) -> Option<&Mac> {
    frame.get(6..)?.first_chunk()
}

/// Whether an address is broadcast or multicast (IEEE 802: the I/G bit).
#[inline]
pub fn is_group(mac: &Mac) -> bool {
    mac[0] & 1 != 0
}

/// Swaps the two addresses in place, so that the frame returns to its sender; VLAN tags stay. A frame too
/// short for both is left unchanged.
#[inline]
pub fn swap_addresses(frame: &mut [u8]) {
    if let Some((eight, rest)) = frame.split_first_chunk_mut::<8>()
        && let Some(four) = rest.first_chunk_mut::<4>()
    {
        (*eight, *four) = swapped(*eight, *four);
    }
}

/// The two addresses, in 8 and 4 bytes, the other way round: two words instead of four pieces.
#[inline(always)]
fn swapped(eight: [u8; 8], four: [u8; 4]) -> ([u8; 8], [u8; 4]) {
    let (low, high) = (u64::from_le_bytes(eight), u32::from_le_bytes(four));
    let first = low >> 48 | u64::from(high) << 16 | low << 48;
    (first.to_le_bytes(), ((low >> 16) as u32).to_le_bytes())
}

/// Writes both addresses and leaves tags and EtherType. `None` if the frame is too short.
#[inline]
pub(super) fn write_addresses(frame: &mut [u8], destination: Mac, source: Mac) -> Option<()> {
    let addresses = frame.first_chunk_mut::<12>()?;
    addresses[..6].copy_from_slice(&destination);
    addresses[6..].copy_from_slice(&source);
    Some(())
}

/// Writes a whole link header in front of a frame that was not made from a received one.
/// Returns its length, where the network header starts. `None` if the frame is too short.
#[inline]
pub fn write_link(frame: &mut [u8], header: &[u8]) -> Option<usize> {
    frame.get_mut(..header.len())?.copy_from_slice(header);
    Some(header.len())
}

/// The header length and the EtherType after at most two tags. A third tag is returned as the EtherType,
/// which is not processed.
#[inline(always)]
fn after_tags(frame: &[u8]) -> Option<(u8, u16)> {
    for len in [HEADER_LEN, HEADER_LEN + TAG_LEN] {
        let ethertype = ethertype_before(frame, len)?;
        if !is_tag(ethertype) {
            return Some((len as u8, ethertype));
        }
    }
    Some((MAX_HEADER_LEN as u8, ethertype_before(frame, MAX_HEADER_LEN)?))
}

#[inline(always)]
fn ethertype_before(frame: &[u8], end: usize) -> Option<u16> {
    frame.get(end - 2..end)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// 802.1Q, 802.1ad, and the value used for the outer tag before 802.1ad.
#[inline]
fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100)
}

/// The first 14 bytes, in the pieces that [`swapped`] takes.
struct AddressWords {
    eight: [u8; 8],
    four: [u8; 4],
    ethertype: [u8; 2],
}

impl AddressWords {
    #[inline(always)]
    fn of(frame: &[u8]) -> Option<AddressWords> {
        let (eight, rest) = frame.split_first_chunk()?;
        let (four, rest) = rest.split_first_chunk()?;
        Some(AddressWords { eight: *eight, four: *four, ethertype: *rest.first_chunk()? })
    }
}

/// Whether a frame has a VLAN tag.
#[inline]
pub fn is_tagged(frame: &[u8]) -> bool {
    ethertype_before(frame, HEADER_LEN).is_some_and(is_tag)
}

/// Whether the EtherType at the end of a link header of `link_len` bytes is that of IPv6.
#[inline]
pub fn is_ipv6(frame: &[u8], link_len: u8) -> bool {
    ethertype_before(frame, usize::from(link_len)) == Some(IPV6)
}

/// A link header without VLAN tags in two overlapping words: to compare and to write it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UntaggedWords([u64; 2]);

impl UntaggedWords {
    /// Those of no frame that is processed: EtherType 0.
    pub const NONE: UntaggedWords = UntaggedWords([0; 2]);

    /// The destination's address and the first two bytes of the source's.
    #[inline(always)]
    pub(super) fn first(&self) -> u64 {
        self.0[0]
    }

    /// The words of a frame's link header; `None` if the frame is too short.
    #[inline(always)]
    pub fn of(frame: &[u8]) -> Option<UntaggedWords> {
        let (first, last) = (frame.first_chunk()?, frame.get(HEADER_LEN - 8..)?.first_chunk()?);
        Some(UntaggedWords([u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)]))
    }

    /// Writes them to the start of a frame, if that is long enough.
    #[inline(always)]
    pub fn write(&self, frame: &mut [u8]) {
        if let Some(header) = frame.first_chunk_mut::<HEADER_LEN>() {
            header[..8].copy_from_slice(&self.0[0].to_ne_bytes());
            header[HEADER_LEN - 8..].copy_from_slice(&self.0[1].to_ne_bytes());
        }
    }
}

/// A link header without a frame: for segments to a peer when none of its frames is at hand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, zerocopy::FromZeros)]
pub struct LinkHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl LinkHeader {
    /// A header without VLAN tags.
    pub fn untagged(destination: Mac, source: Mac, ethertype: u16) -> LinkHeader {
        let mut bytes = [0; MAX_HEADER_LEN];
        bytes[..6].copy_from_slice(&destination);
        bytes[6..12].copy_from_slice(&source);
        bytes[12..HEADER_LEN].copy_from_slice(&ethertype.to_be_bytes());
        LinkHeader { bytes, len: HEADER_LEN as u8 }
    }

    /// The header of replies to the sender of a frame, through the same VLANs. `link_len` is that of the
    /// parsed header; `None` if the frame is shorter, or the length is not one of a parsed frame.
    #[inline]
    pub fn reply_to(frame: &[u8], link_len: u8) -> Option<LinkHeader> {
        let received = frame.get(..usize::from(link_len))?;
        let mut bytes = [0; MAX_HEADER_LEN];
        bytes.get_mut(..received.len())?.copy_from_slice(received);
        swap_addresses(&mut bytes);
        Some(LinkHeader { bytes, len: link_len })
    }

    /// The same with another source address.
    #[inline]
    pub fn with_source(mut self, source: Mac) -> LinkHeader {
        self.bytes[6..12].copy_from_slice(&source);
        self
    }

    /// Whether this is the header of replies to a frame whose link header has `link_len` bytes.
    #[inline]
    pub fn is_reply_to(&self, frame: &[u8], link_len: u8) -> bool {
        let (Some(received), Some(ours)) = (AddressWords::of(frame), AddressWords::of(&self.bytes)) else {
            return false;
        };
        let there = swapped(received.eight, received.four) == (ours.eight, ours.four);
        let untagged = there && received.ethertype == ours.ethertype && link_len == self.len;
        let tags = HEADER_LEN..usize::from(link_len);
        untagged && (tags.is_empty() || frame.get(tags.clone()) == self.bytes.get(tags))
    }

    /// Whether it is in front of IPv6 packets.
    pub fn is_ipv6(&self) -> bool {
        is_ipv6(&self.bytes, self.len)
    }

    /// The first words of this header; and those of the frames that it replies to, if they have no tags.
    pub fn words(&self) -> (UntaggedWords, UntaggedWords) {
        let mut received = self.bytes;
        swap_addresses(&mut received);
        let untagged = usize::from(self.len) == HEADER_LEN;
        let words = |bytes: &[u8]| UntaggedWords::of(bytes).unwrap_or(UntaggedWords::NONE);
        (words(&self.bytes), if untagged { words(&received) } else { UntaggedWords::NONE })
    }

    /// The bytes to put in front of a packet; see [`write_link`].
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = [2, 0, 0, 0, 0, 0xa];
    const B: Mac = [2, 0, 0, 0, 0, 0xb];

    fn header(types: &[u16]) -> Vec<u8> {
        let mut frame = [A, B].concat();
        for (index, ethertype) in types.iter().enumerate() {
            frame.extend(ethertype.to_be_bytes());
            if index + 1 < types.len() {
                frame.extend([0, 7]);
            }
        }
        frame
    }

    #[test]
    fn a_way_back_is_told_from_all_others() {
        for types in [&[IPV4][..], &[0x8100, IPV4], &[0x88a8, 0x8100, IPV6]] {
            let frame = header(types);
            let len = frame.len() as u8;
            let back = LinkHeader::reply_to(&frame, len).unwrap();
            assert!(back.is_reply_to(&frame, len));
            for byte in 0..frame.len() {
                let mut other = frame.clone();
                other[byte] ^= 1;
                assert!(!back.is_reply_to(&other, len), "byte {byte} of {types:x?}");
            }
            assert!(!back.is_reply_to(&frame, len - 4) && !back.is_reply_to(&frame[..13], len));
        }
    }

    #[test]
    fn finds_the_ethertype_behind_the_tags() {
        let rows: [(&[u16], u8, u16); 7] = [
            (&[IPV4], 14, IPV4),
            (&[IPV6], 14, IPV6),
            (&[0x8100, IPV4], 18, IPV4),
            (&[0x88a8, IPV4], 18, IPV4),
            (&[0x88a8, 0x8100, IPV6], 22, IPV6),
            (&[0x9100, 0x8100, ARP], 22, ARP),
            (&[0x8100, 0x8100, 0x8100, IPV4], 22, 0x8100),
        ];
        for (types, len, ethertype) in rows {
            let frame = header(types);
            let link = Link::parse(&frame).unwrap();
            assert_eq!(link, Link { ethertype, len, to_group: false }, "{types:x?}");
            assert_eq!(is_tagged(&frame), types.len() > 1, "{types:x?}");
            assert_eq!((destination(&frame), source(&frame)), (Some(&A), Some(&B)));
            for end in 0..usize::from(len) {
                assert_eq!(Link::parse(&frame[..end]), None, "{types:x?} {end}");
            }
        }
    }

    #[test]
    fn turning_around_keeps_the_tags() {
        let mut frame = header(&[0x88a8, 0x8100, IPV6]);
        let tags = frame[12..].to_vec();
        let back = LinkHeader::reply_to(&frame, 22).unwrap();
        swap_addresses(&mut frame);
        assert_eq!(frame, [&B[..], &A, &tags].concat());
        assert_eq!(back.as_bytes(), frame);
    }

    #[test]
    fn a_header_from_nothing_is_written_where_it_fits() {
        let header = LinkHeader::untagged(A, B, IPV4);
        let mut frame = [0; 20];
        assert_eq!(write_link(&mut frame, header.as_bytes()), Some(14));
        assert_eq!(Link::parse(&frame), Some(Link { ethertype: IPV4, len: 14, to_group: false }));
        assert_eq!((destination(&frame), source(&frame)), (Some(&A), Some(&B)));
        assert_eq!(write_link(&mut frame[..13], header.as_bytes()), None);
    }

    #[test]
    fn short_frames_are_left_alone() {
        let mut frame = [1; 11];
        swap_addresses(&mut frame);
        assert_eq!(frame, [1; 11]);
        assert_eq!(LinkHeader::reply_to(&frame, 14), None);
        assert_eq!(LinkHeader::reply_to(&[0; 64], 40), None);
    }

    #[test]
    fn groups_have_the_lowest_bit_of_the_first_byte() {
        assert!(is_group(&[0xff; 6]));
        assert!(is_group(&[0x33, 0x33, 0, 0, 0, 1]));
        assert!(!is_group(&A));
    }
}
