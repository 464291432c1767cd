//! The segment that nearly all are: untagged Ethernet to our own address, IPv4 without options,
//! TCP, nothing wrong with it. Each check that [`super::parse`] makes is made here too, but none
//! is named: whatever fails one of them goes there, to be parsed in full or refused by name.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, byteorder::big_endian::U16};

use super::{
    Flags, FlowKey4, Mac, Options, Policy, Segment, SegmentInfo, Seq, checksum::Sum, ethernet, ipv4, tcp,
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

const LINK_LEN: usize = ethernet::HEADER_LEN;
const TCP_AT: usize = LINK_LEN + ipv4::HEADER_LEN;

/// As [`super::parse`], for the common segment; `None` says nothing about any other frame.
#[inline(always)]
pub fn parse_common(frame: &[u8], policy: &Policy) -> Option<Segment<FlowKey4>> {
    let (headers, _) = Headers::ref_from_prefix(frame).ok()?;
    let Headers { ip, tcp: head, .. } = headers;
    let plain = headers.ethertype.get() == ethernet::IPV4
        && ip.version_and_length == 0x45
        && ip.protocol == ipv4::TCP
        && ip.fragment.get() & ipv4::MORE_FRAGMENTS_OR_OFFSET == 0;
    let ours = policy.mac.is_none_or(|mac| mac == headers.destination_mac)
        && !ethernet::is_group(&headers.destination_mac)
        && !ethernet::is_group(&headers.source_mac);
    let end = LINK_LEN + usize::from(ip.total_length.get());
    let segment = frame.get(TCP_AT..end)?;
    let header_len = usize::from(head.data_offset >> 4) * 4;
    let options = segment.get(tcp::HEADER_LEN..header_len)?;
    let pseudo = Sum::pseudo_v4(ip.source, ip.destination, ipv4::TCP, segment.len() as u16);
    let intact = Sum::default().add_bytes(ip.as_bytes()).is_intact() && pseudo.add_bytes(segment).is_intact();
    if !(plain && ours && intact) {
        return None;
    }
    ipv4::check_endpoints(ip.source, ip.destination, &policy.subnets).ok()?;
    let flags = Flags(head.flags);
    Some(Segment {
        key: FlowKey4 {
            remote: ip.source,
            local: ip.destination,
            remote_port: head.source_port.get(),
            local_port: head.destination_port.get(),
        },
        info: SegmentInfo {
            seq: Seq(head.seq.get()),
            ack: Seq(head.ack.get()),
            flags,
            window: head.window.get(),
            payload_len: (segment.len() - header_len) as u16,
            options: Options::parse(options, flags.has(Flags::SYN)).ok()?,
        },
        link_len: LINK_LEN as u8,
        payload_at: (TCP_AT + header_len) as u16,
    })
}
