//! What is not TCP is refused by ICMP, and what no error may answer is not (RFC 1122 3.2.2, RFC 4443
//! 2.4).

use handfast_stack::observe::DropReason::{self, *};
use handfast_stack::service::Service;
use proptest::prelude::*;

use crate::client::{Lab, SERVER_MAC, SERVER4};
use crate::datagrams::*;

/// Protocols that are neither TCP, ICMP nor IGMP.
const OTHERS4: [u8; 9] = [0, 4, 41, 47, 50, 51, 58, 132, 255];
/// Next headers that are neither TCP, ICMPv6, extension headers nor none (59).
const OTHERS6: [u8; 7] = [1, 2, 4, 41, 47, 132, 255];
/// Bytes of the longest errors: RFC 1812 4.3.2.3, RFC 4443 2.4 (c).
const MAX_LEN: [usize; 2] = [576, 1280];
/// Bytes in front of the quoted packet.
const HEADERS: [usize; 2] = [28, 48];

const PADDING: &[u8] = &[0, 0, 1, 4, 0, 0, 0, 0];
const LONG_PADDING: &[u8] = &[0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const ROUTING: &[u8] = &[0, 0, 4, 0, 0, 0, 0, 0];

fn lab() -> Lab {
    Lab::new(Service::Discard)
}

/// Byte for byte: headers of our own, then the packet as it came, without padding.
#[track_caller]
fn refused(lab: &mut Lab, packet: &Packet, kind: (u8, u8), pointer: u32) {
    let family = usize::from(packet.ethertype == 0x86dd);
    for tags in [&[][..], &[[0x81, 0, 0x60, 7]], &[[0x88, 0xa8, 0, 5], [0x81, 0, 0, 6]]] {
        let answer = answer_to(lab, &packet.frame_to(SERVER_MAC, tags));
        let answer = icmp_answer(&answer.unwrap_or_else(|| panic!("no answer to {packet:02x?}")));
        let quoted = packet.bytes.len().min(MAX_LEN[family] - HEADERS[family]);
        let expected = IcmpAnswer {
            kind,
            pointer,
            quoted: packet.bytes[..quoted].to_vec(),
            len: quoted + HEADERS[family],
            tags: tags.concat(),
        };
        assert_eq!(answer, expected);
    }
}

#[test]
fn a_datagram_finds_its_port_unreachable() {
    let mut lab = lab();
    for protocol in [UDP, UDP_LITE] {
        for data in [0, 1, 4, 500, 520, 521, 1200, 1472] {
            refused(&mut lab, &ipv4(protocol, &datagram(data)), (3, 3), 0);
        }
        for data in [0, 1, 4, 500, 1184, 1185, 1452] {
            refused(&mut lab, &ipv6(protocol, &datagram(data)), (1, 4), 0);
        }
    }
    let sent = 2 * 3 * (8 + 7);
    assert_eq!(lab.sim.counters(0).icmp_unreachables_sent.value(), sent);
    assert_eq!(lab.sim.counters(0).frames_out.value(), sent);
    lab.assert_dropped(&[]);
    lab.over();
}

#[test]
fn another_protocol_is_unreachable() {
    let mut lab = lab();
    for protocol in OTHERS4 {
        refused(&mut lab, &ipv4(protocol, &[]), (3, 2), 0);
        refused(&mut lab, &ipv4(protocol, &[7; 1480]), (3, 2), 0);
    }
    for protocol in OTHERS6 {
        refused(&mut lab, &ipv6(protocol, &[]), (4, 1), 6);
        refused(&mut lab, &ipv6(protocol, &[7; 1460]), (4, 1), 6);
    }
    lab.assert_dropped(&[]);
    lab.over();
}

/// IPv4 options are part of what is quoted; the pointer of a parameter problem leads to the last
/// extension header, also beyond what is quoted.
#[test]
fn options_and_extensions_are_quoted() {
    let mut lab = lab();
    let router_alert = [148, 4, 0, 0];
    for options in [&router_alert[..], &[1; 40]] {
        refused(&mut lab, &ipv4_from(CLIENT4, UDP, options, &datagram(900)), (3, 3), 0);
        refused(&mut lab, &ipv4_from(CLIENT4, 47, options, &[1; 3]), (3, 2), 0);
    }
    let far = [&[0, 159, 1, 254][..], &[0; 254], &[1, 254], &[0; 254], &[1, 254], &[0; 254]];
    let mut far = far.concat();
    far.extend([&[1, 254][..], &[0; 254], &[1, 248], &[0; 248]].concat());
    far.resize(1280, 0);
    type Extensions<'a> = &'a [(u8, &'a [u8])];
    let chains: [(Extensions<'_>, u32); 5] = [
        (&[(0, PADDING)], 40),
        (&[(60, LONG_PADDING)], 40),
        (&[(0, PADDING), (60, LONG_PADDING)], 48),
        (&[(0, PADDING), (60, LONG_PADDING), (43, ROUTING), (60, PADDING)], 72),
        (&[(60, &far), (43, ROUTING)], 1320),
    ];
    for (extensions, pointer) in chains {
        refused(&mut lab, &ipv6_from(CLIENT6, extensions, 47, &[1; 50]), (4, 1), pointer);
        refused(&mut lab, &ipv6_from(CLIENT6, extensions, UDP, &datagram(50)), (1, 4), 0);
    }
    lab.assert_dropped(&[]);
    lab.over();
}

#[test]
fn what_no_error_may_answer() {
    let v4 = |source| ipv4_from(source, UDP, &[], &datagram(4)).frame();
    let v6 = |source: &str| {
        let source: std::net::Ipv6Addr = source.parse().unwrap();
        ipv6_from(source.octets(), &[], UDP, &datagram(4)).frame()
    };
    let group = |packet: Packet, mac| packet.frame_to(mac, &[]);
    let (mut first, mut later) = (ipv4(UDP, &datagram(4)), ipv4(UDP, &datagram(4)));
    for (packet, fragment) in [(&mut first, [0x20, 0]), (&mut later, [0, 9])] {
        packet.bytes[6..8].copy_from_slice(&fragment);
        packet.bytes[10..12].fill(0);
        let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&packet.bytes[..20]);
        packet.bytes[10..12].copy_from_slice(&sum.ones_complement().to_ne_bytes());
    }
    let fragment6 = |offset| ipv6_from(CLIENT6, &[(44, &[0, 0, 0, offset, 0, 0, 0, 1])], UDP, &datagram(4));
    let quoted = ipv4(UDP, &datagram(0)).bytes;
    let rows: Vec<(&str, Vec<u8>, DropReason)> = vec![
        ("a broadcast frame", group(ipv4(UDP, &datagram(4)), [0xff; 6]), LinkGroup),
        ("a multicast frame", group(ipv4(47, &[0; 9]), [1, 0, 0x5e, 0, 0, 1]), LinkGroup),
        ("a multicast frame 6", group(ipv6(UDP, &datagram(4)), [0x33, 0x33, 0, 0, 0, 1]), LinkGroup),
        ("from 0.0.0.0", v4([0; 4]), SourceAddress),
        ("from a group", v4([224, 0, 0, 1]), SourceAddress),
        ("from loopback", v4([127, 0, 0, 1]), SourceAddress),
        ("from class E", v4([240, 0, 0, 1]), SourceAddress),
        ("from the broadcast address", v4([255; 4]), SourceAddress),
        ("from a network's broadcast address", v4([192, 0, 2, 255]), SourceAddress),
        ("from the destination", v4(SERVER4), SourceAddress),
        ("from a group 6", v6("ff02::1"), SourceAddress),
        ("from ::", v6("::"), SourceAddress),
        ("from ::1", v6("::1"), SourceAddress),
        ("first fragment", first.frame(), IpFragment),
        ("later fragment", later.frame(), IpFragment),
        ("first fragment 6", fragment6(1).frame(), IpFragment),
        ("later fragment 6", fragment6(9).frame(), IpFragment),
        (
            "source route",
            ipv4_from(CLIENT4, UDP, &[131, 7, 4, 1, 2, 3, 4, 0], &[0; 8]).frame(),
            IpSourceRoute,
        ),
        ("IGMP", ipv4(2, &[0x11, 0, 0xee, 0xff, 0, 0, 0, 0]).frame(), NotForUs),
        ("no next header", ipv6(59, &[1; 9]).frame(), NotForUs),
        ("ESP 6", ipv6(50, &[1; 9]).frame(), IpExtension),
        ("half a datagram", ipv4(UDP, &[0; 7]).frame(), FrameTruncated),
        ("half a datagram 6", ipv6(UDP_LITE, &[0; 7]).frame(), FrameTruncated),
        ("an echo reply", ipv4(1, &icmp(0, 0, &[])).frame(), IcmpOther),
        ("a redirect", ipv4(1, &icmp(5, 1, &quoted)).frame(), IcmpOther),
        ("a port unreachable", ipv4(1, &icmp(3, 3, &quoted)).frame(), IcmpForeign),
    ];
    for (what, frame, reason) in rows {
        let mut lab = Lab::with(Service::Discard, |setup| {
            setup.policy.subnets = vec!["192.0.2.0/24".parse().unwrap()];
        });
        assert_eq!(answer_to(&mut lab, &frame), None, "{what}");
        lab.assert_dropped(&[(reason, 1)]);
        lab.over();
    }
}

#[test]
fn only_owned_addresses_refuse() {
    let mut lab = lab();
    let mut packet = ipv4(UDP, &datagram(4));
    packet.bytes[19] = 2;
    packet.bytes[11] -= 1;
    assert_eq!(answer_to(&mut lab, &packet.frame()), None);
    let mut packet = ipv6(UDP, &datagram(4));
    packet.bytes[39] = 2;
    assert_eq!(answer_to(&mut lab, &packet.frame()), None);
    lab.assert_dropped(&[(NotForUs, 2)]);
}

/// With pings, so that what is not TCP costs no more than `--icmp-rate` answers.
#[test]
fn refusals_are_limited() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.icmp_rate = 40);
    let packets = [ipv4(UDP, &datagram(4)), ipv6(UDP, &datagram(4)), ipv4(47, &[]), ipv6(47, &[])];
    let answered = (0..100).filter(|turn| answer_to(&mut lab, &packets[turn % 4].frame()).is_some()).count();
    // Two senders, and a burst of a second's worth, of which a part is kept for pings.
    assert!((10..=40).contains(&answered), "{answered}");
    lab.assert_dropped(&[(IcmpLimited, 100 - answered as u64)]);
    lab.over();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// No error is about an ICMP error, whatever its kind, and whatever it quotes.
    #[test]
    fn errors_draw_no_errors(v6: bool, kind: u8, code: u8, body in prop::collection::vec(any::<u8>(), 0..1400)) {
        let mut lab = lab();
        let kind = if v6 { kind & 0x7f } else { [3, 4, 5, 11, 12][usize::from(kind) % 5] };
        let packet = match v6 {
            false => ipv4(1, &icmp(kind, code, &body)),
            true => ipv6(58, &icmpv6(CLIENT6, kind, code, &body)),
        };
        prop_assert_eq!(answer_to(&mut lab, &packet.frame()), None);
    }

    /// Whatever comes in a sound packet: at most one answer, sound itself, never longer than its
    /// bound, about that packet.
    #[test]
    fn errors_keep_their_bounds(
        protocol: u8,
        options in prop::sample::select(vec![0usize, 4, 40]),
        body in prop::collection::vec(any::<u8>(), 0..1440),
    ) {
        let mut lab = lab();
        for (family, packet) in
            [ipv4_from(CLIENT4, protocol, &vec![1; options], &body), ipv6(protocol, &body)].into_iter().enumerate()
        {
            let is_icmp_or_tcp = [1, 6, 58].contains(&protocol);
            if let Some(frame) = answer_to(&mut lab, &packet.frame())
                && !is_icmp_or_tcp
            {
                let answer = icmp_answer(&frame);
                prop_assert!(answer.len <= MAX_LEN[family]);
                prop_assert!(packet.bytes.starts_with(&answer.quoted));
                prop_assert!(answer.quoted.len() >= packet.bytes.len().min(MAX_LEN[family] - HEADERS[family]));
            }
        }
    }
}
