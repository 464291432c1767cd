//! The short way of the usual SYN: it sees every change at once, and answers nothing that the whole way would
//! not.

use handfast_stack::wire::{FlowKey4, FlowKey6};
use handfast_stack::xdp::Verdict::{self, *};
use handfast_stack::xdp::{TierDevice, Transmit};

use crate::kernel::privileged;
use crate::tier::{LISTENER, TierBench, WINDOW, rule};
use crate::tier_frames::{ACK, FIN, OUR_MAC, RST, SYN, Tcp};

/// The first one takes the whole way, the others the short one.
#[track_caller]
fn answers(bench: &mut TierBench, syn: &Tcp) {
    for _ in 0..3 {
        assert_eq!(bench.verdict(&syn.frame()), TxSynAck, "{syn:?}");
    }
}

/// The window field of the answer.
fn window(bench: &mut TierBench, syn: &Tcp) -> u16 {
    let reply = bench.run(&syn.frame()).frame;
    let at = if syn.is_ipv6() { 14 + 40 } else { 14 + 20 } + 14;
    u16::from_be_bytes([reply[at], reply[at + 1]])
}

#[test]
fn every_change_is_seen_by_the_next_syn() {
    if !privileged() {
        return;
    }
    let mut bench = TierBench::usual();
    let device = |mac, transmit| TierDevice { transmit, mac: Some(mac), ..TierDevice::default() };
    for ipv6 in [false, true] {
        let syn = Tcp::of(ipv6);
        answers(&mut bench, &syn);
        bench.tier.set_listener(LISTENER, false, WINDOW);
        assert_eq!(bench.verdict(&syn.frame()), SocketTcp);
        bench.tier.set_listener(LISTENER, true, WINDOW);
        answers(&mut bench, &syn);
        assert_eq!(window(&mut bench, &syn), WINDOW);
        bench.tier.set_listener(LISTENER, true, 77);
        assert_eq!([window(&mut bench, &syn), window(&mut bench, &syn)], [77, 77]);
        bench.tier.set_listener(LISTENER, true, WINDOW);

        answers(&mut bench, &syn);
        bench.tier.set_ready(false);
        assert_eq!(bench.verdict(&syn.frame()), SocketSyn);
        bench.tier.set_ready(true);

        answers(&mut bench, &syn);
        bench.program.set_tier_device(&device([2, 0, 0, 0, 0, 0x77], Transmit::Tx));
        assert_eq!(bench.verdict(&syn.frame()), SocketSyn);
        bench.program.set_tier_device(&device(OUR_MAC, Transmit::Nothing));
        assert_eq!(bench.verdict(&syn.frame()), SocketSyn);
        bench.program.set_tier_device(&device(OUR_MAC, Transmit::Tx));

        answers(&mut bench, &syn);
        let rules =
            |port| [rule(&format!("0.0.0.0/0:{port}"), LISTENER), rule(&format!("[::]/0:{port}"), LISTENER)];
        bench.program.replace_rules(&rules(81), &[]).unwrap();
        assert_eq!(bench.verdict(&syn.frame()), SocketPort);
        bench.program.replace_rules(&rules(80), &[]).unwrap();
        answers(&mut bench, &syn);
    }
}

#[test]
fn what_is_not_usual_fares_as_on_the_whole_way() {
    if !privileged() {
        return;
    }
    type Change = (&'static str, Verdict, fn(&mut Tcp));
    let changes: [Change; 15] = [
        ("TCP checksum", DropSynChecksum, |tcp| tcp.tcp_checksum = 0x100),
        ("from its own address", DropSynSource, |tcp| tcp.source = tcp.destination.clone()),
        ("from a group's MAC", SocketSyn, |tcp| tcp.source_mac[0] = 3),
        ("to another MAC", SocketSyn, |tcp| tcp.destination_mac[5] = 9),
        ("data", SocketSyn, |tcp| tcp.data = vec![1]),
        ("padding", TxSynAck, |tcp| tcp.padding = vec![0; 4]),
        ("a tag", TxSynAck, |tcp| tcp.tags = vec![(0x8100, 5)]),
        ("other options", TxSynAck, |tcp| tcp.options = vec![2, 4, 5, 180]),
        ("an invalid option", DropSynHeader, |tcp| tcp.options[0..2].copy_from_slice(&[99, 1])),
        ("a short header", DropSynHeader, |tcp| tcp.offset = Some(4)),
        ("ACK", DropUnproven, |tcp| tcp.flags = ACK),
        ("RST", DropRst, |tcp| tcp.flags = RST),
        ("SYN and FIN", DropFlags, |tcp| tcp.flags = SYN | FIN),
        ("ECN", TxSynAck, |tcp| tcp.flags = SYN | 0xc0),
        ("another port", SocketPort, |tcp| tcp.ports.1 = 7),
    ];
    for ipv6 in [false, true] {
        let mut bench = TierBench::usual();
        let device = TierDevice { transmit: Transmit::Tx, mac: Some(OUR_MAC), ..TierDevice::default() };
        bench.program.set_tier_device(&device);
        let syn = Tcp::of(ipv6);
        answers(&mut bench, &syn);
        for (what, expected, change) in changes {
            let other = syn.clone().with(change);
            assert_eq!(bench.verdict(&other.frame()), expected, "{what}, IPv6 {ipv6}");
            assert_eq!(bench.verdict(&syn.frame()), TxSynAck, "after {what}");
        }
        let (remote_port, local_port) = syn.ports;
        if ipv6 {
            let [remote, local] = [&syn.source, &syn.destination].map(|bytes| bytes[..].try_into().unwrap());
            bench.tier.filter().add(&FlowKey6 { remote, local, remote_port, local_port });
        } else {
            let [remote, local] = [&syn.source, &syn.destination].map(|bytes| bytes[..].try_into().unwrap());
            bench.tier.filter().add(&FlowKey4 { remote, local, remote_port, local_port });
            let broken = syn.clone().with(|tcp| tcp.ip_checksum = 1);
            assert_eq!(bench.verdict(&broken.frame()), DropSynChecksum);
            let fragment = syn.clone().with(|tcp| tcp.ip_bits = 0x2000);
            assert_eq!(bench.verdict(&fragment.frame()), DropFragment);
            for source in [[0, 0, 0, 1], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
                let forged = syn.clone().with(|tcp| tcp.source = source.to_vec());
                assert_eq!(bench.verdict(&forged.frame()), DropSynSource, "{source:?}");
            }
        }
        assert_eq!(bench.verdict(&syn.frame()), SocketKnownSyn);
    }
}
