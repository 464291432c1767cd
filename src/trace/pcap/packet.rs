use std::net::{IpAddr, SocketAddr};

use super::rest::Rest;
use super::{Other, Packet, ip, link};
use crate::Segment;
use handfast_stack::wire::{Flags, Seq};

/// A segment of anybody's, unchecked: a capture is taken as it is, checksums offloaded and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// The identification of its IPv4 packet.
    pub id: Option<u16>,
    pub segment: Segment,
}

/// Headers inside one another at most: a tunnel in a tunnel has a dozen.
const MAX_DEPTH: usize = 32;

/// What a header says that follows it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer<'a> {
    Ethernet(Rest<'a>),
    /// By EtherType.
    Typed(u16, Rest<'a>),
    /// By the number of a point-to-point protocol.
    Ppp(u16, Rest<'a>),
    PppOe(Rest<'a>),
    Mpls(Rest<'a>),
    /// IPv4 or IPv6, as its first four bits say.
    Ip(Rest<'a>),
    /// By IP protocol, behind a header with these addresses.
    Inside(u8, ip::Header, Rest<'a>),
}

/// The segment in a packet, inside whatever tunnels; else what it is.
pub fn tcp(packet: &Packet) -> Result<Tcp, Other> {
    let rest = Rest { bytes: &packet.octets, wire: packet.octets.len() + packet.missing as usize };
    let mut layer = link::first(packet.link, rest)?;
    for _ in 0..MAX_DEPTH {
        layer = match layer {
            Layer::Inside(TCP, header, rest) => return segment(&header, rest),
            Layer::Inside(protocol, _, rest) => super::tunnel::inside(protocol, rest)?,
            Layer::Ip(rest) => ip::header(rest)?,
            Layer::Ethernet(rest) => link::ethernet(rest)?,
            Layer::Typed(kind, rest) => link::typed(kind, rest)?,
            Layer::Ppp(protocol, rest) => link::ppp(protocol, rest)?,
            Layer::PppOe(rest) => link::pppoe(rest)?,
            Layer::Mpls(rest) => link::mpls(rest)?,
        };
    }
    Err(Other::Invalid)
}

const TCP: u8 = 6;

/// Down to the control bits must be there; the window and the options may have been cut off.
fn segment(header: &ip::Header, rest: Rest<'_>) -> Result<Tcp, Other> {
    let read = || {
        let [offset, flags] = rest.array(12)?;
        Some((
            rest.half(0)?,
            rest.half(2)?,
            rest.word(4)?,
            rest.word(8)?,
            usize::from(offset >> 4) * 4,
            flags,
        ))
    };
    let (from, to, seq, ack, length, flags) = read().ok_or(Other::Cut)?;
    if length < 20 || length > rest.wire {
        return Err(Other::Invalid);
    }
    let mut segment = Segment {
        seq: Seq(seq),
        ack: Seq(ack),
        flags: Flags(flags),
        window: rest.half(14),
        payload_len: u32::try_from(rest.wire - length).unwrap_or(u32::MAX),
        ..Segment::default()
    };
    segment.read_options(rest.bytes.get(20..length.min(rest.bytes.len())).unwrap_or_default());
    let ends = |address: IpAddr, port| SocketAddr::new(address, port);
    Ok(Tcp {
        source: ends(header.source, from),
        destination: ends(header.destination, to),
        id: header.id,
        segment,
    })
}
