use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Other;
use super::packet::Layer;
use super::rest::Rest;

/// What is needed of an IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The identification field of IPv4.
    pub id: Option<u16>,
}

pub(super) fn header(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    match rest.byte(0).ok_or(Other::Cut)? >> 4 {
        4 => v4(rest),
        6 => v6(rest),
        _ => Err(Other::Invalid),
    }
}

/// RFC 791 3.1.
fn v4(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let fixed: [u8; 20] = rest.array(0).ok_or(Other::Cut)?;
    let [first, _, l0, l1, i0, i1, f0, f1, _, protocol, _, _, a, b, c, d, e, f, g, h] = fixed;
    let (length, total) = (usize::from(first & 0xf) * 4, usize::from(u16::from_be_bytes([l0, l1])));
    // 0: the length is left to segmentation offload.
    let rest = if total == 0 { rest } else { rest.limit(total) };
    if length < 20 || length > rest.wire {
        return Err(Other::Invalid);
    }
    // More fragments, or not the first.
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return Err(Other::Fragment);
    }
    let header = Header {
        source: Ipv4Addr::new(a, b, c, d).into(),
        destination: Ipv4Addr::new(e, f, g, h).into(),
        id: Some(u16::from_be_bytes([i0, i1])),
    };
    extended(protocol, header, rest.skip(length).ok_or(Other::Cut)?)
}

/// RFC 8200 3.
fn v6(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let (length, protocol) = (rest.half(4).ok_or(Other::Cut)?, rest.byte(6).ok_or(Other::Cut)?);
    let source: [u8; 16] = rest.array(8).ok_or(Other::Cut)?;
    let destination: [u8; 16] = rest.array(24).ok_or(Other::Cut)?;
    let rest = rest.skip(40).ok_or(Other::Cut)?;
    // 0: a jumbogram, or the length is left to segmentation offload.
    let rest = if length == 0 { rest } else { rest.limit(length.into()) };
    let header = Header {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        id: None,
    };
    extended(protocol, header, rest)
}

/// Hop-by-hop and destination options, routing, mobility, HIP and shim6 (IANA's list of IPv6 extension
/// header types): all say their length in the same way.
const EXTENSIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Passes over extension headers.
fn extended(mut protocol: u8, header: Header, mut rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let is_v6 = header.source.is_ipv6();
    loop {
        let length = match protocol {
            AUTHENTICATION => (usize::from(rest.byte(1).ok_or(Other::Cut)?) + 2) * 4,
            FRAGMENT if is_v6 => {
                // Offset, two reserved bits, and whether more follow. A whole packet may have one, too.
                if rest.half(2).ok_or(Other::Cut)? & 0xfff9 != 0 {
                    return Err(Other::Fragment);
                }
                8
            }
            one if is_v6 && EXTENSIONS.contains(&one) => {
                (usize::from(rest.byte(1).ok_or(Other::Cut)?) + 1) * 8
            }
            other => return Ok(Layer::Inside(other, header, rest)),
        };
        protocol = rest.byte(0).ok_or(Other::Cut)?;
        rest = rest.skip(length).ok_or(Other::Cut)?;
    }
}
