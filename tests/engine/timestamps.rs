//! Segments that leave out the timestamps that were agreed on (RFC 7323 3.2).

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::CookieMode;
use handfast_stack::wire::{TcpOptions, Timestamps};

use crate::caller::{Act, Order, calling, ends};
use crate::client::{Client, FAMILIES, Family, Lab};

fn stamped() -> TcpOptions {
    let timestamps = Some(Timestamps { value: 1000, echo: 0 });
    TcpOptions::of_syn(Some(1460), Some(7), true, timestamps)
}

fn taken(lab: &Lab) -> u64 {
    lab.sim.counters(0).timestamps_missing.value()
}

/// A client that agrees on timestamps and never sends one again, up to the answer to its SYN.
fn forgetful(lab: &mut Lab, family: Family) -> Client {
    let mut client = Client::new(family, 4000);
    lab.send(&client.syn_with(stamped()));
    let answer = lab.expect("S.");
    assert!(answer.info.options.timestamps.is_some());
    (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
    client
}

#[test]
fn a_whole_connection_without_them_is_taken_and_counted() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = forgetful(&mut lab, family);
        lab.send(&client.segment(".", &[]));
        let hello = client.say(b"hello");
        lab.send(&hello);
        let echo = lab.expect("P.");
        assert_eq!(echo.payload, b"hello");
        assert!(echo.info.options.timestamps.is_some(), "ours go on");
        client.hear(&echo);
        lab.send(&client.segment(".", &[]));
        client.close(&mut lab);
        assert_eq!(taken(&lab), 5);
        lab.assert_dropped(&[]);
        lab.assert_closed(&[(Closed::Passive, 1)]);
        lab.over();
    }
}

/// A probe begins below RCV.NXT, with no byte (Linux) or one of any value (Windows, BSD).
#[test]
fn keep_alive_probes_without_them_are_answered() {
    for garbage in [&b""[..], b"\0", b"x"] {
        let mut lab = Lab::new(Service::Discard);
        let client = forgetful(&mut lab, Family::V4);
        lab.send(&client.segment(".", &[]));
        let probe = Client { seq: client.seq - 1, ..client };
        for _ in 0..3 {
            lab.send(&probe.segment(".", garbage));
            assert_eq!(lab.expect(".").info.ack, client.seq);
            lab.wait(1000);
        }
        client.abort(&mut lab);
        lab.over();
    }
}

#[test]
fn half_open_it_takes_any_state_from_there() {
    for family in FAMILIES {
        // Data, or FIN, with the ACK that ends the handshake.
        for (flags, data, answer) in [("P.", &b"hello"[..], "."), ("F.", b"", "F.")] {
            let mut lab = Lab::new(Service::Discard);
            let client = forgetful(&mut lab, family);
            lab.send(&client.segment(flags, data));
            let info = lab.expect(answer).info;
            assert_eq!(info.ack, client.seq + data.len() as u32 + u32::from(flags == "F."));
            assert_eq!((taken(&lab), lab.sim.counters(0).established.value()), (1, 1));
        }
    }
}

#[test]
fn the_peer_of_a_caller_may_leave_them_out() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|_| {});
        script.order(Order::Open(ends(family, 7000)));
        lab.run();
        let mut peer = Client::new(family, 7000);
        let syn = lab.expect("S");
        peer.hear(&syn);
        lab.send(&peer.with_options("S.", &[], stamped()));
        peer.seq += 1;
        assert!(lab.expect(".").info.options.timestamps.is_some());
        lab.send(&peer.segment("P.", b"hello"));
        peer.seq += 5;
        assert_eq!(lab.expect(".").info.ack, peer.seq);
        assert_eq!(taken(&lab), 1);
        let number = script.board().opens[0].unwrap();
        script.order(Order::Act(number, Act::Abort));
        lab.run();
        lab.expect("R.");
        lab.over();
    }
}

#[test]
fn a_segment_with_one_is_still_held_against_the_last() {
    let mut lab = Lab::new(Service::Discard);
    let client = forgetful(&mut lab, Family::V4);
    lab.send(&client.segment(".", &[]));
    let at = |value| Client { timestamps: Some(Timestamps { value, echo: 0 }), ..client };
    lab.send(&at(999).segment("P.", b"old"));
    assert_eq!(lab.expect(".").info.ack, client.seq);
    lab.send(&at(1001).segment("P.", b"new"));
    assert_eq!(lab.expect(".").info.ack, client.seq + 3);
    lab.assert_dropped(&[(DropReason::Paws, 1)]);
}

#[test]
fn strict_drops_them_by_name() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Discard, |setup| setup.config.strict_timestamps = true);
        let client = forgetful(&mut lab, family);
        lab.send(&client.segment(".", &[]));
        lab.silent();
        assert_eq!(lab.sim.counters(0).established.value(), 0);
        let good = Client { timestamps: Some(Timestamps { value: 1001, echo: 0 }), ..client };
        lab.send(&good.segment(".", &[]));
        lab.send(&client.segment("P.", b"x"));
        lab.silent();
        lab.assert_dropped(&[(DropReason::TimestampMissing, 2)]);
        assert_eq!(taken(&lab), 0);
        // RSTs and SYNs are excepted.
        lab.send(&Client { seq: client.seq + 9, ..client }.segment("S", &[]));
        assert_eq!(lab.expect(".").info.ack, client.seq);
        client.abort(&mut lab);
        lab.assert_closed(&[(Closed::ResetByPeer, 1)]);
        lab.over();
    }
}

/// Without the timestamp that carried them, a cookie gives back the MSS alone: no timestamps, and the
/// window is taken unscaled, so that it is never overrun.
#[test]
fn a_cookie_without_its_timestamp_keeps_the_mss() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Echo, |setup| setup.config.cookies = CookieMode::Always);
        let mut client = Client { window: 300, ..forgetful(&mut lab, family) };
        let long = client.say(&[b'x'; 1000]);
        lab.send(&long);
        lab.expect(".");
        lab.wait(3000);
        let part = lab.all();
        assert!(!part.is_empty() && part.iter().all(|part| part.payload.len() <= 300), "{part:?}");
        assert!(part.iter().all(|part| part.info.options.timestamps.is_none()));
        // Nor is one that comes later held against anything.
        let late = Client { timestamps: Some(Timestamps { value: 5, echo: 0 }), ..client };
        lab.send(&late.segment("R.", &[]));
        assert_eq!(taken(&lab), 0);
        lab.over();
    }
}
