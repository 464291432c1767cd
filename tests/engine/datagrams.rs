//! Packets of other protocols than TCP, and the ICMP errors about them, built and read by
//! etherparse: nothing of the program's own parser is trusted here.

use etherparse::checksum::Sum16BitWords;
use etherparse::{
    IpNumber, Ipv4Header, Ipv4Options, Ipv6FlowLabel, Ipv6Header, NetSlice, SlicedPacket, TransportSlice,
};

use crate::client::{CLIENT_MAC, Lab, SERVER_MAC, SERVER4, SERVER6};

pub const CLIENT4: [u8; 4] = [192, 0, 2, 9];
pub const CLIENT6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

pub const UDP: u8 = 17;
pub const UDP_LITE: u8 = 136;

/// An IP packet from `source` to the server, and its EtherType.
#[derive(Clone, Debug)]
pub struct Packet {
    pub ethertype: u16,
    pub bytes: Vec<u8>,
}

pub fn ipv4_from(source: [u8; 4], protocol: u8, options: &[u8], payload: &[u8]) -> Packet {
    let mut header =
        Ipv4Header::new(payload.len() as u16, 3, IpNumber(protocol), source, SERVER4).expect("short");
    header.options = Ipv4Options::try_from(options).expect("words");
    header.set_payload_len(payload.len()).expect("short");
    header.header_checksum = header.calc_header_checksum();
    Packet { ethertype: 0x0800, bytes: [header.to_bytes().as_slice(), payload].concat() }
}

/// `extensions`: numbers and whole headers, whose first byte is set here.
pub fn ipv6_from(source: [u8; 16], extensions: &[(u8, &[u8])], protocol: u8, payload: &[u8]) -> Packet {
    let mut numbers = extensions.iter().map(|(number, _)| *number).chain([protocol]);
    let next_header = IpNumber(numbers.next().expect("the protocol at least"));
    let mut rest = Vec::new();
    for (_, extension) in extensions {
        rest.push(numbers.next().expect("the protocol at least"));
        rest.extend(&extension[1..]);
    }
    rest.extend(payload);
    let header = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: rest.len() as u16,
        next_header,
        hop_limit: 3,
        source,
        destination: SERVER6.octets(),
    };
    Packet { ethertype: 0x86dd, bytes: [header.to_bytes().as_slice(), &rest].concat() }
}

pub fn ipv4(protocol: u8, payload: &[u8]) -> Packet {
    ipv4_from(CLIENT4, protocol, &[], payload)
}

pub fn ipv6(protocol: u8, payload: &[u8]) -> Packet {
    ipv6_from(CLIENT6, &[], protocol, payload)
}

/// A datagram to port 53 whose checksum is wrong: an error quotes it as it came.
pub fn datagram(data: usize) -> Vec<u8> {
    let len = (8 + data) as u16;
    let header = [[0x9c, 0x40, 0, 53], [len.to_be_bytes()[0], len.to_be_bytes()[1], 0xbe, 0xef]].concat();
    header.into_iter().chain((0..data).map(|at| at as u8)).collect()
}

/// An ICMP message with its checksum over IPv4.
pub fn icmp(kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0, 0, 0, 0, 0][..], body].concat();
    let sum = Sum16BitWords::new().add_slice(&message).ones_complement();
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
    message
}

pub fn icmpv6(source: [u8; 16], kind: u8, code: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0, 0, 0, 0, 0][..], body].concat();
    let sum = Sum16BitWords::new()
        .add_16bytes(source)
        .add_16bytes(SERVER6.octets())
        .add_4bytes((message.len() as u32).to_be_bytes())
        .add_2bytes([0, 58])
        .add_slice(&message)
        .ones_complement();
    message[2..4].copy_from_slice(&sum.to_ne_bytes());
    message
}

impl Packet {
    /// In a frame to `destination` with these VLAN tags, in front of Ethernet padding.
    pub fn frame_to(&self, destination: [u8; 6], tags: &[[u8; 4]]) -> Vec<u8> {
        let mut frame = [&destination[..], &CLIENT_MAC].concat();
        frame.extend(tags.concat());
        frame.extend(self.ethertype.to_be_bytes());
        frame.extend(&self.bytes);
        frame.extend([0xaa; 7]);
        frame
    }

    pub fn frame(&self) -> Vec<u8> {
        self.frame_to(SERVER_MAC, &[])
    }

    /// As changed, with an IPv4 header checksum that is right again.
    pub fn with(mut self, change: impl FnOnce(&mut [u8])) -> Packet {
        change(&mut self.bytes);
        self.bytes[10..12].fill(0);
        let header = 4 * usize::from(self.bytes[0] & 0xf);
        let sum = Sum16BitWords::new().add_slice(&self.bytes[..header]).ones_complement();
        self.bytes[10..12].copy_from_slice(&sum.to_ne_bytes());
        self
    }
}

/// An ICMP error that came back, every length and checksum verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpAnswer {
    pub kind: (u8, u8),
    /// The pointer of a parameter problem; 0 elsewhere.
    pub pointer: u32,
    pub quoted: Vec<u8>,
    /// Bytes of the IP packet.
    pub len: usize,
    pub tags: Vec<u8>,
}

/// What one frame draws, at most one frame.
pub fn answer_to(lab: &mut Lab, frame: &[u8]) -> Option<Vec<u8>> {
    assert!(lab.sim.inject(frame), "no free frame");
    lab.sim.run();
    let answer = lab.sim.collect();
    assert!(lab.sim.collect().is_none(), "two answers");
    answer
}

/// Reads an ICMP error from the server to the client.
pub fn icmp_answer(frame: &[u8]) -> IcmpAnswer {
    assert_eq!((&frame[..6], &frame[6..12]), (&CLIENT_MAC[..], &SERVER_MAC[..]));
    let sliced = SlicedPacket::from_ethernet(frame).expect("a sound packet");
    let link_len = 14 + 4 * sliced.link_exts.len();
    let tags = frame[12..link_len - 2].to_vec();
    let len = frame.len() - link_len;
    match (&sliced.net, &sliced.transport) {
        (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Icmpv4(icmp))) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!((header.source, header.destination), (SERVER4, CLIENT4));
            assert_eq!((usize::from(header.total_len), header.options.len()), (len, 0));
            assert_eq!(Sum16BitWords::new().add_slice(icmp.slice()).ones_complement(), 0);
            let slice = icmp.slice();
            answer_of((slice[0], slice[1]), &slice[4..], len, tags)
        }
        (Some(NetSlice::Ipv6(ip)), Some(TransportSlice::Icmpv6(icmp))) => {
            let header = ip.header().to_header();
            assert_eq!((header.source, header.destination), (SERVER6.octets(), CLIENT6));
            assert_eq!(usize::from(header.payload_length) + 40, len);
            assert!(icmp.is_checksum_valid(header.source, header.destination));
            let slice = icmp.slice();
            answer_of((slice[0], slice[1]), &slice[4..], len, tags)
        }
        other => panic!("no ICMP: {other:?}"),
    }
}

fn answer_of(kind: (u8, u8), rest: &[u8], len: usize, tags: Vec<u8>) -> IcmpAnswer {
    let (pointer, quoted) = rest.split_first_chunk::<4>().expect("a whole header");
    IcmpAnswer { kind, pointer: u32::from_be_bytes(*pointer), quoted: quoted.to_vec(), len, tags }
}
