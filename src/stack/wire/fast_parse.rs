//! The usual segment: untagged Ethernet to our own address, IPv4 without options, TCP, without errors. It
//! passes the same checks as in [`super::parse`], but without a drop reason: a frame that fails one is parsed
//! in full there, or dropped with its reason.
//!
//! The headers are read twice: by field, and in words of eight bytes, of which one comparison
//! checks several fields and one addition sums four.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    byteorder::{
        big_endian::U16,
        native_endian::{U32 as Word32, U64 as Word64},
    },
};

use super::{
    Flags, FlowKey4, Mac, ParseConfig, Segment, SegmentInfo, Seq, TcpOptions, checksum::Checksum, ethernet,
    ipv4, tcp,
};

/// The fixed parts of all three headers.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Headers {
    destination_mac: Mac,
    source_mac: Mac,
    ethertype: U16,
    ip: ipv4::Header,
    tcp: tcp::Header,
}

/// The same bytes in words.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct HeaderWords {
    /// The destination's address, and two bytes of the source's.
    macs: Word64,
    source_mac: Word32,
    ethertype: U16,
    /// Up to the fragment offset, up to the source address, the destination address.
    ip0: Word64,
    ip1: Word64,
    ip2: Word32,
    /// Up to the sequence number, up to the window less two bytes, checksum and urgent pointer.
    tcp0: Word64,
    tcp1: Word64,
    tcp2: Word32,
}

const _: () = assert!(size_of::<Headers>() == size_of::<HeaderWords>());

const LINK_LEN: usize = ethernet::HEADER_LEN;
const TCP_AT: usize = LINK_LEN + ipv4::HEADER_LEN;
const OPTIONS_AT: usize = TCP_AT + tcp::HEADER_LEN;

/// Bits of [`HeaderWords::macs`] that group addresses have.
const GROUP: u64 = u64::from_ne_bytes([1, 0, 0, 0, 0, 0, 1, 0]);
const FRAGMENT: [u8; 2] = ipv4::MORE_FRAGMENTS_OR_OFFSET.to_be_bytes();
/// Version 4 and five words of header; no fragment; TCP.
const IP_MASKS: (u64, u64) = (
    u64::from_ne_bytes([0xff, 0, 0, 0, 0, 0, FRAGMENT[0], FRAGMENT[1]]),
    u64::from_ne_bytes([0, 0xff, 0, 0, 0, 0, 0, 0]),
);
const IP_WANTED: (u64, u64) =
    (u64::from_ne_bytes([0x45, 0, 0, 0, 0, 0, 0, 0]), u64::from_ne_bytes([0, ipv4::TCP, 0, 0, 0, 0, 0, 0]));

/// The segment of a usual frame; its options are not parsed yet.
pub struct FastParse<'a> {
    segment: Segment<FlowKey4>,
    options: &'a [u8],
}

impl FastParse<'_> {
    /// The segment's 4-tuple.
    pub fn key(&self) -> &FlowKey4 {
        &self.segment.key
    }

    /// The segment without its options: for the place where it will stay. See [`FastParse::parse_options`].
    #[inline(always)]
    pub fn without_options(&self) -> Segment<FlowKey4> {
        self.segment
    }

    /// Reads the options into a copy of [`FastParse::without_options`]. False: they are wrong, and the
    /// segment is not to be used.
    #[inline(always)]
    #[must_use]
    pub fn parse_options(&self, segment: &mut Segment<FlowKey4>) -> bool {
        let syn = self.segment.info.flags.has(Flags::SYN);
        segment.info.options.read(self.options, syn).is_ok()
    }
}

/// As [`super::parse`], for the usual frame; `None`: parse the frame with [`super::parse`].
#[inline(always)]
pub fn parse_fast(frame: &[u8], config: &ParseConfig) -> Option<Segment<FlowKey4>> {
    let fast = FastParse::parse(frame, config)?;
    let mut segment = fast.without_options();
    fast.parse_options(&mut segment).then_some(segment)
}

impl<'a> FastParse<'a> {
    /// Everything but the options.
    #[inline(always)]
    pub fn parse(frame: &'a [u8], config: &ParseConfig) -> Option<FastParse<'a>> {
        let (headers, _) = Headers::ref_from_prefix(frame).ok()?;
        let (words, _) = HeaderWords::ref_from_prefix(frame).ok()?;
        let Headers { ip, tcp: head, .. } = headers;
        let end = LINK_LEN + usize::from(ip.total_length.get());
        let rest = frame.get(OPTIONS_AT..end)?;
        let options = rest.get(..(usize::from(head.data_offset >> 4) * 4).wrapping_sub(tcp::HEADER_LEN))?;
        if !is_plain(words) || !checksums_ok(words, ip, rest) {
            return None;
        }
        if config.mac.is_some_and(|mac| mac != headers.destination_mac) {
            return None;
        }
        if !both_endpoints(ip, config) {
            return None;
        }
        let segment = Segment {
            key: FlowKey4 {
                remote: ip.source,
                local: ip.destination,
                remote_port: head.source_port.get(),
                local_port: head.destination_port.get(),
            },
            info: SegmentInfo {
                seq: Seq(head.seq.get()),
                ack: Seq(head.ack.get()),
                flags: Flags(head.flags),
                window: head.window.get(),
                payload_len: (rest.len() - options.len()) as u16,
                options: TcpOptions::default(),
            },
            link_len: LINK_LEN as u8,
            payload_at: (OPTIONS_AT + options.len()) as u16,
        };
        Some(FastParse { segment, options })
    }
}

/// Whether it is IPv4 without options, not a fragment, TCP, and neither from nor to a group.
#[inline(always)]
fn is_plain(words: &HeaderWords) -> bool {
    let differing = (words.ip0.get() & IP_MASKS.0) ^ IP_WANTED.0
        | (words.ip1.get() & IP_MASKS.1) ^ IP_WANTED.1
        | words.macs.get() & GROUP
        | u64::from(words.ethertype.get() ^ ethernet::IPV4);
    differing == 0
}

/// First bytes that say all there is to say of an address but whether it is a subnet's broadcast
/// address. 255 is left to the full parser.
static ORDINARY: [bool; 256] = {
    let mut ordinary = [true; 256];
    let mut byte = 0;
    while byte < 256 {
        ordinary[byte] = !matches!(byte, 0 | 127 | 224..=239 | 255);
        byte += 1;
    }
    ordinary
};

/// As [`ipv4::check_endpoints`], but for what is left to the full parser.
#[inline(always)]
fn both_endpoints(ip: &ipv4::Header, config: &ParseConfig) -> bool {
    let ([from, ..], [to, ..]) = (ip.source, ip.destination);
    ORDINARY[usize::from(from)]
        && ORDINARY[usize::from(to)]
        && ip.source != ip.destination
        && !ipv4::is_broadcast(ip.source, &config.subnets)
        && !ipv4::is_broadcast(ip.destination, &config.subnets)
}

/// Both checksums. `rest`: what follows the fixed TCP header.
#[inline(always)]
fn checksums_ok(words: &HeaderWords, ip: &ipv4::Header, rest: &[u8]) -> bool {
    let (ip0, ip1, ip2) = (words.ip0.get(), words.ip1.get(), words.ip2.get());
    let (tcp0, tcp1, tcp2) = (words.tcp0.get(), words.tcp1.get(), words.tcp2.get());
    let segment_len = (tcp::HEADER_LEN + rest.len()) as u16;
    let sum = Checksum::pseudo_v4(ip.source, ip.destination, ipv4::TCP, segment_len);
    let sum = match *rest {
        [] => sum,
        // A bare MSS.
        [a, b, c, d] => sum.add_u32(u32::from_be_bytes([a, b, c, d])),
        _ => sum.add_bytes(rest),
    };
    Checksum::default().is_intact_with([ip0, ip1, u64::from(ip2)])
        & sum.is_intact_with([tcp0, tcp1, u64::from(tcp2)])
}
