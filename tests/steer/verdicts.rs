//! Every kind of header, with every number of VLAN tags, to every kind of address.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{ArpOperation, EtherType};
use handfast_stack::xdp::Verdict::{self, *};

use crate::frames::*;
use crate::kernel::{Bench, privileged, rules};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const TAGS: [&[u16]; 6] = [&[], &[0x8100], &[0x88a8], &[0x9100], &[0x88a8, 0x8100], &[0x9100, 0x8100]];

/// What, where to, and the verdict.
pub fn table() -> Vec<(&'static str, Packet, Verdict)> {
    [
        ipv4_rows(),
        ipv6_rows(),
        neighbour_rows(),
        conflict_rows(),
        error_rows(),
        fragment_rows(),
        extension_rows(),
        malformed_rows(),
        split_rows(),
    ]
    .concat()
}

/// Frames of a driver whose buffers are too small: the first piece of a packet as a frame; and for
/// comparison the whole packet, shorter ones, and padding after the packet.
fn split_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let full = |port| [syn(port), vec![0; 1400]].concat();
    let cut = |packet: Packet, len: usize| Packet(packet.0, packet.1[..len].to_vec());
    let padded = |packet: Packet| Packet(packet.0, [packet.1, vec![0; 6]].concat());
    let echo = [echo_request(), vec![0; 1400]].concat();
    vec![
        ("full size", ipv4(OURS4, TCP, &full(80)), SocketTcp),
        ("first piece", cut(ipv4(OURS4, TCP, &full(80)), 1010), DropSplit),
        ("all but a byte", cut(ipv4(OURS4, TCP, &full(80)), 1439), DropSplit),
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
            "first piece after an extension",
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
        ("40 bytes of options", ipv4_with(OURS4, TCP, &forty, 0, &syn(80)), SocketTcp),
        ("options, shared address", ipv4_with(SHARED4, TCP, &forty, 0, &syn(22)), PassPort),
        ("DF set", ipv4_with(OURS4, TCP, &[], 0x4000, &syn(80)), SocketTcp),
        ("UDP", ipv4(OURS4, UDP, &udp(80)), SocketProtocol),
        ("UDP, shared address", ipv4(SHARED4, UDP, &udp(80)), PassProtocol),
        ("echo request", ipv4(OURS4, ICMP, &echo_request()), SocketEcho),
        ("echo request with options", ipv4_with(OURS4, ICMP, &forty, 0, &echo_request()), SocketEcho),
        ("echo request, shared address", ipv4(SHARED4, ICMP, &echo_request()), PassProtocol),
        ("echo request, foreign address", ipv4(FOREIGN4, ICMP, &echo_request()), PassNotOwned),
        ("echo reply", ipv4(OURS4, ICMP, &icmp_type(0)), DropProtocol),
        ("ICMP redirect", ipv4(OURS4, ICMP, &icmp_type(5)), DropProtocol),
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
        ("UDP 6", ipv6(OURS6, UDP, &udp(80)), SocketProtocol),
        ("echo request 6", ipv6(OURS6, ICMPV6, &icmp_type(128)), SocketEcho),
        ("echo request, shared address 6", ipv6(SHARED6, ICMPV6, &icmp_type(128)), PassProtocol),
        ("echo reply 6", ipv6(OURS6, ICMPV6, &icmp_type(129)), DropProtocol),
        ("an error of an unknown kind", ipv6(OURS6, ICMPV6, &icmp_type(5)), DropProtocol),
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
        ("unreachable, port not owned", about4(OURS4, OURS4, 91), DropProtocol),
        ("unreachable, shared address", about4(SHARED4, SHARED4, 80), SocketError),
        ("unreachable, the kernel's port", about4(SHARED4, SHARED4, 22), PassProtocol),
        ("unreachable, quotes a foreign address", about4(OURS4, FOREIGN4, 80), DropProtocol),
        ("unreachable, foreign address", about4(FOREIGN4, OURS4, 80), PassNotOwned),
        (
            "unreachable, quotes options",
            ipv4(OURS4, ICMP, &icmp_error(3, OURS4, 80, &[1; 8], TCP)),
            DropProtocol,
        ),
        ("unreachable, quotes UDP", ipv4(OURS4, ICMP, &icmp_error(3, OURS4, 80, &[], UDP)), DropProtocol),
        ("unreachable, quotes a later fragment", later_fragment, DropProtocol),
        ("unreachable, quotes nothing", ipv4(OURS4, ICMP, &icmp_type(3)), DropTruncated),
        ("time exceeded", kind4(11), SocketError),
        ("parameter problem", kind4(12), SocketError),
        ("source quench", kind4(4), DropProtocol),
        ("unreachable 6", about6(OURS6, OURS6, 80), SocketError),
        ("unreachable, port not owned 6", about6(OURS6, OURS6, 91), DropProtocol),
        ("unreachable, shared address 6", about6(SHARED6, SHARED6, 80), SocketError),
        ("unreachable, the kernel's port 6", about6(SHARED6, SHARED6, 22), PassProtocol),
        ("unreachable, quotes a foreign address 6", about6(OURS6, FOREIGN6, 80), DropProtocol),
        ("unreachable, quotes UDP 6", ipv6(OURS6, ICMPV6, &icmpv6_error(1, OURS6, 80, UDP)), DropProtocol),
        ("unreachable, quotes nothing 6", ipv6(OURS6, ICMPV6, &icmp_type(1)), DropTruncated),
        ("packet too big", kind6(2), SocketError),
        ("time exceeded 6", kind6(3), SocketError),
        ("parameter problem 6", kind6(4), SocketError),
        ("type 0 6", kind6(0), DropProtocol),
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
        ("solicitation to us, foreign target", ipv6(OURS6, ICMPV6, &solicit(FOREIGN6)), DropProtocol),
        ("solicitation to the host", ipv6(SHARED6, ICMPV6, &solicit(SHARED6)), PassNotOwned),
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
        ("advertisement, foreign address", ipv6(FOREIGN6, ICMPV6, &neighbour(136, FOREIGN6)), PassNotOwned),
    ]
}

/// Nothing of an exclusive address is for the kernel. A shared address keeps its fragments, but not
/// the one that names an owned port: the kernel would reset the reassembled segment.
/// Another host claims an exclusive address (RFC 5227 2.4).
fn conflict_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let other = Ipv4Addr::new(10, 0, 0, 8);
    let ask = |sender, target| arp_from(ArpOperation::REQUEST, sender, target);
    let advertise = |to| ipv6(to, ICMPV6, &neighbour(136, OURS6));
    let mut from_afar = advertise(ALL_NODES);
    from_afar.1[7] = 254;
    vec![
        ("announcement", ask(OURS4, OURS4), PassConflict),
        ("gratuitous reply", arp_from(ArpOperation::REPLY, OURS4, OURS4), PassConflict),
        ("ARP reply to the kernel", arp_from(ArpOperation::REPLY, OURS4, SHARED4), PassConflict),
        ("who claims asks for the kernel's", ask(OURS4, SHARED4), PassConflict),
        ("who claims asks for a foreign one", ask(OURS4, FOREIGN4), PassConflict),
        ("who claims asks for another of ours", ask(OURS4, other), SocketArp),
        ("announcement of a shared address", ask(SHARED4, SHARED4), PassNotOwned),
        ("announcement of a foreign address", ask(FOREIGN4, FOREIGN4), PassNotOwned),
        ("probe", ask(Ipv4Addr::UNSPECIFIED, OURS4), SocketArp),
        ("advertisement to all nodes", advertise(ALL_NODES), PassConflict),
        ("advertisement to a group", advertise(solicited_node(OURS6)), PassConflict),
        ("advertisement to one of ours", advertise(OURS6), PassConflict),
        ("advertisement to the kernel", advertise(SHARED6), PassConflict),
        ("advertisement to a foreign address", advertise(FOREIGN6), PassConflict),
        ("advertisement through a router", from_afar, PassNotOwned),
        ("advertisement, cut", ipv6(ALL_NODES, ICMPV6, &neighbour(136, OURS6)[..20]), PassShort),
        ("of a shared address", ipv6(ALL_NODES, ICMPV6, &neighbour(136, SHARED6)), PassNotOwned),
    ]
}

#[test]
fn claims_are_remembered_with_their_mac() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for (_, packet, _) in table() {
        bench.verdict(&packet.frame());
    }
    let mut claims = bench.program.claims();
    claims.sort_by_key(|(claim, _)| *claim);
    let claims: Vec<_> = claims.iter().map(|(claim, frames)| (claim.address, claim.mac, *frames)).collect();
    let conflicts = conflict_rows();
    let named = |v6: bool| {
        let of = |(name, packet, verdict): &&(&str, Packet, Verdict)| {
            (*verdict == PassConflict || name.contains("another of ours"))
                && (packet.0 == EtherType::IPV6) == v6
        };
        conflicts.iter().filter(of).count() as u64
    };
    assert_eq!(claims, [(OURS4.into(), SENDER_MAC, named(false)), (OURS6.into(), SENDER_MAC, named(true))]);
}

fn fragment_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let fragment4 = |to, protocol, fragment| ipv4_with(to, protocol, &[], fragment, &syn(80));
    let fragment6 = |to, protocol, fragment| ipv6_fragment(to, fragment, protocol, &syn(80));
    let port4 = |to, port| ipv4_with(to, TCP, &[1; 40], 0x2000, &syn(port));
    let port6 = |to, port| ipv6_fragment(to, 1, TCP, &syn(port));
    vec![
        ("first fragment", fragment4(OURS4, TCP, 0x2000), DropFragment),
        ("middle fragment", fragment4(OURS4, TCP, 0x2003), DropFragment),
        ("last fragment", fragment4(OURS4, TCP, 0x0003), DropFragment),
        ("furthest fragment", fragment4(OURS4, TCP, 0x1fff), DropFragment),
        ("UDP fragment", fragment4(OURS4, UDP, 0x2000), DropFragment),
        ("last UDP fragment", fragment4(OURS4, UDP, 0x0003), DropFragment),
        ("ICMP fragment", fragment4(OURS4, ICMP, 0x2000), DropFragment),
        ("fragment, foreign address", fragment4(FOREIGN4, TCP, 0x2000), PassNotOwned),
        ("first fragment, shared", fragment4(SHARED4, TCP, 0x2000), DropFragment),
        ("first fragment with options, shared", port4(SHARED4, 90), DropFragment),
        ("first fragment, the kernel's port", port4(SHARED4, 91), PassFragment),
        ("middle fragment, shared", fragment4(SHARED4, TCP, 0x2003), PassFragment),
        ("last fragment, shared", fragment4(SHARED4, TCP, 0x0003), PassFragment),
        ("first fragment without ports, shared", ipv4_with(SHARED4, TCP, &[], 0x2000, &[0]), DropTruncated),
        ("UDP fragment, shared", fragment4(SHARED4, UDP, 0x2000), PassFragment),
        ("ICMP fragment, shared", fragment4(SHARED4, ICMP, 0x0003), PassFragment),
        ("first fragment 6", fragment6(OURS6, TCP, 1), DropFragment),
        ("middle fragment 6", fragment6(OURS6, TCP, 9), DropFragment),
        ("last fragment 6", fragment6(OURS6, TCP, 8), DropFragment),
        ("atomic fragment 6", fragment6(OURS6, TCP, 0), DropFragment),
        ("UDP fragment 6", fragment6(OURS6, UDP, 1), DropFragment),
        ("ICMPv6 fragment", fragment6(OURS6, ICMPV6, 8), DropFragment),
        ("fragmented extension", fragment6(OURS6, 60, 1), DropFragment),
        ("fragment after an extension", ipv6_with(OURS6, &[(60, 8), (44, 8)], TCP, &syn(80)), DropFragment),
        ("fragment, foreign address 6", fragment6(FOREIGN6, TCP, 1), PassNotOwned),
        ("first fragment, shared 6", fragment6(SHARED6, TCP, 1), DropFragment),
        ("atomic fragment, shared 6", fragment6(SHARED6, TCP, 0), DropFragment),
        ("first fragment, the kernel's port 6", port6(SHARED6, 91), PassFragment),
        ("middle fragment, shared 6", fragment6(SHARED6, TCP, 9), PassFragment),
        ("last fragment, shared 6", fragment6(SHARED6, TCP, 8), PassFragment),
        ("UDP fragment, shared 6", fragment6(SHARED6, UDP, 1), PassFragment),
        ("ESP fragment, shared 6", fragment6(SHARED6, 50, 1), PassFragment),
        (
            "extensions on both sides of the fragment header, shared",
            ipv6_with(SHARED6, &[(0, 8), (44, 8), (60, 16)], TCP, &syn(80)),
            DropFragment,
        ),
        (
            "the same, the kernel's port",
            ipv6_with(SHARED6, &[(0, 8), (44, 8), (60, 16)], TCP, &syn(22)),
            PassFragment,
        ),
        ("first fragment without all headers", fragment6_of_extension(24, 16), DropTruncated),
        ("first fragment inside a header", fragment6_of_extension(8, 4), DropTruncated),
    ]
}

/// The first fragment of a packet whose destination options are `len` bytes long, of which `present`
/// are there.
fn fragment6_of_extension(len: usize, present: usize) -> Packet {
    let mut packet = ipv6_with(SHARED6, &[(44, 8), (60, len)], TCP, &[]);
    packet.1.truncate(48 + present);
    packet.1[43] = 1;
    packet
}

fn extension_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let chain = |extensions: &[(u8, usize)]| ipv6_with(OURS6, extensions, TCP, &syn(80));
    let shared = |extensions: &[(u8, usize)]| ipv6_with(SHARED6, extensions, TCP, &syn(80));
    let mut rows = vec![
        ("hop-by-hop", chain(&[(0, 8)]), SocketTcp),
        ("routing", chain(&[(43, 24)]), SocketTcp),
        ("destination options", chain(&[(60, 16)]), SocketTcp),
        ("the longest extension", chain(&[(60, 2048)]), SocketTcp),
        ("all three kinds", chain(&[(0, 8), (60, 8), (43, 24), (60, 8)]), SocketTcp),
        ("all three kinds, shared", shared(&[(0, 8), (60, 8), (43, 24), (60, 8)]), SocketTcp),
        ("six extensions", chain(&[(0, 8), (60, 16), (60, 8), (43, 8), (60, 24), (60, 8)]), SocketTcp),
        ("seven extensions", chain(&[(60, 8); 7]), DropExtension),
        ("sixty extensions", chain(&[(60, 8); 60]), DropExtension),
        ("hop-by-hop, not first", chain(&[(60, 8), (0, 8)]), DropExtension),
        ("hop-by-hop twice", chain(&[(0, 8), (0, 8)]), DropExtension),
        ("seven extensions, shared", shared(&[(60, 8); 7]), PassProtocol),
        ("hop-by-hop, not first, shared", shared(&[(60, 8), (0, 8)]), PassProtocol),
        ("echo after an extension", ipv6_with(OURS6, &[(60, 8)], ICMPV6, &icmp_type(128)), SocketEcho),
        ("UDP after an extension", ipv6_with(OURS6, &[(60, 8)], UDP, &udp(80)), SocketProtocol),
        ("UDP after an extension, shared", ipv6_with(SHARED6, &[(60, 8)], UDP, &udp(80)), PassProtocol),
        ("other port after an extension", ipv6_with(OURS6, &[(60, 8)], TCP, &syn(22)), SocketPort),
        ("shared, after an extension", ipv6_with(SHARED6, &[(60, 8)], TCP, &syn(22)), PassPort),
        ("unknown, foreign", ipv6_with(FOREIGN6, &[(253, 8)], TCP, &syn(80)), PassNotOwned),
    ];
    for number in [50, 51, 135, 139, 140, 253, 254] {
        rows.push(("unknown extension", chain(&[(number, 8)]), DropExtension));
        rows.push(("unknown after a known one", chain(&[(60, 8), (number, 8)]), DropExtension));
        rows.push(("unknown extension, shared", shared(&[(number, 8)]), PassProtocol));
        rows.push(("unknown after a known one, shared", shared(&[(60, 8), (number, 8)]), PassProtocol));
    }
    rows
}

fn malformed_rows() -> Vec<(&'static str, Packet, Verdict)> {
    let patched = |mut packet: Packet, byte: usize, value: u8| {
        packet.1[byte] = value;
        packet
    };
    let past_the_end = patched(ipv6_with(OURS6, &[(60, 8)], TCP, &syn(80)), 41, 255);
    vec![
        ("IHL 4", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x44), DropHeader),
        ("IHL 0", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x40), DropHeader),
        ("IHL 4, shared address", patched(ipv4(SHARED4, TCP, &syn(80)), 0, 0x44), DropHeader),
        ("IHL past the end", patched(ipv4(OURS4, TCP, &[]), 0, 0x4f), DropTruncated),
        ("IPv4 with version 6", patched(ipv4(OURS4, TCP, &syn(80)), 0, 0x65), PassOther),
        ("IPv6 with version 4", patched(ipv6(OURS6, TCP, &syn(80)), 0, 0x40), PassOther),
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
