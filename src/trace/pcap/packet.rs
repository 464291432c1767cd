use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};

use super::{Packet, PcapError};
use crate::wire::{Flags, Options, SegmentInfo, Seq};

/// A segment of anybody's, unchecked: a capture is taken as it is, checksums offloaded and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub segment: SegmentInfo,
}

/// The link types that can be read (<https://www.tcpdump.org/linktypes.html>).
const LOOPBACK: u32 = 0;
const ETHERNET: u32 = 1;
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const OPENBSD_LOOPBACK: u32 = 108;
const COOKED: u32 = 113;
const COOKED_2: u32 = 276;

/// The segment in a packet. `None`: it is not TCP, or its header is not there.
///
/// # Errors
/// [`PcapError::Link`].
pub fn tcp(packet: &Packet) -> Result<Option<Tcp>, PcapError> {
    let Packet { octets, link, .. } = packet;
    let sliced = match *link {
        ETHERNET => LaxSlicedPacket::from_ethernet(octets).ok(),
        LOOPBACK | OPENBSD_LOOPBACK => octets.get(4..).and_then(ip),
        link if RAW.contains(&link) => ip(octets),
        COOKED => cooked(octets, 14, 16),
        COOKED_2 => cooked(octets, 0, 20),
        link => return Err(PcapError::Link { packet: packet.number, octet: packet.octet, link }),
    };
    Ok(sliced.and_then(|sliced| segment(&sliced, packet.missing)))
}

fn ip(octets: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ip(octets).ok()
}

/// Linux cooked: the protocol somewhere in a header of fixed length.
fn cooked(octets: &[u8], protocol: usize, header: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol = <[u8; 2]>::try_from(octets.get(protocol..protocol + 2)?).ok()?;
    let rest = octets.get(header..)?;
    Some(LaxSlicedPacket::from_ether_type(EtherType(u16::from_be_bytes(protocol)), rest))
}

fn segment(sliced: &LaxSlicedPacket<'_>, missing: u32) -> Option<Tcp> {
    let (source, destination, is_cut): (IpAddr, IpAddr, bool) = match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(packet) => {
            let header = packet.header();
            (header.source_addr().into(), header.destination_addr().into(), packet.payload().incomplete)
        }
        LaxNetSlice::Ipv6(packet) => {
            let header = packet.header();
            (header.source_addr().into(), header.destination_addr().into(), packet.payload().incomplete)
        }
        _ => return None,
    };
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { return None };
    let payload = tcp.payload().len() + if is_cut { missing as usize } else { 0 };
    Some(Tcp {
        source: SocketAddr::new(source, tcp.source_port()),
        destination: SocketAddr::new(destination, tcp.destination_port()),
        segment: SegmentInfo {
            seq: Seq(tcp.sequence_number()),
            ack: Seq(tcp.acknowledgment_number()),
            // The octet of the header in which the control bits are (RFC 9293 3.1).
            flags: Flags(tcp.header_slice().get(13).copied().unwrap_or_default()),
            window: tcp.window_size(),
            payload_len: u16::try_from(payload).unwrap_or(u16::MAX),
            options: Options::default(),
        },
    })
}
