use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::big_endian::{U16, U32},
};

use crate::observe::DropReason;

/// Next-header values that the stack processes.
pub const TCP: u8 = 6;
/// The next-header value of ICMPv6 (RFC 4443 2.1).
pub const ICMPV6: u8 = 58;

/// Bytes of the header without extensions, as in all sent packets.
pub const HEADER_LEN: usize = 40;
/// Hop limit of sent packets, except neighbour discovery.
pub const HOP_LIMIT: u8 = 64;
/// The maximum of extension headers: more would be an attack on the parser.
const MAX_EXTENSIONS: usize = 6;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;

/// RFC 8200 3.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
struct FixedHeader {
    version_class_flow: U32,
    payload_length: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

/// A checked IPv6 packet: whole, not a fragment, not source-routed. Its addresses are as sent: see
/// [`check_endpoints`].
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The address of the sender, network order.
    pub source: [u8; 16],
    /// The address of the receiver, network order.
    pub destination: [u8; 16],
    /// Hops left on arrival.
    pub hop_limit: u8,
    /// The protocol after the extension headers.
    pub protocol: u8,
    /// Bytes, extension headers included: the upper layer starts here.
    pub header_len: usize,
    /// The payload after the extension headers, by the payload length, without Ethernet padding.
    pub upper: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Checks an IPv6 header and walks its extensions. `bytes` reach to the end of the frame.
    ///
    /// # Errors
    /// `FrameTruncated`, `IpHeader` (version or payload length), `IpExtension`, `IpFragment`,
    /// `IpSourceRoute`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Packet<'a>, DropReason> {
        let (header, rest) = FixedHeader::ref_from_prefix(bytes).map_err(|_| DropReason::FrameTruncated)?;
        if header.version_class_flow.get() >> 28 != 6 {
            return Err(DropReason::IpHeader);
        }
        let payload = rest.get(..usize::from(header.payload_length.get())).ok_or(DropReason::IpHeader)?;
        let (protocol, upper) = match header.next_header {
            next @ (TCP | ICMPV6) => (next, payload),
            next => behind_extensions(next, payload)?,
        };
        let header_len = HEADER_LEN + (payload.len() - upper.len());
        let FixedHeader { source, destination, hop_limit, .. } = *header;
        Ok(Packet { source, destination, hop_limit, protocol, header_len, upper })
    }
}

/// Whether an extension header is walked over, where [`Packet::parse`] accepts it.
pub(super) fn is_skipped(protocol: u8) -> bool {
    matches!(protocol, HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS)
}

/// The upper layer's number and bytes.
fn behind_extensions(mut next: u8, mut rest: &[u8]) -> Result<(u8, &[u8]), DropReason> {
    for depth in 0..=MAX_EXTENSIONS {
        match next {
            // Only directly after the fixed header (RFC 8200 4.1).
            HOP_BY_HOP if depth == 0 => {}
            ROUTING | DESTINATION_OPTIONS => {}
            FRAGMENT => return Err(DropReason::IpFragment),
            // The other extension headers known to IANA: ESP, AH, mobility, HIP, shim6, experiments.
            HOP_BY_HOP | 50 | 51 | 135 | 139 | 140 | 253 | 254 => return Err(DropReason::IpExtension),
            upper => return Ok((upper, rest)),
        }
        let &[after, units, ..] = rest else { return Err(DropReason::IpExtension) };
        let (extension, behind) =
            rest.split_at_checked((usize::from(units) + 1) * 8).ok_or(DropReason::IpExtension)?;
        check_extension(next, extension)?;
        (next, rest) = (after, behind);
    }
    Err(DropReason::IpExtension)
}

fn check_extension(kind: u8, extension: &[u8]) -> Result<(), DropReason> {
    match (kind, extension) {
        // With no segments left a routing header is skipped, whatever its type (RFC 8200 4.4).
        (ROUTING, [_, _, _, 0, ..]) => Ok(()),
        (ROUTING, _) => Err(DropReason::IpSourceRoute),
        (_, [_, _, options @ ..]) => check_options(options),
        _ => Err(DropReason::IpExtension),
    }
}

/// Skips options whose type allows it: the two highest bits specify the handling of an unknown option
/// (RFC 8200 4.2), and only padding is known here.
fn check_options(mut rest: &[u8]) -> Result<(), DropReason> {
    const PAD1: u8 = 0;
    loop {
        rest = match *rest {
            [] => return Ok(()),
            [PAD1, ref after @ ..] => after,
            [kind, length, ref after @ ..] if kind >> 6 == 0 => {
                after.get(usize::from(length)..).ok_or(DropReason::IpExtension)?
            }
            _ => return Err(DropReason::IpExtension),
        };
    }
}

/// Checks both addresses: neither may be multicast, loopback, unspecified or an IPv4-mapped one
/// (RFC 4291 2.5, RFC 9293 MUST-57, MUST-63), nor may they be the same.
///
/// # Errors
/// `SourceAddress`, `DestinationAddress`.
#[inline]
pub fn check_endpoints(source: &[u8; 16], destination: &[u8; 16]) -> Result<(), DropReason> {
    if source == destination || !is_endpoint(source) {
        return Err(DropReason::SourceAddress);
    }
    if !is_endpoint(destination) {
        return Err(DropReason::DestinationAddress);
    }
    Ok(())
}

/// Whether an address can be one end of a connection: not unspecified, loopback, mapped or a group.
#[inline]
pub fn is_endpoint(address: &[u8; 16]) -> bool {
    let number = u128::from_be_bytes(*address);
    let mapped = number >> 32 == 0xffff;
    number > 1 && !mapped && !is_multicast(address)
}

#[inline]
pub(super) fn is_multicast(address: &[u8; 16]) -> bool {
    address[0] == 0xff
}

/// Writes a header without extensions for `upper_len` bytes. `None` if there is no room.
#[inline]
pub fn write_header(
    at: &mut [u8],
    source: &[u8; 16],
    destination: &[u8; 16],
    protocol: u8,
    hop_limit: u8,
    upper_len: u16,
) -> Option<()> {
    let header = FixedHeader {
        version_class_flow: U32::new(6 << 28),
        payload_length: U16::new(upper_len),
        next_header: protocol,
        hop_limit,
        source: *source,
        destination: *destination,
    };
    header.write_to_prefix(at).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const DESTINATION: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

    fn packet(next: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; HEADER_LEN];
        write_header(&mut packet, &SOURCE, &DESTINATION, next, 7, payload.len() as u16).unwrap();
        packet.extend(payload);
        packet
    }

    /// The upper layer's number and length.
    type Upper = Result<(u8, usize), DropReason>;

    fn upper(next: u8, payload: &[u8]) -> Upper {
        Packet::parse(&packet(next, payload)).map(|p| (p.protocol, p.upper.len()))
    }

    #[test]
    fn reads_what_it_writes_and_ignores_padding() {
        let mut bytes = packet(TCP, &[0xee; 10]);
        bytes.extend([0xaa; 6]);
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.source, packet.destination, packet.protocol), (SOURCE, DESTINATION, TCP));
        assert_eq!((packet.hop_limit, packet.header_len, packet.upper), (7, 40, &[0xee; 10][..]));
    }

    #[test]
    fn headers_that_are_refused() {
        let bytes = packet(TCP, &[0xee; 10]);
        for end in 0..HEADER_LEN {
            assert_eq!(Packet::parse(&bytes[..end]).err(), Some(DropReason::FrameTruncated), "{end}");
        }
        for end in HEADER_LEN..bytes.len() {
            assert_eq!(Packet::parse(&bytes[..end]).err(), Some(DropReason::IpHeader), "{end}");
        }
        let mut version = bytes;
        version[0] = 0x45;
        assert_eq!(Packet::parse(&version).err(), Some(DropReason::IpHeader));
    }

    #[test]
    fn extensions_are_walked() {
        use DropReason::*;
        // One extension of eight bytes: next header, length, six bytes of options.
        let ext = |next: u8, body: [u8; 6]| [&[next, 0][..], &body].concat();
        let pad = [1, 4, 0, 0, 0, 0];
        let rows: [(&str, u8, Vec<u8>, Upper); 16] = [
            ("none", TCP, vec![9; 20], Ok((TCP, 20))),
            ("UDP", 17, vec![9; 8], Ok((17, 8))),
            ("no next header", 59, vec![], Ok((59, 0))),
            ("hop-by-hop", HOP_BY_HOP, ext(TCP, pad), Ok((TCP, 0))),
            ("router alert", HOP_BY_HOP, ext(ICMPV6, [5, 2, 0, 0, 0, 0]), Ok((ICMPV6, 0))),
            (
                "unknown option to be refused",
                DESTINATION_OPTIONS,
                ext(TCP, [0xc9, 4, 0, 0, 0, 0]),
                Err(IpExtension),
            ),
            ("option past the end", DESTINATION_OPTIONS, ext(TCP, [1, 5, 0, 0, 0, 0]), Err(IpExtension)),
            ("option without length", DESTINATION_OPTIONS, ext(TCP, [0, 0, 0, 0, 0, 1]), Err(IpExtension)),
            (
                "hop-by-hop second",
                DESTINATION_OPTIONS,
                [ext(HOP_BY_HOP, pad), ext(TCP, pad)].concat(),
                Err(IpExtension),
            ),
            ("routing, none left", ROUTING, ext(TCP, [0, 0, 0, 0, 0, 0]), Ok((TCP, 0))),
            ("routing, one left", ROUTING, ext(TCP, [0, 1, 0, 0, 0, 0]), Err(IpSourceRoute)),
            ("fragment", FRAGMENT, ext(TCP, pad), Err(IpFragment)),
            ("authentication", 51, ext(TCP, pad), Err(IpExtension)),
            ("past the packet", DESTINATION_OPTIONS, vec![TCP, 1, 1, 4, 0, 0, 0, 0], Err(IpExtension)),
            ("cut short", DESTINATION_OPTIONS, vec![TCP], Err(IpExtension)),
            (
                "two of sixteen bytes",
                DESTINATION_OPTIONS,
                [&[ROUTING, 1, 1, 12][..], &[0; 12], &[TCP, 1], &[0; 14], &[7; 3]].concat(),
                Ok((TCP, 3)),
            ),
        ];
        for (what, next, payload, expected) in rows {
            assert_eq!(upper(next, &payload), expected, "{what}");
        }
    }

    #[test]
    fn six_extensions_are_enough() {
        let chain = |count: usize| {
            let mut payload: Vec<u8> = Vec::new();
            for index in 0..count {
                let next = if index + 1 == count { TCP } else { DESTINATION_OPTIONS };
                payload.extend([next, 0, 0, 0, 0, 0, 0, 0]);
            }
            upper(DESTINATION_OPTIONS, &payload)
        };
        assert_eq!(chain(6), Ok((TCP, 0)));
        assert_eq!(chain(7), Err(DropReason::IpExtension));
    }

    #[test]
    fn addresses_that_are_no_endpoint() {
        let rows = [
            ("2001:db8::1", true),
            ("fe80::1", true),
            ("fd00::1", true),
            ("::2", true),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
            ("ff0e::1234", false),
            ("::ffff:192.0.2.1", false),
            ("64:ff9b::192.0.2.1", true),
        ];
        for (text, expected) in rows {
            let address: std::net::Ipv6Addr = text.parse().unwrap();
            assert_eq!(is_endpoint(&address.octets()), expected, "{text}");
        }
        assert_eq!(check_endpoints(&SOURCE, &SOURCE), Err(DropReason::SourceAddress));
        assert_eq!(check_endpoints(&SOURCE, &[0xff; 16]), Err(DropReason::DestinationAddress));
        assert_eq!(check_endpoints(&SOURCE, &DESTINATION), Ok(()));
    }
}
