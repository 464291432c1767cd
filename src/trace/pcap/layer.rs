use std::net::IpAddr;

use super::rest::Rest;

/// The next header, as the previous one names it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer<'a> {
    Ethernet(Rest<'a>),
    /// By EtherType.
    Typed(u16, Rest<'a>),
    /// By PPP protocol number.
    Ppp(u16, Rest<'a>),
    PppOe(Rest<'a>),
    Mpls(Rest<'a>),
    /// IPv4 or IPv6, by its first four bits.
    Ip(Rest<'a>),
    /// By IP protocol, after an IP header.
    Inside(u8, IpHeader, Rest<'a>),
}

/// The fields used of an IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct IpHeader {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// The identification field of IPv4.
    pub id: Option<u16>,
}
