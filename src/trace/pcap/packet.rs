use std::net::{IpAddr, SocketAddr};

use super::layer::{IpHeader, Layer};
use super::rest::Rest;
use super::{Other, Packet, ip, link};
use crate::Segment;
use handfast_stack::wire::{Flags, Seq};

/// A captured segment. Checksums are not verified: the sender may have offloaded them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    pub source: SocketAddr,
    pub destination: SocketAddr,
    /// The identification of its IPv4 packet.
    pub id: Option<u16>,
    pub segment: Segment,
}

/// Maximum number of nested headers: a tunnel in a tunnel has a dozen.
const MAX_DEPTH: usize = 32;

/// Returns the TCP segment in a packet, also inside tunnels; otherwise what the packet is.
pub fn tcp(packet: &Packet) -> Result<Tcp, Other> {
    let rest = Rest { bytes: &packet.data, wire: packet.data.len() + packet.missing as usize };
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

/// The header must be captured up to the control bits; window and options may be missing.
fn segment(header: &IpHeader, rest: Rest<'_>) -> Result<Tcp, Other> {
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
    let (from, to, seq, ack, length, flags) = read().ok_or(Other::Truncated)?;
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
    let end = |address: IpAddr, port| SocketAddr::new(address, port);
    Ok(Tcp {
        source: end(header.source, from),
        destination: end(header.destination, to),
        id: header.id,
        segment,
    })
}
