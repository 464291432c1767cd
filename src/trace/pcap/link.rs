//! The layers below IP: link types of captures, Ethernet, PPP, PPPoE and MPLS.

use super::Other;
use super::layer::Layer;
use super::rest::Rest;

type NextHeader<'a> = Result<Layer<'a>, Other>;

/// Returns the first layer of a link type (<https://www.tcpdump.org/linktypes.html>).
pub(super) fn first(link: u32, rest: Rest<'_>) -> NextHeader<'_> {
    match link {
        ETHERNET => Ok(Layer::Ethernet(rest)),
        LOOPBACK | OPENBSD_LOOPBACK => after(rest, 4).map(Layer::Ip),
        link if RAW.contains(&link) => Ok(Layer::Ip(rest)),
        COOKED => by_type(rest, 14, 16),
        COOKED_2 => by_type(rest, 0, 20),
        CISCO_HDLC => by_type(rest, 2, 4),
        PPP | PPP_HDLC => framed_ppp(rest),
        PPP_WITH_DIRECTION => framed_ppp(after(rest, 1)?),
        PPP_ETHER => Ok(Layer::PppOe(rest)),
        link => Err(Other::Link(link)),
    }
}

const LOOPBACK: u32 = 0;
const ETHERNET: u32 = 1;
const PPP: u32 = 9;
const PPP_HDLC: u32 = 50;
const PPP_ETHER: u32 = 51;
const RAW: [u32; 5] = [12, 14, 101, 228, 229];
const CISCO_HDLC: u32 = 104;
const OPENBSD_LOOPBACK: u32 = 108;
const COOKED: u32 = 113;
const PPP_WITH_DIRECTION: u32 = 204;
const COOKED_2: u32 = 276;

/// Two MAC addresses, then an EtherType or a length.
pub(super) fn ethernet(rest: Rest<'_>) -> NextHeader<'_> {
    by_type(rest, 12, 14)
}

/// An EtherType at this offset in a header of fixed length.
fn by_type(rest: Rest<'_>, at: usize, header: usize) -> NextHeader<'_> {
    let kind = rest.half(at).ok_or(Other::Truncated)?;
    Ok(Layer::Typed(kind, after(rest, header)?))
}

fn after(rest: Rest<'_>, length: usize) -> Result<Rest<'_>, Other> {
    rest.skip(length).ok_or(Other::Truncated)
}

pub(super) fn typed(kind: u16, rest: Rest<'_>) -> NextHeader<'_> {
    match kind {
        // IPv6 also has the number of IPv4 on links that know only that.
        0x0800 | 0x86dd => Ok(Layer::Ip(rest)),
        // VLAN tags: 802.1Q, 802.1ad, and its predecessors.
        0x8100 | 0x88a8 | 0x9100 | 0x9200 => by_type(rest, 2, 4),
        0x8847 | 0x8848 => Ok(Layer::Mpls(rest)),
        0x8864 => Ok(Layer::PppOe(rest)),
        // Transparent Ethernet bridging.
        0x6558 => Ok(Layer::Ethernet(rest)),
        0x880b => framed_ppp(rest),
        // A length: IEEE 802.3.
        0..0x0600 => llc(rest.limit(rest.wire.min(kind.max(8).into()))),
        kind => Err(Other::EtherType(kind)),
    }
}

/// SNAP ends with an EtherType (RFC 1042).
fn llc(rest: Rest<'_>) -> NextHeader<'_> {
    match rest.array(0).ok_or(Other::Truncated)? {
        [0xaa, 0xaa, 3, 0, 0, 0] => by_type(rest, 6, 8),
        _ => Err(Other::Llc),
    }
}

/// Address and control may be omitted (RFC 1661 6.6), and the first byte of the protocol (6.5).
fn framed_ppp(rest: Rest<'_>) -> NextHeader<'_> {
    let rest = if rest.half(0) == Some(0xff03) { after(rest, 2)? } else { rest };
    match rest.byte(0).ok_or(Other::Truncated)? {
        short if short & 1 == 1 => Ok(Layer::Ppp(short.into(), after(rest, 1)?)),
        _ => Ok(Layer::Ppp(rest.half(0).ok_or(Other::Truncated)?, after(rest, 2)?)),
    }
}

pub(super) fn ppp(protocol: u16, rest: Rest<'_>) -> NextHeader<'_> {
    match protocol {
        0x0021 | 0x0057 => Ok(Layer::Ip(rest)),
        0x0281 | 0x0283 => Ok(Layer::Mpls(rest)),
        other => Err(Other::Ppp(other)),
    }
}

/// A session's packet (RFC 2516 4): version and type, code, session, length.
pub(super) fn pppoe(rest: Rest<'_>) -> NextHeader<'_> {
    let ([kind, code], length) =
        (rest.array(0).ok_or(Other::Truncated)?, rest.half(4).ok_or(Other::Truncated)?);
    match (kind, code) {
        (0x11, 0) => framed_ppp(after(rest, 6)?.limit(length.into())),
        (0x11, _) => Err(Other::EtherType(0x8863)),
        _ => Err(Other::Invalid),
    }
}

/// Labels down to the bottom of the stack (RFC 3032 2.1); then IP, by its first four bits, or Ethernet,
/// perhaps after a control word (RFC 4448 4.6).
pub(super) fn mpls(mut rest: Rest<'_>) -> NextHeader<'_> {
    loop {
        let label = rest.word(0).ok_or(Other::Truncated)?;
        rest = after(rest, 4)?;
        if label & 0x100 != 0 {
            break;
        }
    }
    match rest.byte(0).ok_or(Other::Truncated)? >> 4 {
        4 | 6 => Ok(Layer::Ip(rest)),
        0 => after(rest, 4).map(Layer::Ethernet),
        _ => Ok(Layer::Ethernet(rest)),
    }
}
