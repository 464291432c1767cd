//! SYNs mistreated on purpose.

use handfast_stack::engine::FaultInjection;
use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;

use crate::client::{Client, FAMILIES, Family, Lab};

#[test]
fn shares_of_syns_are_dropped_and_reset() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Discard, |setup| {
            setup.fault = FaultInjection { drop: 0.2, reset: 0.3, delay_ms: 0 };
            setup.capacity = 4096;
            setup.bounds.rst_rate = 100_000;
        });
        for port in 0..4000 {
            lab.send(&Client::new(family, 10_000 + port).syn());
        }
        let replies = lab.all();
        let resets = replies.iter().filter(|reply| format!("{:?}", reply.info.flags) == "R.").count() as u64;
        // Five standard deviations of 4,000 throws.
        assert!((655..945).contains(&lab.dropped(DropReason::FaultDrop)));
        assert!((1055..1345).contains(&resets), "{resets}");
        assert_eq!(lab.closed(Closed::FaultReset), resets);
        assert_eq!(replies.len() as u64 + lab.dropped(DropReason::FaultDrop), 4000);
        lab.sound();
    }
}

#[test]
fn only_syns_are_mistreated() {
    let mut lab = Lab::new(Service::Echo);
    let mut client = Client::open(Family::V4, 4000, &mut lab);
    client.abort(&mut lab);
    let mut lab = Lab::with(Service::Echo, |setup| setup.fault.drop = 1.0);
    lab.send(&client.syn());
    lab.silent();
    let stray = client.say(b"hello");
    lab.send(&stray);
    lab.expect("R");
    lab.assert_dropped(&[(DropReason::FaultDrop, 1)]);
    lab.over();
}

#[test]
fn a_delayed_syn_ack_comes_exactly_then() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Discard, |setup| setup.fault.delay_ms = 250);
        let mut client = Client::new(family, 4000);
        lab.send(&client.syn());
        lab.wait(100);
        lab.send(&client.syn());
        lab.wait(149);
        lab.silent();
        lab.wait(1);
        let answer = lab.expect("S.");
        assert_eq!(answer.at_ms, 250);
        // From then on it is like any other.
        lab.wait(1000);
        assert_eq!(lab.expect("S.").at_ms, 1250);
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        lab.send(&client.segment(".", &[]));
        client.close(&mut lab);
        lab.assert_closed(&[(Closed::Passive, 1)]);
        lab.over();
    }
}

#[test]
fn a_reset_during_the_delay_calls_the_answer_off() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.fault.delay_ms = 250);
    let client = Client::new(Family::V4, 4000);
    lab.send(&client.syn());
    lab.wait(100);
    lab.send(&Client { seq: client.seq + 1, ..client }.segment("R", &[]));
    lab.wait(10_000);
    lab.assert_closed(&[(Closed::HandshakeReset, 1)]);
    lab.over();
}
