use super::*;
use crate::observe::DropReason::{self, *};
use crate::wire::{
    arp,
    checksum::Checksum,
    ethernet,
    icmp::{self, EchoRequest, NeighbourSolicitation},
    ipv4, ipv6, parse,
};

const TAG: [[u8; 4]; 1] = [[0x81, 0, 0x60, 7]];
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const SOLICITED_NODE: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 1];

/// An ICMP message with its checksum set.
pub(super) fn message(kind: u8, code: u8, body: &[u8], pseudo: Checksum) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0][..], body].concat();
    let sum = pseudo.add_bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An ICMP message towards us in a tagged IPv4 frame, behind IP options, in front of padding.
pub(super) fn frame4(message: &[u8], options: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 20];
    let upper_len = (message.len() + options.len()) as u16;
    ipv4::write_header(&mut header, REMOTE4, LOCAL4, ipv4::ICMP, upper_len).unwrap();
    header.extend(options);
    header[0] += (options.len() / 4) as u8;
    header[10..12].fill(0);
    let sum = Checksum::default().add_bytes(&header).finish();
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&link(&TAG, ethernet::IPV4)[..], &header, message, &[0xaa; 5]].concat()
}

pub(super) fn frame6(
    source: [u8; 16],
    destination: [u8; 16],
    hop_limit: u8,
    kind: (u8, u8),
    body: &[u8],
) -> Vec<u8> {
    let length = body.len() as u16 + 4;
    let mut header = vec![0; 40];
    ipv6::write_header(&mut header, &source, &destination, ipv6::ICMPV6, hop_limit, length).unwrap();
    let pseudo = Checksum::pseudo_v6(&source, &destination, ipv6::ICMPV6, length);
    [&link(&TAG, ethernet::IPV6)[..], &header, &message(kind.0, kind.1, body, pseudo), &[0xaa; 5]].concat()
}

fn echo(frame: &[u8]) -> EchoRequest {
    match parse(frame, &config()) {
        Ok(Packet::Echo(echo)) => echo,
        other => panic!("{other:?}"),
    }
}

fn reason(frame: &[u8]) -> Option<DropReason> {
    parse(frame, &config()).err()
}

#[test]
fn echo_v4_comes_back_whole() {
    let body = [0x12, 0x34, 0, 1, b'p', b'i', b'n', b'g', b'!'];
    for options in [&[][..], &[1, 1, 1, 0], &[7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]] {
        let mut frame = frame4(&message(8, 0, &body, Checksum::default()), options);
        let request = echo(&frame);
        assert_eq!((request.remote, request.local), (REMOTE4.into(), LOCAL4.into()));
        let end = icmp::echo_reply(&mut frame, &request).unwrap();
        assert_eq!(end, 18 + 20 + 13);
        assert_eq!(frame[..18], [&THEIRS[..], &OURS, &[0x81, 0, 0x60, 7, 8, 0]].concat());
        let packet = ipv4::Packet::parse(&frame[18..end]).unwrap();
        assert_eq!((packet.source, packet.destination, packet.header_len), (LOCAL4, REMOTE4, 20));
        assert_eq!(packet.upper, message(0, 0, &body, Checksum::default()));
    }
}

#[test]
fn echo_v6_comes_back_whole() {
    let body = [0x12, 0x34, 0, 1, b'p', b'i', b'n', b'g'];
    let mut frame = frame6(REMOTE6, LOCAL6, 3, (128, 0), &body);
    let request = echo(&frame);
    let end = icmp::echo_reply(&mut frame, &request).unwrap();
    assert_eq!(end, 18 + 40 + 12);
    assert_eq!(frame[..12], [&THEIRS[..], &OURS].concat());
    let packet = ipv6::Packet::parse(&frame[18..end]).unwrap();
    assert_eq!((packet.source, packet.destination, packet.hop_limit), (LOCAL6, REMOTE6, 64));
    let pseudo = Checksum::pseudo_v6(&LOCAL6, &REMOTE6, ipv6::ICMPV6, 12);
    assert_eq!(packet.upper, message(129, 0, &body, pseudo));
}

#[test]
fn echo_that_gets_no_answer() {
    let body = [0; 8];
    let rows = [
        ("a reply", frame4(&message(0, 0, &body, Checksum::default()), &[]), IcmpOther),
        ("code 1", frame4(&message(8, 1, &body, Checksum::default()), &[]), IcmpOther),
        ("redirect", frame4(&message(5, 1, &body, Checksum::default()), &[]), IcmpOther),
        ("wrong checksum", frame4(&[8, 0, 1, 1, 0, 0, 0, 0], &[]), IcmpChecksum),
        ("cut short", frame4(&[8, 0, 0xf7, 0xff, 0, 0, 0], &[]), FrameTruncated),
        ("v6 reply", frame6(REMOTE6, LOCAL6, 64, (129, 0), &body), IcmpOther),
        ("v6 unassigned error", frame6(REMOTE6, LOCAL6, 64, (5, 0), &body), IcmpOther),
        ("v6 to a group", frame6(REMOTE6, ALL_NODES, 64, (128, 0), &body), DestinationAddress),
        ("v6 from a group", frame6(ALL_NODES, LOCAL6, 64, (128, 0), &body), SourceAddress),
    ];
    for (what, frame, expected) in rows {
        assert_eq!(reason(&frame), Some(expected), "{what}");
    }
    let mut broadcast = frame4(&message(8, 0, &body, Checksum::default()), &[]);
    broadcast[..6].fill(0xff);
    assert_eq!(reason(&broadcast), Some(IcmpOther));
}

#[test]
fn echo_replies_need_the_frame_that_was_parsed() {
    let mut frame = frame4(&message(8, 0, &[0; 8], Checksum::default()), &[]);
    let request = echo(&frame);
    for end in 0..18 + 20 + 12 {
        assert_eq!(icmp::echo_reply(&mut frame[..end], &request), None, "{end}");
    }
    let mixed = EchoRequest { remote: REMOTE6.into(), ..request };
    assert_eq!(icmp::echo_reply(&mut frame, &mixed), None);
}

/// Reserved bytes, target, options.
fn solicitation(options: &[u8]) -> Vec<u8> {
    [&[0; 4][..], &LOCAL6, options].concat()
}

fn source_mac() -> Vec<u8> {
    [&[1, 1][..], &THEIRS].concat()
}

#[test]
fn solicitations_and_what_is_wrong_with_others() {
    let body = solicitation(&source_mac());
    let other = Some(IcmpOther);
    let multicast_target = [&[0; 4][..], &ALL_NODES, &source_mac()].concat();
    let rows = [
        ("to the group", frame6(REMOTE6, SOLICITED_NODE, 255, (135, 0), &body), None),
        ("to us", frame6(REMOTE6, LOCAL6, 255, (135, 0), &body), None),
        ("without option", frame6(REMOTE6, LOCAL6, 255, (135, 0), &solicitation(&[])), None),
        ("duplicate detection", frame6([0; 16], SOLICITED_NODE, 255, (135, 0), &solicitation(&[])), None),
        ("from afar", frame6(REMOTE6, LOCAL6, 254, (135, 0), &body), other),
        ("code 1", frame6(REMOTE6, LOCAL6, 255, (135, 1), &body), other),
        ("multicast target", frame6(REMOTE6, LOCAL6, 255, (135, 0), &multicast_target), other),
        ("from the target", frame6(LOCAL6, SOLICITED_NODE, 255, (135, 0), &body), other),
        ("from a group", frame6(ALL_NODES, LOCAL6, 255, (135, 0), &body), other),
        ("option of length 0", frame6(REMOTE6, LOCAL6, 255, (135, 0), &solicitation(&[1, 0, 0, 0])), other),
        (
            "option past the end",
            frame6(REMOTE6, LOCAL6, 255, (135, 0), &solicitation(&[1, 2, 0, 0, 0, 0, 0, 0])),
            other,
        ),
        ("half a target", frame6(REMOTE6, LOCAL6, 255, (135, 0), &body[..12]), other),
        ("detection with MAC", frame6([0; 16], SOLICITED_NODE, 255, (135, 0), &body), other),
        ("detection to all nodes", frame6([0; 16], ALL_NODES, 255, (135, 0), &solicitation(&[])), other),
    ];
    for (what, mut frame, expected) in rows {
        assert_eq!(reason(&frame), expected, "{what}");
        frame[18 + 40 + 2] ^= 1;
        assert_eq!(reason(&frame), Some(IcmpChecksum), "{what}");
    }
}

/// Link destination, IPv6 destination, flags of the advertisement in a frame, checked otherwise.
fn advertised(sender: [u8; 16], options: &[u8]) -> (Mac, [u8; 16], u8) {
    let received = frame6(sender, SOLICITED_NODE, 255, (135, 0), &solicitation(options));
    let Ok(Packet::Neighbour(request)) = parse(&received, &config()) else { panic!("not a solicitation") };
    assert_eq!(request, NeighbourSolicitation { sender, target: LOCAL6, link_len: 18 });
    let mut frame = vec![0; 256];
    frame[..received.len()].copy_from_slice(&received);
    assert_eq!(icmp::advertise(&mut frame[..89], &request, OURS), None);
    let end = icmp::advertise(&mut frame, &request, OURS).unwrap();
    assert_eq!(end, 18 + 40 + 32);
    assert_eq!(frame[6..18], [&OURS[..], &[0x81, 0, 0x60, 7, 0x86, 0xdd]].concat());

    let packet = ipv6::Packet::parse(&frame[18..end]).unwrap();
    assert_eq!((packet.source, packet.hop_limit, packet.protocol), (LOCAL6, 255, ipv6::ICMPV6));
    let pseudo = Checksum::pseudo_v6(&packet.source, &packet.destination, ipv6::ICMPV6, 32);
    assert!(pseudo.add_bytes(packet.upper).is_intact());
    assert_eq!(packet.upper[..2], [136, 0]);
    assert_eq!(packet.upper[8..], [&LOCAL6[..], &[2, 1], &OURS].concat());
    (frame[..6].try_into().unwrap(), packet.destination, packet.upper[4])
}

#[test]
fn advertisements() {
    assert_eq!(advertised(REMOTE6, &source_mac()), (THEIRS, REMOTE6, 0x60));
    assert_eq!(advertised([0; 16], &[]), ([0x33, 0x33, 0, 0, 0, 1], ALL_NODES, 0x20));
}

#[test]
fn who_has() {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &THEIRS, &REMOTE4, &[0; 6], &LOCAL4].concat();
    let mut frame = [link(&TAG, ethernet::ARP), body].concat();
    frame[..6].fill(0xff);
    let Ok(Packet::Arp(request)) = parse(&frame, &config()) else { panic!("not a request") };
    assert_eq!((request.sender, request.target, request.link_len), (REMOTE4, LOCAL4, 18));
    assert_eq!(arp::reply(&mut frame, request.link_len, OURS), Some(18 + 28));
    // Our own reply is nobody's question.
    assert_eq!(parse(&frame, &ParseConfig { mac: Some(THEIRS), ..config() }).err(), Some(ArpOther));
}
