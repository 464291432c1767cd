//! Builds the frames that a script sends, broken ones too.

use std::net::IpAddr;

use super::pattern::Modifier;

pub type Mac = [u8; 6];

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_VLAN: u16 = 0x8100;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMPV6: u8 = 58;
const PROTOCOL_FRAGMENT: u8 = 44;

/// Addresses of the runner and of the device.
#[derive(Clone, Debug)]
pub struct Place {
    pub client_mac: Mac,
    pub device_mac: Mac,
    /// The 802.1Q tag of every frame, if any.
    pub vlan: Option<u16>,
    pub client: IpAddr,
    pub device: IpAddr,
}

/// A TCP segment with the addresses of its packet.
#[derive(Clone, Debug)]
pub struct Segment {
    pub source: (IpAddr, u16),
    pub destination: (IpAddr, u16),
    pub sequence: u32,
    pub acknowledgement: u32,
    pub flags: u8,
    pub window: u16,
    pub urgent: u16,
    /// A multiple of four bytes.
    pub options: Vec<u8>,
    pub payload: Vec<u8>,
}

/// The frame of a segment on the way to the device, with the modifiers' faults.
pub fn build(place: &Place, segment: &Segment, modifiers: &[Modifier]) -> Vec<u8> {
    let tcp = tcp_segment(segment, modifiers);
    let (ethertype, mut packet) = match (segment.source.0, segment.destination.0) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => (
            ETHERTYPE_IPV4,
            ipv4_packet(source.octets(), destination.octets(), PROTOCOL_TCP, &tcp, modifiers),
        ),
        (IpAddr::V6(source), IpAddr::V6(destination)) => (
            ETHERTYPE_IPV6,
            ipv6_packet(source.octets(), destination.octets(), PROTOCOL_TCP, &tcp, modifiers),
        ),
        _ => panic!("both addresses of a packet are of one family"),
    };
    for modifier in modifiers {
        match modifier {
            Modifier::Cut(length) => packet.truncate(*length),
            Modifier::Trailer(bytes) => packet.resize(packet.len() + bytes, 0xa5),
            Modifier::Version(version) => packet[0] = packet[0] & 0x0f | version << 4,
            _ => {}
        }
    }
    let mut destination = place.device_mac;
    if modifiers.contains(&Modifier::BroadcastMac) {
        destination = [0xff; 6];
    }
    if modifiers.contains(&Modifier::OtherMac) {
        destination[5] ^= 0x40;
    }
    ethernet(destination, place.client_mac, place.vlan, ethertype, &packet)
}

/// An ICMP error about a segment of the device, as a router at our address would send it (RFC 792, RFC 4443).
pub fn icmp_error(place: &Place, kind: u8, code: u8, quoted: &Segment) -> Vec<u8> {
    let tcp = tcp_segment(quoted, &[]);
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    let (ethertype, packet) = match (place.client, place.device) {
        (IpAddr::V4(client), IpAddr::V4(device)) => {
            // The header and eight bytes.
            message.extend(&ipv4_packet(device.octets(), client.octets(), PROTOCOL_TCP, &tcp, &[])[..28]);
            let sum = !sum_words(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (ETHERTYPE_IPV4, ipv4_packet(client.octets(), device.octets(), PROTOCOL_ICMP, &message, &[]))
        }
        (IpAddr::V6(client), IpAddr::V6(device)) => {
            message.extend(ipv6_packet(device.octets(), client.octets(), PROTOCOL_TCP, &tcp, &[]));
            let sum = transport_checksum(place.client, place.device, PROTOCOL_ICMPV6, &message);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (ETHERTYPE_IPV6, ipv6_packet(client.octets(), device.octets(), PROTOCOL_ICMPV6, &message, &[]))
        }
        _ => panic!("both addresses of a place are of one family"),
    };
    ethernet(place.device_mac, place.client_mac, place.vlan, ethertype, &packet)
}

/// An Ethernet frame, tagged if `vlan` is given.
pub fn ethernet(to: Mac, from: Mac, vlan: Option<u16>, ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = [to, from].concat();
    if let Some(tag) = vlan {
        frame.extend(ETHERTYPE_VLAN.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame
}

fn tcp_segment(segment: &Segment, modifiers: &[Modifier]) -> Vec<u8> {
    let mut data_offset = 5 + (segment.options.len() / 4) as u8;
    let mut reserved = 0;
    for modifier in modifiers {
        match modifier {
            Modifier::DataOffset(words) => data_offset = *words,
            Modifier::Reserved(bits) => reserved = *bits,
            _ => {}
        }
    }
    let mut bytes = Vec::new();
    bytes.extend(segment.source.1.to_be_bytes());
    bytes.extend(segment.destination.1.to_be_bytes());
    bytes.extend(segment.sequence.to_be_bytes());
    bytes.extend(segment.acknowledgement.to_be_bytes());
    bytes.extend([data_offset << 4 | reserved, segment.flags]);
    bytes.extend(segment.window.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(segment.urgent.to_be_bytes());
    bytes.extend(&segment.options);
    bytes.extend(&segment.payload);
    let sum = tcp_checksum(segment.source.0, segment.destination.0, &bytes);
    let sum = if modifiers.contains(&Modifier::BadTcpChecksum) { sum ^ 0x0f0f } else { sum };
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn ipv4_packet(
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    message: &[u8],
    modifiers: &[Modifier],
) -> Vec<u8> {
    let mut options: &[u8] = &[];
    let mut length = None;
    let mut header_words = None;
    let mut hop_limit = 64;
    let mut fragment: u16 = 0x4000;
    for modifier in modifiers {
        match modifier {
            Modifier::IpOptions(bytes) => options = bytes,
            Modifier::IpLength(bytes) => length = Some(*bytes),
            Modifier::HeaderLength(words) => header_words = Some(*words),
            Modifier::HopLimit(hops) => hop_limit = *hops,
            Modifier::Fragment => fragment = 0x2000,
            _ => {}
        }
    }
    let header_length = 20 + options.len();
    let total = length.unwrap_or((header_length + message.len()) as u16);
    let mut packet = vec![0x40 | header_words.unwrap_or((header_length / 4) as u8), 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0x12, 0x34]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([hop_limit, protocol, 0, 0]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(options);
    let sum = !sum_words(&[&packet]);
    let sum = if modifiers.contains(&Modifier::BadIpChecksum) { sum ^ 0x0f0f } else { sum };
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(message);
    packet
}

fn ipv6_packet(
    source: [u8; 16],
    destination: [u8; 16],
    protocol: u8,
    message: &[u8],
    modifiers: &[Modifier],
) -> Vec<u8> {
    let mut extension = Vec::new();
    let mut next_header = protocol;
    let mut length = None;
    let mut hop_limit = 64;
    for modifier in modifiers {
        match modifier {
            Modifier::Fragment => {
                next_header = PROTOCOL_FRAGMENT;
                extension = vec![protocol, 0, 0, 1, 0, 0, 0x12, 0x34];
            }
            // A hop-by-hop header around the given options.
            Modifier::IpOptions(bytes) => {
                next_header = 0;
                extension = [&[protocol, (bytes.len() / 8) as u8], bytes.as_slice()].concat();
            }
            Modifier::IpLength(bytes) => length = Some(*bytes),
            Modifier::HopLimit(hops) => hop_limit = *hops,
            _ => {}
        }
    }
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.unwrap_or((extension.len() + message.len()) as u16).to_be_bytes());
    packet.extend([next_header, hop_limit]);
    packet.extend(source);
    packet.extend(destination);
    packet.extend(extension);
    packet.extend(message);
    packet
}

/// The value for the checksum field of `segment`, whose own field counts as zero only if it is zero.
pub fn tcp_checksum(source: IpAddr, destination: IpAddr, segment: &[u8]) -> u16 {
    transport_checksum(source, destination, PROTOCOL_TCP, segment)
}

/// The Internet checksum over pseudo-header and message (RFC 9293 3.1, RFC 8200 8.1).
pub fn transport_checksum(source: IpAddr, destination: IpAddr, protocol: u8, message: &[u8]) -> u16 {
    let length = (message.len() as u32).to_be_bytes();
    let tail = [&length[..], &[0, 0, 0, protocol]].concat();
    match (source, destination) {
        (IpAddr::V4(s), IpAddr::V4(d)) => !sum_words(&[&s.octets(), &d.octets(), &tail, message]),
        (IpAddr::V6(s), IpAddr::V6(d)) => !sum_words(&[&s.octets(), &d.octets(), &tail, message]),
        _ => panic!("both addresses of a packet are of one family"),
    }
}

/// The ones' complement sum of 16-bit words; every part but the last has an even length.
pub fn sum_words(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for word in part.chunks(2) {
            sum += u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
