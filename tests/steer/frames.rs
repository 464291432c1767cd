//! Frames by their headers. Addresses: `OURS` is exclusive, `SHARED` also the interface's,
//! `FOREIGN` is not owned.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, ArpPacket, EtherType, Ethernet2Header, IcmpEchoHeader, Icmpv4Header,
    Icmpv4Type, IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, TcpHeader, UdpHeader,
};

pub const RULES: [&str; 2] = ["10.0.0.0/24:80-90", "[2001:db8::]/64:80-90"];
pub const LOCAL: [&str; 2] = ["10.0.0.1", "2001:db8::1"];

pub const OURS4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
pub const SHARED4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub const FOREIGN4: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 7);
pub const OURS6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
pub const SHARED6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub const FOREIGN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 7);

pub const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

pub const TCP: u8 = 6;
pub const UDP: u8 = 17;
pub const ICMP: u8 = 1;
pub const ICMPV6: u8 = 58;

/// After the link header: the packet's EtherType, and its bytes.
#[derive(Clone, Debug)]
pub struct Packet(pub EtherType, pub Vec<u8>);

impl Packet {
    /// A frame with these VLAN tags, the outermost first.
    pub fn tagged(&self, tags: &[u16]) -> Vec<u8> {
        let types: Vec<u16> = tags.iter().copied().chain([self.0.0]).collect();
        let ethernet = Ethernet2Header {
            destination: [2, 0, 0, 0, 0, 1],
            source: SENDER_MAC,
            ether_type: EtherType(types[0]),
        };
        let mut frame = ethernet.to_bytes().to_vec();
        for next in &types[1..] {
            frame.extend([0, 5]);
            frame.extend(next.to_be_bytes());
        }
        frame.extend(&self.1);
        frame
    }

    pub fn frame(&self) -> Vec<u8> {
        self.tagged(&[])
    }
}

/// An IPv4 packet. Of `fragment` are set: the flag "more fragments" (bit 13) and the offset.
pub fn ipv4_with(to: Ipv4Addr, protocol: u8, options: &[u8], fragment: u16, payload: &[u8]) -> Packet {
    let from = [192, 0, 2, 9];
    let mut header =
        Ipv4Header::new(payload.len() as u16, 64, IpNumber(protocol), from, to.octets()).unwrap();
    header.options = Ipv4Options::try_from(options).unwrap();
    header.header_checksum = header.calc_header_checksum();
    let mut bytes = header.to_bytes().to_vec();
    bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
    bytes.extend(payload);
    Packet(EtherType::IPV4, bytes)
}

pub fn ipv4(to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Packet {
    ipv4_with(to, protocol, &[], 0, payload)
}

/// An IPv6 packet with these extension headers: number, and length in bytes.
pub fn ipv6_with(to: Ipv6Addr, extensions: &[(u8, usize)], protocol: u8, payload: &[u8]) -> Packet {
    let mut numbers = extensions.iter().map(|&(number, _)| number).chain([protocol]);
    let first = numbers.next().unwrap();
    let mut rest = Vec::new();
    for &(_, len) in extensions {
        let start = rest.len();
        rest.extend([numbers.next().unwrap(), (len / 8 - 1) as u8]);
        rest.resize(start + len, 0);
    }
    rest.extend(payload);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: rest.len() as u16,
        next_header: IpNumber(first),
        hop_limit: 255,
        source: Ipv6Addr::new(0x2001, 0xdb8, 9, 9, 0, 0, 0, 9).octets(),
        destination: to.octets(),
    };
    Packet(EtherType::IPV6, [header.to_bytes().as_slice(), &rest].concat())
}

pub fn ipv6(to: Ipv6Addr, protocol: u8, payload: &[u8]) -> Packet {
    ipv6_with(to, &[], protocol, payload)
}

/// An IPv6 fragment: `fragment` is the offset (multiple of 8) and the flag "more" (bit 0).
pub fn ipv6_fragment(to: Ipv6Addr, fragment: u16, protocol: u8, payload: &[u8]) -> Packet {
    let [high, low] = fragment.to_be_bytes();
    let header = [protocol, 0, high, low, 0, 0, 0, 1];
    ipv6(to, 44, &[header.as_slice(), payload].concat())
}

pub fn syn(port: u16) -> Vec<u8> {
    let mut header = TcpHeader::new(40_000, port, 1, 65_535);
    header.syn = true;
    header.to_bytes().to_vec()
}

pub fn udp(port: u16) -> Vec<u8> {
    let header = UdpHeader { source_port: 53, destination_port: port, length: 12, checksum: 0 };
    [header.to_bytes().as_slice(), &[0; 4]].concat()
}

pub fn echo_request() -> Vec<u8> {
    let echo = IcmpEchoHeader { id: 1, seq: 1 };
    Icmpv4Header::new(Icmpv4Type::EchoRequest(echo)).to_bytes().to_vec()
}

/// An ICMP or ICMPv6 message of this type, otherwise zero.
pub fn icmp_type(number: u8) -> Vec<u8> {
    [[number].as_slice(), &[0; 15]].concat()
}

/// An ICMP error of this type about a TCP segment from `from` and port, to anywhere.
pub fn icmp_error(number: u8, from: Ipv4Addr, port: u16, options: &[u8], protocol: u8) -> Vec<u8> {
    let Packet(_, mut quoted) = ipv4_with(FOREIGN4, protocol, options, 0x4000, &quoted_ports(port));
    quoted[12..16].copy_from_slice(&from.octets());
    [[number, 1, 0, 0, 0, 0, 0, 0].as_slice(), &quoted].concat()
}

/// As [`icmp_error`], of ICMPv6.
pub fn icmpv6_error(number: u8, from: Ipv6Addr, port: u16, protocol: u8) -> Vec<u8> {
    let Packet(_, mut quoted) = ipv6(FOREIGN6, protocol, &quoted_ports(port));
    quoted[8..24].copy_from_slice(&from.octets());
    [[number, 1, 0, 0, 0, 0, 0, 0].as_slice(), &quoted].concat()
}

/// The first eight bytes of TCP: all that RFC 792 promises.
fn quoted_ports(source: u16) -> Vec<u8> {
    let [high, low] = source.to_be_bytes();
    vec![high, low, 0, 80, 0, 0, 0, 1]
}

/// A neighbour solicitation (135) or advertisement (136) for `target`.
pub fn neighbour(number: u8, target: Ipv6Addr) -> Vec<u8> {
    [[number, 0, 0, 0, 0, 0, 0, 0].as_slice(), &target.octets()].concat()
}

/// ff02::1:ffXX:XXXX (RFC 4291 section 2.7.1).
pub fn solicited_node(target: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = target.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

pub fn arp(operation: ArpOperation, target: Ipv4Addr) -> Packet {
    arp_from(operation, Ipv4Addr::new(10, 0, 1, 2), target)
}

/// From [`SENDER_MAC`].
pub fn arp_from(operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) -> Packet {
    let packet: ArpPacket = ArpEthIpv4Packet {
        operation,
        sender_mac: SENDER_MAC,
        sender_ipv4: sender.octets(),
        target_mac: [0; 6],
        target_ipv4: target.octets(),
    }
    .into();
    Packet(EtherType::ARP, packet.to_bytes().to_vec())
}
