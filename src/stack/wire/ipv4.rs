use ipnet::Ipv4Net;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::big_endian::{U16, U32},
};

use super::checksum::Checksum;
use crate::observe::DropReason;

/// Protocol numbers that the stack processes.
pub const ICMP: u8 = 1;
/// The protocol number of TCP.
pub const TCP: u8 = 6;

/// Bytes of the header without options, as in all sent packets.
pub const HEADER_LEN: usize = 20;

/// TTL of sent packets.
pub(super) const TTL: u8 = 64;
pub(super) const DONT_FRAGMENT: u16 = 0x4000;
pub(super) const MORE_FRAGMENTS_OR_OFFSET: u16 = 0x3fff;

/// RFC 791 3.1.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub(super) struct Header {
    pub version_and_length: u8,
    pub service: u8,
    pub total_length: U16,
    pub identification: U16,
    pub fragment: U16,
    pub ttl: u8,
    pub protocol: u8,
    pub checksum: U16,
    pub source: [u8; 4],
    pub destination: [u8; 4],
}

/// A checked IPv4 packet: whole, intact, not a fragment, not source-routed. Its addresses are as
/// sent: see [`check_endpoints`].
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The address of the sender, network order.
    pub source: [u8; 4],
    /// The address of the receiver, network order.
    pub destination: [u8; 4],
    /// The protocol number of the upper layer.
    pub protocol: u8,
    /// Bytes, options included: the upper layer starts here.
    pub header_len: usize,
    /// The payload by the header's total length, without Ethernet padding.
    pub upper: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks an IPv4 header. `bytes` reach to the end of the frame.
    ///
    /// # Errors
    /// In this order: `FrameTruncated`, `IpHeader` (version or a length), `IpChecksum`,
    /// `IpFragment`, `IpHeader` (a malformed option), `IpSourceRoute`.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, DropReason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| DropReason::FrameTruncated)?;
        if header.version_and_length >> 4 != 4 {
            return Err(DropReason::IpHeader);
        }
        let header_len = usize::from(header.version_and_length & 0xf) * 4;
        let packet = bytes.get(..usize::from(header.total_length.get())).ok_or(DropReason::IpHeader)?;
        let (covered, upper) = packet.split_at_checked(header_len).ok_or(DropReason::IpHeader)?;
        let (_, options) = covered.split_at_checked(HEADER_LEN).ok_or(DropReason::IpHeader)?;
        if !Checksum::default().add_bytes(header.as_bytes()).add_bytes(options).is_intact() {
            return Err(DropReason::IpChecksum);
        }
        if header.fragment.get() & MORE_FRAGMENTS_OR_OFFSET != 0 {
            return Err(DropReason::IpFragment);
        }
        if !options.is_empty() {
            check_options(options)?;
        }
        let Header { source, destination, protocol, .. } = *header;
        Ok(Packet { source, destination, protocol, header_len, upper })
    }
}

/// Skips every option (RFC 1122 3.2.1.8 lets a host ignore all but source routes, which we refuse).
#[cold]
fn check_options(mut rest: &[u8]) -> Result<(), DropReason> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    loop {
        rest = match *rest {
            [] | [END, ..] => return Ok(()),
            [NO_OPERATION, ref after @ ..] => after,
            [LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, ..] => return Err(DropReason::IpSourceRoute),
            [_, length @ 2..=255, ..] => rest.get(usize::from(length)..).ok_or(DropReason::IpHeader)?,
            _ => return Err(DropReason::IpHeader),
        };
    }
}

/// Checks both addresses: neither may be a broadcast, multicast, loopback or zero address, nor may
/// they be the same (RFC 9293 MUST-57, MUST-63; RFC 1122 3.2.1.3).
///
/// # Errors
/// `SourceAddress`, `DestinationAddress`.
#[inline(always)]
pub fn check_endpoints(source: [u8; 4], destination: [u8; 4], subnets: &[Ipv4Net]) -> Result<(), DropReason> {
    if source == destination || !is_endpoint(source, subnets) {
        return Err(DropReason::SourceAddress);
    }
    if !is_endpoint(destination, subnets) {
        return Err(DropReason::DestinationAddress);
    }
    Ok(())
}

/// Whether an address can be one end of a connection: no network's, group's, loopback or broadcast
/// address (RFC 1122 3.2.1.3).
#[inline(always)]
pub fn is_endpoint(address: [u8; 4], subnets: &[Ipv4Net]) -> bool {
    let never = matches!(address[0], 0 | 127 | 224..=239) || address == [255; 4];
    !never && !is_broadcast(address, subnets)
}

/// The last two bits of every broadcast address are ones: most addresses need no other check.
#[inline(always)]
pub(super) fn is_broadcast(address: [u8; 4], subnets: &[Ipv4Net]) -> bool {
    address[3] & 3 == 3 && subnets.iter().any(|subnet| is_broadcast_of(subnet, address))
}

/// Prefixes of 31 and 32 bits have no broadcast address (RFC 3021).
#[inline]
fn is_broadcast_of(subnet: &Ipv4Net, address: [u8; 4]) -> bool {
    subnet.prefix_len() < 31 && subnet.broadcast().octets() == address
}

/// Writes a header without options for `upper_len` bytes: DF set, and so an
/// identification of zero (RFC 6864 4.1). `None` if there is no room, or the packet's length does
/// not fit in 16 bits.
#[inline(always)]
pub fn write_header(
    at: &mut [u8],
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    upper_len: u16,
) -> Option<()> {
    let total_length = upper_len.checked_add(HEADER_LEN as u16)?;
    let checksum = Checksum::default()
        .add_u32(0x4500_0000 | u32::from(total_length))
        .add_u16(DONT_FRAGMENT)
        .add_u16(u16::from_be_bytes([TTL, protocol]))
        .add_u32(u32::from_be_bytes(source))
        .add_u32(u32::from_be_bytes(destination))
        .finish();
    let header = [
        U32::new(0x4500_0000 | u32::from(total_length)),
        U32::new(u32::from(DONT_FRAGMENT)),
        U32::new(u32::from_be_bytes([TTL, protocol, 0, 0]) | u32::from(checksum)),
        U32::from_bytes(source),
        U32::from_bytes(destination),
    ];
    header.write_to_prefix(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [u8; 4] = [192, 0, 2, 1];
    const DESTINATION: [u8; 4] = [192, 0, 2, 2];

    /// A packet of ten bytes after a header with these options, after `change` and with a
    /// checksum that fits.
    fn packet(options: &[u8], change: impl Fn(&mut [u8])) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        write_header(&mut packet, SOURCE, DESTINATION, TCP, options.len() as u16 + 10).unwrap();
        packet.extend(options);
        packet[0] += (options.len() / 4) as u8;
        packet.extend([0xee; 10]);
        change(&mut packet);
        packet[10..12].fill(0);
        let sum = Checksum::default().add_bytes(&packet[..HEADER_LEN + options.len()]).finish();
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    #[test]
    fn reads_what_it_writes_and_ignores_padding() {
        let mut bytes = packet(&[], |_| {});
        bytes.extend([0xaa; 16]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.source, packet.destination, packet.protocol), (SOURCE, DESTINATION, TCP));
        assert_eq!((packet.header_len, packet.upper), (20, &[0xee; 10][..]));
    }

    #[test]
    fn headers_that_are_refused() {
        use DropReason::*;
        type Change = fn(&mut [u8]);
        let rows: [(&str, Change, DropReason); 8] = [
            ("version 6", |p| p[0] = 0x65, IpHeader),
            ("header of 16 bytes", |p| p[0] = 0x44, IpHeader),
            ("header longer than the packet", |p| p[0] = 0x48, IpHeader),
            ("total length below the header's", |p| p[3] = 19, IpHeader),
            ("total length past the frame", |p| p[3] = 31, IpHeader),
            ("more fragments", |p| p[6] = 0x20, IpFragment),
            ("fragment offset", |p| p[7] = 1, IpFragment),
            ("largest fragment offset", |p| p[6..8].copy_from_slice(&[0x1f, 0xff]), IpFragment),
        ];
        for (what, change, reason) in rows {
            assert_eq!(Packet::parse(&packet(&[], change)).err(), Some(reason), "{what}");
        }
        let mut broken = packet(&[], |_| {});
        broken[8] ^= 1;
        assert_eq!(Packet::parse(&broken).err(), Some(IpChecksum));
        // The reserved bit and a missing DF do not matter.
        assert!(Packet::parse(&packet(&[], |p| p[6] = 0x80)).is_ok());
    }

    #[test]
    fn options_are_skipped_except_source_routes() {
        use DropReason::*;
        let rows: [(&str, [u8; 8], Option<DropReason>); 8] = [
            ("no operation", [1; 8], None),
            ("end, then rubbish", [0, 7, 0, 0, 131, 1, 1, 1], None),
            ("record route", [7, 7, 4, 0, 0, 0, 0, 0], None),
            ("loose source route", [1, 131, 7, 4, 0, 0, 0, 0], Some(IpSourceRoute)),
            ("strict source route", [137, 7, 4, 0, 0, 0, 0, 0], Some(IpSourceRoute)),
            ("length 0", [7, 0, 0, 0, 0, 0, 0, 0], Some(IpHeader)),
            ("length past the header", [7, 9, 0, 0, 0, 0, 0, 0], Some(IpHeader)),
            ("no length", [1, 1, 1, 1, 1, 1, 1, 7], Some(IpHeader)),
        ];
        for (what, options, reason) in rows {
            let bytes = packet(&options, |_| {});
            let parsed = Packet::parse(&bytes);
            assert_eq!(parsed.err(), reason, "{what}");
            if let Ok(packet) = parsed {
                assert_eq!((packet.header_len, packet.upper), (28, &[0xee; 10][..]), "{what}");
            }
        }
    }

    #[test]
    fn addresses_that_are_no_endpoint() {
        let subnets = ["192.0.2.9/24", "198.51.100.4/31", "203.0.113.7/32", "10.0.0.0/8"]
            .map(|subnet| subnet.parse::<Ipv4Net>().unwrap());
        let rows = [
            ([192, 0, 2, 1], true),
            ([192, 0, 2, 0], true),
            ([192, 0, 2, 255], false),
            ([192, 0, 3, 255], true),
            ([198, 51, 100, 5], true),
            ([203, 0, 113, 7], true),
            ([10, 255, 255, 255], false),
            ([0, 0, 0, 0], false),
            ([0, 1, 2, 3], false),
            ([127, 0, 0, 1], false),
            ([223, 255, 255, 255], true),
            ([224, 0, 0, 1], false),
            ([239, 255, 255, 255], false),
            ([240, 0, 0, 1], true),
            ([255, 255, 255, 255], false),
        ];
        for (address, expected) in rows {
            assert_eq!(is_endpoint(address, &subnets), expected, "{address:?}");
        }
        assert_eq!(check_endpoints(SOURCE, SOURCE, &[]), Err(DropReason::SourceAddress));
        assert_eq!(check_endpoints(SOURCE, [224, 0, 0, 1], &[]), Err(DropReason::DestinationAddress));
        assert_eq!(check_endpoints(SOURCE, DESTINATION, &[]), Ok(()));
    }

    #[test]
    fn a_packet_too_long_for_its_header_is_not_written() {
        let mut at = [0; HEADER_LEN];
        assert_eq!(write_header(&mut at, SOURCE, DESTINATION, TCP, 65_516), None);
        assert_eq!(write_header(&mut at, SOURCE, DESTINATION, TCP, 65_515), Some(()));
        assert_eq!(write_header(&mut at[..19], SOURCE, DESTINATION, TCP, 0), None);
    }
}
