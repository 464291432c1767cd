use std::net::{Ipv4Addr, Ipv6Addr};

use super::Other;
use super::layer::{IpHeader, Layer};
use super::rest::Rest;

pub(super) fn header(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    match rest.byte(0).ok_or(Other::Truncated)? >> 4 {
        4 => v4(rest),
        6 => v6(rest),
        _ => Err(Other::Invalid),
    }
}

/// RFC 791 3.1.
fn v4(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let fixed: [u8; 20] = rest.array(0).ok_or(Other::Truncated)?;
    let [first, _, l0, l1, i0, i1, f0, f1, _, protocol, _, _, a, b, c, d, e, f, g, h] = fixed;
    let (length, total) = (usize::from(first & 0xf) * 4, usize::from(u16::from_be_bytes([l0, l1])));
    // 0: segmentation offload fills in the length.
    let rest = if total == 0 { rest } else { rest.limit(total) };
    if length < 20 || length > rest.wire {
        return Err(Other::Invalid);
    }
    // More fragments follow, or it is not the first.
    if u16::from_be_bytes([f0, f1]) & 0x3fff != 0 {
        return Err(Other::Fragment);
    }
    let header = IpHeader {
        source: Ipv4Addr::new(a, b, c, d).into(),
        destination: Ipv4Addr::new(e, f, g, h).into(),
        id: Some(u16::from_be_bytes([i0, i1])),
    };
    extended(protocol, header, rest.skip(length).ok_or(Other::Truncated)?)
}

/// RFC 8200 3.
fn v6(rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let (length, protocol) = (rest.half(4).ok_or(Other::Truncated)?, rest.byte(6).ok_or(Other::Truncated)?);
    let source: [u8; 16] = rest.array(8).ok_or(Other::Truncated)?;
    let destination: [u8; 16] = rest.array(24).ok_or(Other::Truncated)?;
    let rest = rest.skip(40).ok_or(Other::Truncated)?;
    // 0: a jumbogram, or segmentation offload fills in the length.
    let rest = if length == 0 { rest } else { rest.limit(length.into()) };
    let header = IpHeader {
        source: Ipv6Addr::from(source).into(),
        destination: Ipv6Addr::from(destination).into(),
        id: None,
    };
    extended(protocol, header, rest)
}

/// Hop-by-hop and destination options, routing, mobility, HIP and shim6 (IANA's list of IPv6 extension
/// header types): all encode their length in the same way.
const EXTENSIONS: [u8; 6] = [0, 43, 60, 135, 139, 140];
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;

/// Skips extension headers.
fn extended(mut protocol: u8, header: IpHeader, mut rest: Rest<'_>) -> Result<Layer<'_>, Other> {
    let is_v6 = header.source.is_ipv6();
    loop {
        let length = match protocol {
            AUTHENTICATION => (usize::from(rest.byte(1).ok_or(Other::Truncated)?) + 2) * 4,
            FRAGMENT if is_v6 => {
                // Offset, two reserved bits, more-fragments bit. An unfragmented packet may have the header too.
                if rest.half(2).ok_or(Other::Truncated)? & 0xfff9 != 0 {
                    return Err(Other::Fragment);
                }
                8
            }
            one if is_v6 && EXTENSIONS.contains(&one) => {
                (usize::from(rest.byte(1).ok_or(Other::Truncated)?) + 1) * 8
            }
            other => return Ok(Layer::Inside(other, header, rest)),
        };
        protocol = rest.byte(0).ok_or(Other::Truncated)?;
        rest = rest.skip(length).ok_or(Other::Truncated)?;
    }
}
