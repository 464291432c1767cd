//! Tunnels over IP: layers that contain packets.

use super::Other;
use super::layer::Layer;
use super::rest::Rest;

const IPV4: u8 = 4;
const UDP: u8 = 17;
const IPV6: u8 = 41;
const GRE: u8 = 47;
const ETHER_IP: u8 = 97;
const MPLS: u8 = 137;

/// By the number of the IP protocol.
pub(super) fn inside(protocol: u8, rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let inner = match protocol {
        IPV4 | IPV6 => Some(Layer::Ip(rest)),
        MPLS => Some(Layer::Mpls(rest)),
        // RFC 3378 2.
        ETHER_IP => rest.skip(2).map(Layer::Ethernet),
        GRE => gre(rest),
        UDP => udp(rest),
        _ => None,
    };
    inner.ok_or(Other::Protocol(protocol))
}

/// RFC 2784 2, with the key and number of RFC 2890; version 1 is PPTP's (RFC 2637 4.1).
fn gre(rest: Rest<'_>) -> Option<Layer<'_>> {
    let (flags, kind) = (rest.half(0)?, rest.half(2)?);
    let has = |bit: u16| usize::from(flags & bit != 0);
    let length = match flags & 7 {
        // Checksum and routing share a word.
        0 => 4 + 4 * (has(0xc000) + has(0x2000) + has(0x1000)),
        1 => 8 + 4 * (has(0x1000) + has(0x0080)),
        _ => return None,
    };
    let inner = rest.skip(length)?;
    match kind {
        // ERSPAN: type I has no header, type II has a sequence number in the GRE header.
        0x88be => inner.skip(if has(0x1000) == 1 { 8 } else { 0 }).map(Layer::Ethernet),
        // Type III, with a subheader if the last bit is set.
        0x22eb => inner.skip(12 + 8 * usize::from(inner.byte(11)? & 1)).map(Layer::Ethernet),
        kind => Some(Layer::Typed(kind, inner)),
    }
}

/// By destination port, if the payload matches the protocol.
fn udp(rest: Rest<'_>) -> Option<Layer<'_>> {
    let (to, length, inner) = (rest.half(2)?, usize::from(rest.half(4)?), rest.skip(8)?);
    let inner = if length >= 8 { inner.limit(length - 8) } else { inner };
    match to {
        // VXLAN (RFC 7348 5), also on Linux's default port.
        4789 | 8472 if inner.byte(0)? & 0x08 != 0 => inner.skip(8).map(Layer::Ethernet),
        // VXLAN-GPE, which names the protocol.
        4790 if inner.byte(0)? & 0x0c == 0x0c => match inner.byte(3)? {
            1 | 2 => inner.skip(8).map(Layer::Ip),
            3 => inner.skip(8).map(Layer::Ethernet),
            _ => None,
        },
        // Geneve (RFC 8926 3.4): version 0, options in words.
        6081 if inner.byte(0)? & 0xc0 == 0 => {
            let options = usize::from(inner.byte(0)? & 0x3f) * 4;
            Some(Layer::Typed(inner.half(2)?, inner.skip(8 + options)?))
        }
        2152 => gtp(inner),
        _ => None,
    }
}

/// GTP-U (3GPP TS 29.281 5.1): a user packet, after extension headers.
fn gtp(rest: Rest<'_>) -> Option<Layer<'_>> {
    let [flags, kind] = rest.array(0)?;
    if flags & 0xf0 != 0x30 || kind != 0xff {
        return None;
    }
    if flags & 7 == 0 {
        return rest.skip(8).map(Layer::Ip);
    }
    let (mut rest, mut next) = (rest.skip(12)?, if flags & 4 == 0 { 0 } else { rest.byte(11)? });
    while next != 0 {
        let length = usize::from(rest.byte(0)?).max(1) * 4;
        next = rest.byte(length - 1)?;
        rest = rest.skip(length)?;
    }
    Some(Layer::Ip(rest))
}
