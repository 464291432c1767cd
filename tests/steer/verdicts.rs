//! Every kind of header, with every number of VLAN tags, to every kind of address.

use etherparse::{ArpOperation, EtherType};
use handfast::xdp::Verdict::{self, *};

use crate::frames::*;
use crate::kernel::{Bench, privileged, rules};

const TAGS: [&[u16]; 6] = [&[], &[0x8100], &[0x88a8], &[0x9100], &[0x88a8, 0x8100], &[0x9100, 0x8100]];

/// What, where to, and the verdict.
pub fn table() -> Vec<(&'static str, Packet, Verdict)> {
    [
        ipv4_rows(),
        ipv6_rows(),
        neighbour_rows(),
        error_rows(),
        fragment_rows(),
        extension_rows(),
        malformed_rows(),
        split_rows(),
    ]
    .concat()
}

/// What a driver whose buffers are too small shows: the first piece of a packet as a frame, and
/// beside it the whole packet, shorter ones, and padding behind the packet.
fn split_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let full = |port| [syn(port), vec![0; 1400]].concat();
    let cut = |packet: Packet, len: usize| Packet(packet.0, packet.1[..len].to_vec());
    let padded = |packet: Packet| Packet(packet.0, [packet.1, vec![0; 6]].concat());
    let echo = [echo_request(), vec![0; 1400]].concat();
    vec![
        ("full size", ipv4(OURS4, TCP, &full(80)), SocketTcp),
        ("first piece", cut(ipv4(OURS4, TCP, &full(80)), 1010), DropSplit),
        ("all but an octet", cut(ipv4(OURS4, TCP, &full(80)), 1439), DropSplit),
        ("first piece, port that is not owned", cut(ipv4(OURS4, TCP, &full(22)), 1010), DropSplit),
        ("first piece, shared address", cut(ipv4(SHARED4, TCP, &full(80)), 1010), DropSplit),
        ("first piece for the kernel", cut(ipv4(SHARED4, TCP, &full(22)), 1010), PassPort),
        ("first piece, foreign address", cut(ipv4(FOREIGN4, TCP, &full(80)), 1010), PassNotOwned),
        ("first piece of an echo request", cut(ipv4(OURS4, ICMP, &echo), 1010), DropSplit),
        ("too short to be a buffer", cut(ipv4(OURS4, TCP, &full(80)), 500), SocketTcp),
        ("padding", padded(ipv4(OURS4, TCP, &full(80))), SocketTcp),
        ("full size 6", ipv6(OURS6, TCP, &full(80)), SocketTcp),
        ("first piece 6", cut(ipv6(OURS6, TCP, &full(80)), 1010), DropSplit),
        ("first piece 6 for the kernel", cut(ipv6(SHARED6, TCP, &full(22)), 1010), PassPort),
        (
            "first piece behind an extension",
            cut(ipv6_with(OURS6, &[(60, 8)], TCP, &full(80)), 1010),
            DropSplit,
        ),
    ]
}

fn ipv4_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let router_alert = [148, 4, 0, 0];
    let forty = [1; 40];
    let group = "224.0.0.1".parse().unwrap();
    vec![
        ("owned port", ipv4(OURS4, TCP, &syn(80)), SocketTcp),
        ("last owned port", ipv4(OURS4, TCP, &syn(90)), SocketTcp),
        ("owned port, shared address", ipv4(SHARED4, TCP, &syn(80)), SocketTcp),
        ("owned port, foreign address", ipv4(FOREIGN4, TCP, &syn(80)), PassNotOwned),
        ("port below", ipv4(OURS4, TCP, &syn(79)), SocketPort),
        ("port above", ipv4(OURS4, TCP, &syn(91)), SocketPort),
        ("port 0", ipv4(OURS4, TCP, &syn(0)), SocketPort),
        ("port 65535", ipv4(OURS4, TCP, &syn(65535)), SocketPort),
        ("other port, shared address", ipv4(SHARED4, TCP, &syn(22)), PassPort),
        ("one option", ipv4_with(OURS4, TCP, &router_alert, 0, &syn(80)), SocketTcp),
        ("40 octets of options", ipv4_with(OURS4, TCP, &forty, 0, &syn(80)), SocketTcp),
        ("options, shared address", ipv4_with(SHARED4, TCP, &forty, 0, &syn(22)), PassPort),
        ("DF set", ipv4_with(OURS4, TCP, &[], 0x4000, &syn(80)), SocketTcp),
        ("UDP", ipv4(OURS4, UDP, &udp(80)), PassProtocol),
        ("UDP, shared address", ipv4(SHARED4, UDP, &udp(80)), PassProtocol),
        ("echo request", ipv4(OURS4, ICMP, &echo_request()), SocketEcho),
        ("echo request with options", ipv4_with(OURS4, ICMP, &forty, 0, &echo_request()), SocketEcho),
        ("echo request, shared address", ipv4(SHARED4, ICMP, &echo_request()), PassProtocol),
        ("echo request, foreign address", ipv4(FOREIGN4, ICMP, &echo_request()), PassNotOwned),
        ("echo reply", ipv4(OURS4, ICMP, &icmp_type(0)), PassProtocol),
        ("ICMP redirect", ipv4(OURS4, ICMP, &icmp_type(5)), PassProtocol),
        ("a group", ipv4(group, TCP, &syn(80)), PassNotOwned),
        ("no IP", Packet(EtherType(0x88cc), vec![0; 46]), PassOther),
    ]
}

fn ipv6_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let mapped = OURS4.to_ipv6_mapped();
    vec![
        ("owned port 6", ipv6(OURS6, TCP, &syn(80)), SocketTcp),
        ("owned port, shared address 6", ipv6(SHARED6, TCP, &syn(90)), SocketTcp),
        ("owned port, foreign address 6", ipv6(FOREIGN6, TCP, &syn(80)), PassNotOwned),
        ("other port 6", ipv6(OURS6, TCP, &syn(22)), SocketPort),
        ("other port, shared address 6", ipv6(SHARED6, TCP, &syn(22)), PassPort),
        ("an IPv4 rule covers no mapped address", ipv6(mapped, TCP, &syn(80)), PassNotOwned),
        ("UDP 6", ipv6(OURS6, UDP, &udp(80)), PassProtocol),
        ("no next header", ipv6(OURS6, 59, &[]), PassProtocol),
        ("echo request 6", ipv6(OURS6, ICMPV6, &icmp_type(128)), SocketEcho),
        ("echo request, shared address 6", ipv6(SHARED6, ICMPV6, &icmp_type(128)), PassProtocol),
        ("echo reply 6", ipv6(OURS6, ICMPV6, &icmp_type(129)), PassProtocol),
        ("an error of an unknown kind", ipv6(OURS6, ICMPV6, &icmp_type(5)), PassProtocol),
        ("a group 6", ipv6(solicited_node(OURS6), TCP, &syn(80)), PassNotOwned),
    ]
}

/// ICMP errors, by the packet that they quote.
fn error_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let about4 = |to, from, port| ipv4(to, ICMP, &icmp_error(3, from, port, &[], TCP));
    let about6 = |to, from, port| ipv6(to, ICMPV6, &icmpv6_error(1, from, port, TCP));
    let kind4 = |number| ipv4(OURS4, ICMP, &icmp_error(number, OURS4, 80, &[], TCP));
    let kind6 = |number| ipv6(OURS6, ICMPV6, &icmpv6_error(number, OURS6, 80, TCP));
    let later_fragment = {
        let mut message = icmp_error(3, OURS4, 80, &[], TCP);
        message[15] = 1;
        ipv4(OURS4, ICMP, &message)
    };
    vec![
        ("unreachable", about4(OURS4, OURS4, 80), SocketError),
        ("unreachable, last port", about4(OURS4, OURS4, 90), SocketError),
        ("unreachable, port not owned", about4(OURS4, OURS4, 91), PassProtocol),
        ("unreachable, shared address", about4(SHARED4, SHARED4, 80), SocketError),
        ("unreachable, the kernel's port", about4(SHARED4, SHARED4, 22), PassProtocol),
        ("unreachable, quotes a foreign address", about4(OURS4, FOREIGN4, 80), PassProtocol),
        ("unreachable, foreign address", about4(FOREIGN4, OURS4, 80), PassNotOwned),
        (
            "unreachable, quotes options",
            ipv4(OURS4, ICMP, &icmp_error(3, OURS4, 80, &[1; 8], TCP)),
            PassProtocol,
        ),
        ("unreachable, quotes UDP", ipv4(OURS4, ICMP, &icmp_error(3, OURS4, 80, &[], UDP)), PassProtocol),
        ("unreachable, quotes a later fragment", later_fragment, PassProtocol),
        ("unreachable, quotes nothing", ipv4(OURS4, ICMP, &icmp_type(3)), DropTruncated),
        ("time exceeded", kind4(11), SocketError),
        ("parameter problem", kind4(12), SocketError),
        ("source quench", kind4(4), PassProtocol),
        ("unreachable 6", about6(OURS6, OURS6, 80), SocketError),
        ("unreachable, port not owned 6", about6(OURS6, OURS6, 91), PassProtocol),
        ("unreachable, shared address 6", about6(SHARED6, SHARED6, 80), SocketError),
        ("unreachable, the kernel's port 6", about6(SHARED6, SHARED6, 22), PassProtocol),
        ("unreachable, quotes a foreign address 6", about6(OURS6, FOREIGN6, 80), PassProtocol),
        ("unreachable, quotes UDP 6", ipv6(OURS6, ICMPV6, &icmpv6_error(1, OURS6, 80, UDP)), PassProtocol),
        ("unreachable, quotes nothing 6", ipv6(OURS6, ICMPV6, &icmp_type(1)), DropTruncated),
        ("packet too big", kind6(2), SocketError),
        ("time exceeded 6", kind6(3), SocketError),
        ("parameter problem 6", kind6(4), SocketError),
        ("type 0 6", kind6(0), PassProtocol),
    ]
}

fn neighbour_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let solicit = |target| neighbour(135, target);
    let mut other_hardware = arp(ArpOperation::REQUEST, OURS4);
    other_hardware.1[1] = 6;
    vec![
        ("ARP request", arp(ArpOperation::REQUEST, OURS4), SocketArp),
        ("ARP reply", arp(ArpOperation::REPLY, OURS4), SocketArp),
        ("ARP, shared address", arp(ArpOperation::REQUEST, SHARED4), PassNotOwned),
        ("ARP, foreign address", arp(ArpOperation::REQUEST, FOREIGN4), PassNotOwned),
        ("ARP of other hardware", other_hardware, PassOther),
        ("solicitation to the group", ipv6(solicited_node(OURS6), ICMPV6, &solicit(OURS6)), SocketNeighbour),
        ("solicitation to the address", ipv6(OURS6, ICMPV6, &solicit(OURS6)), SocketNeighbour),
        (
            "solicitation, shared address",
            ipv6(solicited_node(SHARED6), ICMPV6, &solicit(SHARED6)),
            PassNotOwned,
        ),
        (
            "solicitation, foreign address",
            ipv6(solicited_node(OURS6), ICMPV6, &solicit(FOREIGN6)),
            PassNotOwned,
        ),
        ("advertisement to us", ipv6(OURS6, ICMPV6, &neighbour(136, FOREIGN6)), SocketNeighbour),
        ("advertisement, shared address", ipv6(SHARED6, ICMPV6, &neighbour(136, FOREIGN6)), PassProtocol),
        (
            "advertisement to a group",
            ipv6(solicited_node(OURS6), ICMPV6, &neighbour(136, OURS6)),
            PassNotOwned,
        ),
    ]
}

fn fragment_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let fragment4 = |to, protocol, fragment| ipv4_with(to, protocol, &[], fragment, &syn(80));
    let fragment6 = |to, protocol, fragment| ipv6_fragment(to, fragment, protocol, &syn(80));
    vec![
        ("first fragment", fragment4(OURS4, TCP, 0x2000), DropFragment),
        ("middle fragment", fragment4(OURS4, TCP, 0x2003), DropFragment),
        ("last fragment", fragment4(OURS4, TCP, 0x0003), DropFragment),
        ("furthest fragment", fragment4(OURS4, TCP, 0x1fff), DropFragment),
        ("fragment, shared address", fragment4(SHARED4, TCP, 0x2000), DropFragment),
        ("fragment, foreign address", fragment4(FOREIGN4, TCP, 0x2000), PassNotOwned),
        ("UDP fragment", fragment4(OURS4, UDP, 0x2000), PassFragment),
        ("ICMP fragment, shared address", fragment4(SHARED4, ICMP, 0x0003), PassFragment),
        ("first fragment 6", fragment6(OURS6, TCP, 1), DropFragment),
        ("middle fragment 6", fragment6(OURS6, TCP, 9), DropFragment),
        ("last fragment 6", fragment6(OURS6, TCP, 8), DropFragment),
        ("atomic fragment 6", fragment6(OURS6, TCP, 0), DropFragment),
        ("fragment, shared address 6", fragment6(SHARED6, TCP, 1), DropFragment),
        ("fragment, foreign address 6", fragment6(FOREIGN6, TCP, 1), PassNotOwned),
        ("UDP fragment 6", fragment6(OURS6, UDP, 1), PassFragment),
        ("fragmented extension", fragment6(OURS6, 60, 1), DropExtension),
        ("fragment behind an extension", ipv6_with(OURS6, &[(60, 8), (44, 8)], TCP, &syn(80)), DropFragment),
    ]
}

fn extension_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let chain = |extensions: &[(u8, usize)]| ipv6_with(OURS6, extensions, TCP, &syn(80));
    let mut rows = vec![
        ("hop-by-hop", chain(&[(0, 8)]), SocketTcp),
        ("routing", chain(&[(43, 24)]), SocketTcp),
        ("destination options", chain(&[(60, 16)]), SocketTcp),
        ("the longest extension", chain(&[(60, 2048)]), SocketTcp),
        ("all three kinds", chain(&[(0, 8), (60, 8), (43, 24), (60, 8)]), SocketTcp),
        ("six extensions", chain(&[(0, 8), (60, 16), (60, 8), (43, 8), (60, 24), (60, 8)]), SocketTcp),
        ("seven extensions", chain(&[(60, 8); 7]), DropExtension),
        ("sixty extensions", chain(&[(60, 8); 60]), DropExtension),
        ("hop-by-hop, not first", chain(&[(60, 8), (0, 8)]), DropExtension),
        ("hop-by-hop twice", chain(&[(0, 8), (0, 8)]), DropExtension),
        ("echo behind an extension", ipv6_with(OURS6, &[(60, 8)], ICMPV6, &icmp_type(128)), SocketEcho),
        ("UDP behind an extension", ipv6_with(OURS6, &[(60, 8)], UDP, &udp(80)), PassProtocol),
        ("other port behind an extension", ipv6_with(OURS6, &[(60, 8)], TCP, &syn(22)), SocketPort),
        ("shared, behind an extension", ipv6_with(SHARED6, &[(60, 8)], TCP, &syn(22)), PassPort),
        ("unknown, shared", ipv6_with(SHARED6, &[(253, 8)], TCP, &syn(80)), DropExtension),
        ("unknown, foreign", ipv6_with(FOREIGN6, &[(253, 8)], TCP, &syn(80)), PassNotOwned),
    ];
    for number in [50, 51, 135, 139, 140, 253, 254] {
        rows.push(("unknown extension", chain(&[(number, 8)]), DropExtension));
        rows.push(("unknown behind a known one", chain(&[(60, 8), (number, 8)]), DropExtension));
    }
    rows
}

fn malformed_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let patched = |mut packet: Packet, octet: usize, value: u8| {
        packet.1[octet] = value;
        packet
    };
    let past_the_end = patched(ipv6_with(OURS6, &[(60, 8)], TCP, &syn(80)), 41, 255);
    vec![
        ("IHL 4", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x44), DropHeader),
        ("IHL 0", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x40), DropHeader),
        ("IHL 4, shared address", patched(ipv4(SHARED4, TCP, &syn(80)), 0, 0x44), DropHeader),
        ("IHL past the end", patched(ipv4(OURS4, TCP, &[]), 0, 0x4f), DropTruncated),
        ("IPv4 that says 6", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x65), PassOther),
        ("IPv6 that says 4", patched(ipv6(OURS6, TCP, &syn(80)), 0, 0x40), PassOther),
        ("extension past the end", past_the_end, DropTruncated),
    ]
}

#[test]
fn every_header_with_every_number_of_tags() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for (name, packet, expected) in table() {
        for tags in TAGS {
            assert_eq!(bench.verdict(&packet.tagged(tags)), expected, "{name}, tags {tags:x?}");
        }
    }
}

#[test]
fn a_third_tag_is_left_to_the_kernel() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    let frame = ipv4(OURS4, TCP, &syn(80)).tagged(&[0x88a8, 0x8100, 0x8100]);
    assert_eq!(bench.verdict(&frame), PassOther);
}

/// Without a socket ours is dropped: the kernel would answer a SYN with a reset.
#[test]
fn a_queue_without_a_socket_drops_what_is_ours() {
    if !privileged() {
        return;
    }
    let bench = Bench::without_socket(&rules(RULES), &LOCAL);
    for (name, packet, with_socket) in table() {
        let expected = if with_socket.is_socket() { DropNoSocket } else { with_socket };
        assert_eq!(bench.verdict(&packet.frame()), expected, "{name}");
    }
}

#[test]
fn a_rule_for_everything_leaves_groups_to_the_kernel() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(["0.0.0.0/0:1-65535", "[::]/0:1-65535"]), &LOCAL);
    for (packet, expected) in [
        (ipv4(FOREIGN4, TCP, &syn(1)), SocketTcp),
        (ipv4(SHARED4, TCP, &syn(65535)), SocketTcp),
        (ipv4(FOREIGN4, TCP, &syn(0)), SocketPort),
        (ipv4("239.255.255.255".parse().unwrap(), TCP, &syn(1)), PassNotOwned),
        (ipv6(FOREIGN6, TCP, &syn(1)), SocketTcp),
        (ipv6("ff02::1".parse().unwrap(), TCP, &syn(1)), PassNotOwned),
        (ipv6("ff02::1".parse().unwrap(), ICMPV6, &icmp_type(134)), PassNotOwned),
    ] {
        assert_eq!(bench.verdict(&packet.frame()), expected);
    }
}
