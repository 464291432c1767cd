//! ICMP errors about our segments.

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::IcmpError::{self, *};
use handfast_stack::wire::checksum::Checksum;
use handfast_stack::wire::{ipv4, ipv6};

use crate::caller::{Act, Callback, Order, Script, calling, ends};
use crate::client::{CLIENT_MAC, Client, FAMILIES, Family, Lab, SERVER_MAC, SERVER4, SERVER6};
use crate::trace::PORT;

const ROUTER4: [u8; 4] = [192, 0, 2, 254];
const ROUTER6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe];

/// A router's ICMP error about a frame that we sent, of which it quotes `bytes` after the network
/// header.
pub fn complaint(family: Family, kind: (u8, u8), sent: &[u8], bytes: usize) -> Vec<u8> {
    let network_len = if family == Family::V4 { 20 } else { 40 };
    let quoted = &sent[14..14 + network_len + bytes];
    let mut message = [&[kind.0, kind.1, 0, 0, 0, 0, 0, 0][..], quoted].concat();
    let len = message.len() as u16;
    let mut header = vec![0; network_len];
    let (pseudo, ethertype) = match family {
        Family::V4 => {
            ipv4::write_header(&mut header, ROUTER4, SERVER4, 1, len).unwrap();
            (Checksum::default(), 0x0800u16)
        }
        Family::V6 => {
            ipv6::write_header(&mut header, &ROUTER6, &SERVER6.octets(), 58, 64, len).unwrap();
            (Checksum::pseudo_v6(&ROUTER6, &SERVER6.octets(), 58, len), 0x86dd)
        }
    };
    let sum = pseudo.add_bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    [&SERVER_MAC[..], &CLIENT_MAC, &ethertype.to_be_bytes(), &header, &message].concat()
}

/// Each error as it is called in either family.
fn kinds(family: Family) -> Vec<((u8, u8), IcmpError)> {
    match family {
        Family::V4 => vec![
            ((3, 0), NetUnreachable),
            ((3, 1), HostUnreachable),
            ((3, 2), ProtocolUnreachable),
            ((3, 3), PortUnreachable),
            ((3, 5), NetUnreachable),
            ((3, 6), NetUnreachable),
            ((3, 7), HostUnreachable),
            ((3, 8), NetUnreachable),
            ((3, 9), Prohibited),
            ((3, 10), Prohibited),
            ((3, 11), NetUnreachable),
            ((3, 12), HostUnreachable),
            ((3, 13), Prohibited),
            ((3, 14), Prohibited),
            ((3, 15), Prohibited),
            ((11, 0), TimeExceeded),
            ((12, 0), ParameterProblem),
        ],
        Family::V6 => vec![
            ((1, 0), NetUnreachable),
            ((1, 1), Prohibited),
            ((1, 2), NetUnreachable),
            ((1, 5), Prohibited),
            ((1, 6), Prohibited),
            ((1, 3), HostUnreachable),
            ((1, 4), PortUnreachable),
            ((3, 0), TimeExceeded),
            ((4, 0), ParameterProblem),
            ((4, 1), ProtocolUnreachable),
        ],
    }
}

/// A SYN of ours on its way, and its frame.
fn open(lab: &mut Lab, script: &Script, family: Family) -> (u32, Vec<u8>) {
    script.order(Order::Open(ends(family, PORT)));
    lab.sim.run();
    let number = script.board().opens.last().copied().unwrap().unwrap();
    (number, lab.sim.collect().unwrap())
}

/// Unreachables end the attempt, as in Linux; others are reported and end nothing.
#[test]
fn errors_about_a_syn() {
    for family in FAMILIES {
        for (kind, error) in kinds(family) {
            let (mut lab, script) = calling(|_| {});
            let (number, syn) = open(&mut lab, &script, family);
            lab.send(&complaint(family, kind, &syn, 8));
            lab.silent();
            assert_eq!(lab.sim.counters(0).icmp_errors.value(), 1);
            if !matches!(error, TimeExceeded | ParameterProblem) {
                assert_eq!(script.callbacks(), [Callback::Closed(number, Closed::Unreachable)], "{error:?}");
                lab.assert_closed(&[(Closed::Unreachable, 1)]);
                lab.over();
                continue;
            }
            assert_eq!(script.callbacks(), [Callback::Unreachable(number, error)]);
            lab.wait(63_000);
            assert_eq!(lab.all().len(), 5, "the SYN goes on");
            assert_eq!(script.callbacks(), [Callback::Closed(number, Closed::ConnectTimeout)]);
            lab.over();
        }
    }
}

#[test]
fn errors_that_ask_for_smaller_packets_are_dropped_by_name() {
    for (family, kind) in FAMILIES.into_iter().zip([(3, 4), (2, 0)]) {
        let (mut lab, script) = calling(|_| {});
        let (_, syn) = open(&mut lab, &script, family);
        lab.send(&complaint(family, kind, &syn, 8));
        lab.assert_dropped(&[(DropReason::IcmpTooBig, 1)]);
        assert_eq!(script.callbacks(), []);
        assert_eq!(lab.sim.connections(), 1);
        lab.sound();
    }
}

/// RFC 5927 4.1: only what is in flight can be meant.
#[test]
fn errors_about_what_was_never_sent() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|_| {});
        let (_, syn) = open(&mut lab, &script, family);
        let port = if family == Family::V4 { (3, 3) } else { (1, 4) };
        let seq_at = 14 + if family == Family::V4 { 20 } else { 40 } + 4;
        for ahead in [1u32, u32::MAX, 1 << 31] {
            let mut other = syn.clone();
            let seq = u32::from_be_bytes(other[seq_at..seq_at + 4].try_into().unwrap()).wrapping_add(ahead);
            other[seq_at..seq_at + 4].copy_from_slice(&seq.to_be_bytes());
            lab.send(&complaint(family, port, &other, 8));
        }
        let mut elsewhere = syn.clone();
        elsewhere[seq_at - 1] ^= 1;
        lab.send(&complaint(family, port, &elsewhere, 8));
        lab.assert_dropped(&[(DropReason::IcmpForeign, 4)]);
        assert_eq!(script.callbacks(), []);
        assert_eq!(lab.sim.connections(), 1);
        lab.sound();
    }
}

/// RFC 9293 MUST-56, RFC 5927 5.2: nothing ends what is established; the user may.
#[test]
fn errors_about_data() {
    for family in FAMILIES {
        for (kind, error) in kinds(family) {
            let (mut lab, script) = calling(|_| {});
            let (number, _) = open(&mut lab, &script, family);
            let mut client = Client::new(family, PORT);
            let places = lab.sim.worker(0).connections();
            assert_eq!(places.0 + places.1, 1);
            // The SYN again, so that its number is known.
            lab.wait(1000);
            let syn = lab.expect("S");
            client.ack = syn.info.seq + 1;
            lab.send(&client.segment("S.", &[]));
            lab.expect(".");
            client.seq += 1;
            script.order(Order::Act(number, Act::Send(5)));
            lab.sim.run();
            let data = lab.sim.collect().unwrap();
            lab.send(&complaint(family, kind, &data, 8));
            assert_eq!(script.callbacks(), [Callback::Opened(number), Callback::Unreachable(number, error)]);
            script.board().when_unreachable = vec![Act::Abort];
            lab.send(&complaint(family, kind, &data, 20));
            lab.expect("R.");
            assert_eq!(script.callbacks()[1..], [Callback::Closed(number, Closed::Aborted)]);
            lab.send(&complaint(family, kind, &data, 20));
            lab.assert_dropped(&[(DropReason::IcmpForeign, 1)]);
            lab.over();
        }
    }
}

/// A half-open connection from outside belongs to no user yet, and stays.
#[test]
fn errors_about_a_syn_ack() {
    for family in FAMILIES {
        for (kind, _) in kinds(family) {
            let mut lab = Lab::new(Service::Discard);
            let mut client = Client::new(family, 4000);
            assert!(lab.sim.inject(&client.syn()));
            lab.sim.run();
            let syn_ack = lab.sim.collect().unwrap();
            lab.send(&complaint(family, kind, &syn_ack, 8));
            lab.assert_dropped(&[]);
            lab.wait(1000);
            let again = lab.expect("S.");
            (client.seq, client.ack) = (client.seq + 1, again.info.seq + 1);
            lab.send(&client.segment(".", &[]));
            client.close(&mut lab);
            lab.over();
        }
    }
}

/// The error comes in at the other core's queue.
#[test]
fn errors_find_the_core_that_called() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.cores = 2);
        let (number, syn) = open(&mut lab, &script, family);
        let port = if family == Family::V4 { (3, 3) } else { (1, 4) };
        assert!(lab.sim.inject_at(1, &complaint(family, port, &syn, 8)));
        lab.run();
        assert_eq!(script.callbacks(), [Callback::Closed(number, Closed::Unreachable)]);
        assert_eq!(lab.sim.counters(1).forwarded_out.value(), 1);
        lab.over();
    }
}
