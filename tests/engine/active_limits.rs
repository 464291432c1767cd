//! What an active open meets when something is short, and where its segments go.

use std::net::SocketAddr;

use handfast_stack::engine::{FourTuple, OpenError};
use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::wire::{LinkHeader, Mac, TxSegment};

use crate::caller::{Act, Callback, Order, Script, calling, ends};
use crate::client::{CLIENT_ISN, CLIENT_MAC, FAMILIES, Family, Lab, SERVER_MAC};
use crate::frames::{build, flags_of};
use crate::trace::{PORT, play_with};

/// The peer's SYN-ACK for our SYN to `port`.
fn syn_ack(lab: &mut Lab, family: Family, port: u16) -> Vec<u8> {
    let syn = lab.expect("S");
    let emit = TxSegment {
        seq: CLIENT_ISN,
        ack: syn.info.seq + 1,
        flags: flags_of("S."),
        window: 1000,
        ..TxSegment::default()
    };
    build(family, port, 80, &emit, &[])
}

fn told_closed(script: &Script) -> Vec<Closed> {
    let closed = script.callbacks().into_iter().filter_map(|callback| match callback {
        Callback::Closed(_, how) => Some(how),
        _ => None,
    });
    closed.collect()
}

/// The ACK goes back in the only frame; what follows waits until that is sent.
#[test]
fn without_a_frame_it_waits_and_is_not_forgotten() {
    let rows = [
        ("close", "> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2\n+ 60000", Closed::Active),
        ("abort", "> R. 1 ack 1", Closed::Aborted),
        ("send=3", "> P. 1:4(3) ack 1\n< R. 1 ack 4", Closed::ResetByPeer),
    ];
    for family in FAMILIES {
        for (act, rest, how) in rows {
            let (mut lab, script) = calling(|setup| setup.frames = 1);
            let text = format!("! when {act}\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n+ 20\n{rest}");
            play_with(&mut lab, Some(&script), family, &text);
            assert_eq!(told_closed(&script), [how], "{act}");
            lab.over();
        }
    }
}

/// The only frame is in use until the peer sends: the pending segment goes with the answer.
#[test]
fn what_waits_for_a_frame_goes_with_the_next_answer() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.frames = 1);
        let text = "! when close\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n< F. 1 ack 1\n> F. 1 ack 2\n< . 2 ack 2\n+ 100";
        play_with(&mut lab, Some(&script), family, text);
        assert_eq!(told_closed(&script), [Closed::Passive]);
        lab.over();
    }
}

#[test]
fn no_frame_for_a_syn() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.frames = 2);
        for port in 1..=3 {
            script.order(Order::Open(ends(family, port)));
        }
        lab.run();
        assert_eq!(script.board().opens[2], Err(OpenError::NoFrame));
        assert_eq!(lab.sim.connections(), 2);
        script.order(Order::Open(ends(family, 3)));
        lab.run();
        assert!(script.board().opens[3].is_ok(), "sent frames come back");
        lab.sound();
    }
}

#[test]
fn so_many_a_turn() {
    let (mut lab, script) = calling(|setup| {
        setup.capacity = 1000;
        setup.frames = 1000;
    });
    (0..200).for_each(|port| script.order(Order::Open(ends(Family::V4, 1000 + port))));
    lab.run();
    let opened = script.board().opens.iter().flatten().count();
    assert_eq!((opened, lab.all().len()), (128, 128));
    assert!(script.board().opens[128..].iter().all(|opened| *opened == Err(OpenError::NoFrame)));
}

#[test]
fn every_slot_taken() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.capacity = 2);
        (1..=3).for_each(|port| script.order(Order::Open(ends(family, port))));
        lab.run();
        assert_eq!(script.board().opens[2], Err(OpenError::Full));
        assert_eq!(lab.all().len(), 2);
        lab.sound();
    }
}

/// A TIME-WAIT makes room. Its end calls no user: for the caller the connection has ended before.
#[test]
fn a_time_wait_makes_room() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.capacity = 1);
        let text =
            "! when close\n! open\n> S 0\n< S. 0 ack 1\n> . 1 ack 1\n> F. 1 ack 1\n< F. 1 ack 2\n> . 2 ack 2";
        play_with(&mut lab, Some(&script), family, text);
        assert_eq!(told_closed(&script), [Closed::Active]);
        script.order(Order::Open(ends(family, PORT)));
        lab.run();
        assert_eq!(script.board().opens[1], Err(OpenError::InUse), "its own 4-tuple is not free");
        script.order(Order::Open(ends(family, 1)));
        lab.run();
        let opens = script.board().opens.clone();
        assert_eq!(opens[2], opens[0], "the slot's number again");
        assert_eq!(told_closed(&script), []);
        assert_eq!(lab.closed(Closed::TimeWaitEvicted), 1);
    }
}

#[test]
fn a_4_tuple_in_use_and_ends_that_do_not_match() {
    let (mut lab, script) = calling(|_| {});
    let (v4, v6) = (ends(Family::V4, 1), ends(Family::V6, 1));
    script.order(Order::Open(v4));
    script.order(Order::Open(v4));
    script.order(Order::Open(FourTuple { local: v4.local, remote: v6.remote }));
    lab.run();
    assert_eq!(script.board().opens[1..], [Err(OpenError::InUse), Err(OpenError::Family)]);
    lab.expect("S");
    lab.silent();
    lab.sound();
}

/// Numbers of both families differ, are below the capacity, and name their connection.
#[test]
fn numbers_name_connections() {
    let (mut lab, script) = calling(|setup| setup.capacity = 8);
    for port in 0..8 {
        for family in FAMILIES {
            script.order(Order::Open(ends(family, 1000 + port)));
        }
    }
    lab.run();
    let mut numbers: Vec<u32> = script.board().opens.iter().map(|number| number.unwrap()).collect();
    let sixth = numbers[6];
    numbers.sort_unstable();
    assert_eq!(numbers, (0..16).collect::<Vec<_>>());
    let _ = lab.all();
    for number in [16, 17, u32::MAX, sixth] {
        script.order(Order::Act(number, Act::Abort));
    }
    lab.run();
    assert_eq!(script.board().found, [false, false, false, true]);
    assert_eq!(script.callbacks(), [Callback::Closed(sixth, Closed::Aborted)]);
    assert_eq!(lab.sim.connections(), 15);
}

/// More than the list of pending output holds, in one poll: the others wait.
#[test]
fn five_thousand_probes_in_one_turn() {
    const CONNECTIONS: u16 = 5000;
    let (mut lab, script) = calling(|setup| {
        setup.capacity = 8192;
        setup.frames = 8192;
    });
    for port in 1..=CONNECTIONS {
        script.order(Order::Open(ends(Family::V4, port)));
        lab.run();
        let answer = syn_ack(&mut lab, Family::V4, port);
        lab.send(&answer);
        lab.expect(".");
    }
    let numbers: Vec<u32> = script.board().opens.iter().map(|number| number.unwrap()).collect();
    numbers.iter().for_each(|number| script.order(Order::Act(*number, Act::Probe)));
    assert!(lab.sim.poll() > 0);
    lab.run();
    assert_eq!(lab.all().len(), 4096);
    lab.wait(20);
    assert_eq!(lab.all().len(), usize::from(CONNECTIONS) - 4096);
    lab.sound();
}

/// The SYN goes to the gateway; from then on segments go back where the peer's came from.
#[test]
fn the_way_there_and_the_way_back() {
    const ROUTER: Mac = [2, 0, 0, 0, 0, 0x77];
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.gateway = ROUTER);
        script.board().when_opened = vec![Act::Send(3)];
        script.order(Order::Open(ends(family, PORT)));
        lab.sim.run();
        let syn = lab.sim.collect().unwrap();
        let ethertype = if family == Family::V4 { 0x0800 } else { 0x86dd };
        assert_eq!(syn[..14], *LinkHeader::untagged(ROUTER, SERVER_MAC, ethertype).as_bytes());
        let seq = u32::from_be_bytes(syn[syn.len() - 36..][..4].try_into().unwrap());
        let emit = TxSegment {
            seq: CLIENT_ISN,
            ack: handfast_stack::wire::Seq(seq) + 1,
            flags: flags_of("S."),
            window: 1000,
            ..TxSegment::default()
        };
        let mut answer = build(family, PORT, 80, &emit, &[]);
        // Through a VLAN.
        answer.splice(12..12, [0x81, 0, 0, 7]);
        assert!(lab.sim.inject(&answer));
        lab.sim.run();
        for len in [0, 3] {
            let frame = lab.sim.collect().unwrap_or_else(|| panic!("{family:?}: a segment of {len}"));
            assert_eq!(frame[..6], CLIENT_MAC, "{len}");
            assert_eq!(frame[12..16], [0x81, 0, 0, 7], "{len}");
        }
    }
}

/// The answer comes in at the other core's queue.
#[test]
fn answers_find_the_core_that_called() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|setup| setup.cores = 2);
        script.board().when_opened = vec![Act::Abort];
        script.order(Order::Open(ends(family, PORT)));
        lab.run();
        let answer = syn_ack(&mut lab, family, PORT);
        assert!(lab.sim.inject_at(1, &answer));
        lab.run();
        lab.expect(".");
        lab.expect("R.");
        assert_eq!(lab.sim.counters(1).forwarded_out.value(), 1);
        assert_eq!(told_closed(&script), [Closed::Aborted]);
        lab.over();
    }
}

/// ARP for a source is answered, for its neighbour it is not.
#[test]
fn sources_answer_arp() {
    let (mut lab, _) = calling(|_| {});
    let ask = |last: u8| {
        let head = [&[0xff; 6][..], &CLIENT_MAC, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]].concat();
        [&head[..], &CLIENT_MAC, &[192, 0, 2, 9], &[0; 6], &[192, 0, 2, last]].concat()
    };
    assert!(lab.sim.inject(&ask(1)) && lab.sim.inject(&ask(2)));
    lab.sim.run();
    assert_eq!(lab.sim.counters(0).arp_replies.value(), 1);
    assert_eq!(lab.dropped(DropReason::ArpOther), 1);
    assert!(lab.sim.collect().is_some() && lab.sim.collect().is_none());
}

/// A core sleeps no longer than its caller allows.
#[test]
fn a_caller_in_a_hurry_keeps_its_core_awake() {
    let (lab, script) = calling(|_| {});
    assert_eq!(lab.sim.idle_ms(5000), 5000);
    script.order(Order::Open(ends(Family::V4, 1)));
    assert_eq!(lab.sim.idle_ms(5000), 0);
}

/// Half-open connections from outside are bounded; our own SYNs do not count among them.
#[test]
fn our_syns_are_not_half_open_connections_of_a_listener() {
    let (mut lab, script) = calling(|_| {});
    let away = |port| FourTuple { local: SocketAddr::from(([192, 0, 2, 1], 81)), ..ends(Family::V4, port) };
    (1..=10).for_each(|port| script.order(Order::Open(away(port))));
    lab.run();
    assert_eq!((lab.all().len(), lab.sim.counters(0).half_open.value()), (10, 0));
    assert_eq!(lab.sim.counters(0).opens.value(), 10);
    lab.wait(70_000);
    assert_eq!(told_closed(&script), [Closed::ConnectTimeout; 10]);
    assert_eq!(lab.sim.counters(0).syn_retransmissions.value(), 50);
}
