//! Every protocol number, at every kind of address: the kernel has all but TCP at an address of the
//! machine, and nothing at an exclusive one, which it would forward.

use std::net::{Ipv4Addr, Ipv6Addr};

use handfast_stack::xdp::Verdict::{self, *};

use crate::frames::*;
use crate::kernel::{Bench, privileged, rules};

const IGMP: u8 = 2;
const NO_NEXT_HEADER: u8 = 59;
/// Extension headers that end the walk.
const UNKNOWN: [u8; 7] = [50, 51, 135, 139, 140, 253, 254];
/// To port 80, were it TCP. As an extension header it is 24 bytes long and followed by UDP.
const PAYLOAD: [u8; 32] = {
    let mut payload = [0; 32];
    (payload[0], payload[1], payload[3]) = (17, 2, 80);
    payload
};

fn exclusive4(protocol: u8) -> Verdict {
    match protocol {
        TCP => SocketTcp,
        ICMP | IGMP => DropProtocol,
        _ => SocketProtocol,
    }
}

fn exclusive6(protocol: u8) -> Verdict {
    match protocol {
        TCP => SocketTcp,
        ICMPV6 | NO_NEXT_HEADER => DropProtocol,
        44 => DropFragment,
        other if UNKNOWN.contains(&other) => DropExtension,
        _ => SocketProtocol,
    }
}

fn shared(protocol: u8) -> Verdict {
    if protocol == TCP { SocketTcp } else { PassProtocol }
}

#[test]
fn every_protocol_at_every_kind_of_address() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for protocol in 0..=255 {
        let at4 = |to: Ipv4Addr| ipv4(to, protocol, &PAYLOAD);
        let at6 = |to: Ipv6Addr| ipv6(to, protocol, &PAYLOAD);
        let shared6 = if protocol == 44 { PassFragment } else { shared(protocol) };
        for (packet, expected) in [
            (at4(OURS4), exclusive4(protocol)),
            (at4(SHARED4), shared(protocol)),
            (at4(FOREIGN4), PassNotOwned),
            (at4(Ipv4Addr::BROADCAST), PassNotOwned),
            (at6(OURS6), exclusive6(protocol)),
            (at6(SHARED6), shared6),
            (at6(FOREIGN6), PassNotOwned),
        ] {
            for tags in [&[][..], &[0x8100], &[0x88a8, 0x8100]] {
                let frame = packet.tagged(tags);
                assert_eq!(
                    bench.verdict(&frame),
                    expected,
                    "protocol {protocol}, tags {tags:x?}, {packet:?}"
                );
            }
        }
    }
}

/// What goes to an exclusive address is never the kernel's: with a route for the address to this
/// machine, the kernel would send it back to the router.
#[test]
fn nothing_of_an_exclusive_address_is_passed() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for protocol in 0..=255 {
        for first in 0..=255 {
            let payload = [&[first][..], &PAYLOAD[1..]].concat();
            for packet in [ipv4(OURS4, protocol, &payload), ipv6(OURS6, protocol, &payload)] {
                let verdict = bench.verdict(&packet.frame());
                assert!(!verdict.name().starts_with("pass"), "{verdict:?}: {protocol}, {first}");
            }
        }
    }
}

/// No error may answer a broadcast frame, and the kernel does not forward it: the host's
/// sockets may expect a datagram to the broadcast address of a network.
#[test]
fn broadcast_frames_are_the_kernels() {
    if !privileged() {
        return;
    }
    let bench = Bench::new(&rules(RULES), &LOCAL);
    for destination in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
        for (packet, expected) in [
            (ipv4(Ipv4Addr::new(10, 0, 0, 255), UDP, &udp(67)), PassProtocol),
            (ipv4(OURS4, 47, &PAYLOAD), PassProtocol),
            (ipv4(OURS4, IGMP, &PAYLOAD), PassProtocol),
            (ipv4_with(OURS4, UDP, &[], 0x2000, &udp(67)), PassFragment),
            (ipv4(OURS4, TCP, &syn(80)), SocketTcp),
            (ipv6(OURS6, UDP, &udp(67)), PassProtocol),
            (ipv6(OURS6, 50, &PAYLOAD), PassProtocol),
        ] {
            for tags in [&[][..], &[0x8100]] {
                let mut frame = packet.tagged(tags);
                frame[..6].copy_from_slice(&destination);
                assert_eq!(bench.verdict(&frame), expected, "{packet:?}");
            }
        }
    }
}
