//! Rate limits, and what is answered besides TCP.

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::wire::ethernet::{ARP, IPV4, IPV6};
use handfast_stack::wire::{LinkHeader, Mac};

use crate::client::{CLIENT_MAC, Client, FAMILIES, Family, Lab, SERVER_MAC, SERVER4, SERVER6};
use crate::trace::{OPEN, play};

#[test]
fn resets_are_limited() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.rst_rate = 10);
    let stray = Client::new(Family::V4, 4000).segment(".", &[]);
    for seconds in 1..=5 {
        for _ in 0..100 {
            lab.send(&stray);
            lab.wait(10);
        }
        // A second's worth of tokens at the start.
        let answered = lab.sim.counters(0).resets_sent.value();
        assert!((seconds * 5..=(seconds + 1) * 10).contains(&answered), "{answered} in {seconds} s");
        assert_eq!(lab.dropped(DropReason::RstLimited) + answered, seconds * 100);
    }
    lab.all();
    lab.over();
}

/// A service's own RST is part of its connection, not an answer to an unknown segment.
#[test]
fn a_service_s_resets_are_not_limited() {
    let mut lab = Lab::with(Service::Reset, |setup| setup.bounds.rst_rate = 1);
    for port in 0..20 {
        Client::open(Family::V4, 4000 + port, &mut lab);
        lab.expect("R.");
    }
    lab.assert_closed(&[(Closed::Aborted, 20)]);
    lab.over();
}

#[test]
fn challenges_are_limited_by_connection() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Discard);
        play(
            &mut lab,
            family,
            &format!(
                "{OPEN}< S 9\n> . 1 ack 1\n< S 9\n< R 5\n< . 70000 ack 1\n+ 490\n< S 9\n+ 20\n< S 9\n> . 1 ack 1"
            ),
        );
        assert_eq!(lab.dropped(DropReason::ChallengeLimited), 4);
        assert_eq!(lab.sim.counters(0).challenge_acks.value(), 2);
        // Another connection has a limit of its own.
        let other = Client::open(family, 4001, &mut lab);
        lab.send(&Client { seq: other.seq + 9, ..other }.segment("S", &[]));
        assert_eq!(lab.expect(".").port, 4001);
        other.abort(&mut lab);
        play(&mut lab, family, "< R 1");
        lab.over();
    }
}

fn frame(destination: Mac, ethertype: u16, body: &[u8]) -> Vec<u8> {
    [LinkHeader::untagged(destination, CLIENT_MAC, ethertype).as_bytes(), body].concat()
}

pub fn arp(target: [u8; 4]) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &CLIENT_MAC, &[192, 0, 2, 9], &[0; 6], &target].concat();
    frame([0xff; 6], ARP, &body)
}

/// The Internet checksum of some bytes (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let sum: u32 = words.sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!(((sum & 0xffff) + (sum >> 16)) as u16)).to_be_bytes()
}

pub fn ping(target: [u8; 4]) -> Vec<u8> {
    ping_from([192, 0, 2, 9], target)
}

fn ping_from(source: [u8; 4], target: [u8; 4]) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 1, 2, 0, 1, b'p', b'i', b'n', b'g'];
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum);
    let mut ip = [&[0x45, 0, 0, 32, 0, 0, 0, 0, 64, 1, 0, 0][..], &source, &target].concat();
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    frame(SERVER_MAC, IPV4, &[ip, icmp].concat())
}

fn icmp6(destination: [u8; 16], hops: u8, mut message: Vec<u8>) -> Vec<u8> {
    let source = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9).octets();
    let len = message.len() as u8;
    let pseudo = [&source[..], &destination, &[0, 0, 0, len, 0, 0, 0, 58], &message].concat();
    let sum = checksum(&pseudo);
    message[2..4].copy_from_slice(&sum);
    let ip = [&[0x60, 0, 0, 0, 0, len, 58, hops][..], &source, &destination].concat();
    frame(SERVER_MAC, IPV6, &[ip, message].concat())
}

fn solicitation(target: [u8; 16]) -> Vec<u8> {
    let message = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &target, &[1, 1], &CLIENT_MAC].concat();
    icmp6(target, 255, message)
}

/// What one frame draws, not read as TCP.
fn raw(lab: &mut Lab, frame: &[u8]) -> Option<Vec<u8>> {
    assert!(lab.sim.inject(frame));
    lab.sim.run();
    lab.sim.collect()
}

#[test]
fn only_owned_addresses_answer() {
    let mut lab = Lab::new(Service::Discard);
    let strange6 = std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2).octets();
    let rows = [
        ("ARP", arp(SERVER4), true),
        ("ARP for another", arp([192, 0, 2, 2]), false),
        ("ping", ping(SERVER4), true),
        ("ping of another", ping([192, 0, 2, 2]), false),
        ("solicitation", solicitation(SERVER6.octets()), true),
        ("solicitation of another", solicitation(strange6), false),
        ("ping over IPv6", icmp6(SERVER6.octets(), 64, vec![128, 0, 0, 0, 0, 1, 0, 1, 9]), true),
        ("ping of another over IPv6", icmp6(strange6, 64, vec![128, 0, 0, 0, 0, 1, 0, 1, 9]), false),
    ];
    for (what, ask, answered) in rows {
        let answer = raw(&mut lab, &ask);
        assert_eq!(answer.is_some(), answered, "{what}");
        if let Some(answer) = answer {
            assert_eq!((&answer[..6], &answer[6..12]), (&CLIENT_MAC[..], &SERVER_MAC[..]), "{what}");
        }
    }
    let counters = lab.sim.counters(0);
    assert_eq!(counters.arp_replies.value(), 1);
    assert_eq!(counters.neighbour_adverts.value(), 1);
    assert_eq!(counters.echo_replies.value(), 2);
    lab.assert_dropped(&[(DropReason::ArpOther, 1), (DropReason::IcmpOther, 3)]);
    lab.over();
}

#[test]
fn pings_are_limited() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.icmp_rate = 5);
    let mut answered = 0;
    for _ in 0..100 {
        answered += u64::from(raw(&mut lab, &ping(SERVER4)).is_some());
        lab.wait(20);
    }
    // In two seconds, with a second's worth at the start.
    assert!((5..=15).contains(&answered), "{answered}");
    assert_eq!(lab.dropped(DropReason::IcmpLimited), 100 - answered);
    lab.over();
}

/// A flood of pings from one /24 leaves some for another.
#[test]
fn pings_of_others_are_answered_beside_a_flood() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.icmp_rate = 50);
    let mut answered = 0;
    for round in 0..2000u32 {
        let greedy = ping_from([10, 0, 0, round as u8], SERVER4);
        raw(&mut lab, &greedy);
        if round % 100 == 50 {
            answered += u32::from(raw(&mut lab, &ping(SERVER4)).is_some());
        }
        lab.wait(1);
    }
    assert_eq!(answered, 20);
    assert!(lab.dropped(DropReason::IcmpLimited) > 1500);
}
