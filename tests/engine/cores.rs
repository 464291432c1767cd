//! Two cores, one table: a flow's segments come in wherever they like.

use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;

use crate::client::{Client, FAMILIES, Lab, Reply};

fn two(service: Service) -> Lab {
    Lab::with(service, |setup| {
        setup.cores = 2;
        setup.frames = 4096;
    })
}

/// A frame to one core's queue; the answers of all.
fn send_at(lab: &mut Lab, core: usize, frame: &[u8]) -> Vec<Reply> {
    assert!(lab.sim.inject_at(core, frame));
    lab.run();
    lab.all()
}

fn forwarded(lab: &Lab) -> (u64, u64) {
    let sum = |read: fn(&handfast_stack::observe::CoreCounters) -> u64| {
        (0..2).map(|core| read(lab.sim.counters(core))).sum::<u64>()
    };
    (sum(|counters| counters.forwarded_out.value()), sum(|counters| counters.forwarded_in.value()))
}

#[test]
fn a_flow_that_alternates_between_queues_stays_one_connection() {
    for family in FAMILIES {
        let mut lab = two(Service::Echo);
        let mut client = Client::new(family, 4000);
        let answer = send_at(&mut lab, 0, &client.syn()).remove(0);
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        assert!(send_at(&mut lab, 1, &client.segment(".", &[])).is_empty());
        assert_eq!(lab.sim.connections(), 1);
        let mut heard = Vec::new();
        for turn in 0..200u8 {
            let frame = client.say(&[turn; 10]);
            let echo = send_at(&mut lab, usize::from(turn % 2), &frame).remove(0);
            assert_eq!((echo.info.seq, echo.info.ack), (client.ack, client.seq));
            heard.extend_from_slice(&echo.payload);
            client.hear(&echo);
            assert!(send_at(&mut lab, usize::from(turn / 2 % 2), &client.segment(".", &[])).is_empty());
        }
        let said: Vec<u8> = (0..200u8).flat_map(|turn| [turn; 10]).collect();
        assert_eq!(heard, said);
        let (out, taken) = forwarded(&lab);
        assert_eq!((out, taken), (201, 201), "every segment that came in at the other core");
        assert_eq!(lab.sim.worker(1).connections(), (0, 0));
        let fin = send_at(&mut lab, 1, &client.segment("F.", &[])).remove(0);
        client.seq += 1;
        client.hear(&fin);
        assert!(send_at(&mut lab, 1, &client.segment(".", &[])).is_empty());
        lab.over();
    }
}

#[test]
fn one_syn_on_both_queues_is_one_connection() {
    for family in FAMILIES {
        let mut lab = two(Service::Discard);
        let mut client = Client::new(family, 4000);
        assert!(lab.sim.inject_at(0, &client.syn()) && lab.sim.inject_at(1, &client.syn()));
        lab.run();
        let answers = lab.all();
        assert_eq!(answers.len(), 2, "the second is answered by the owner");
        assert_eq!(answers[0].info, answers[1].info);
        assert_eq!(lab.sim.connections(), 1);
        (client.seq, client.ack) = (client.seq + 1, answers[0].info.seq + 1);
        let reset = client.segment("R.", &[]);
        assert!(send_at(&mut lab, 1, &reset).is_empty());
        lab.over();
    }
}

/// The owner ends the connection before it takes the forwarded frame: there is no core left to forward to.
#[test]
fn a_frame_forwarded_for_a_connection_that_has_gone() {
    for family in FAMILIES {
        let mut lab = two(Service::Discard);
        let mut client = Client::open(family, 4000, &mut lab);
        // Core 1 forwards its frame in the same round in which core 0 takes the RST.
        assert!(lab.sim.inject_at(0, &client.segment("R.", &[])));
        let late = client.say(b"late");
        assert!(lab.sim.inject_at(1, &late));
        lab.run();
        assert_eq!(lab.expect("R").info.seq, client.ack);
        lab.over();
    }
}

/// Three cores forward 64 frames a poll each, the owner takes 64: what does not fit is counted, and
/// every frame is accounted for.
#[test]
fn a_full_forward_queue_is_counted() {
    let mut lab = Lab::with(Service::Discard, |setup| {
        setup.cores = 4;
        setup.frames = 4096;
    });
    let client = Client::open(FAMILIES[0], 4000, &mut lab);
    for core in 1..4 {
        for _ in 0..2000 {
            assert!(lab.sim.inject_at(core, &client.segment(".", &[])));
        }
    }
    lab.run();
    let full = |core: usize| lab.sim.counters(core).drops[DropReason::ForwardQueueFull as usize].value();
    let out = |core: usize| lab.sim.counters(core).forwarded_out.value();
    for core in 1..4 {
        assert_eq!(full(core) + out(core), 2000);
    }
    assert!((1..4).map(full).sum::<u64>() > 1000);
    assert_eq!(lab.sim.counters(0).forwarded_in.value(), (1..4).map(out).sum::<u64>());
    client.abort(&mut lab);
    lab.over();
}

/// Retransmissions of a connection go out where its last segment came in: at its owner.
#[test]
fn timers_belong_to_the_owner() {
    let mut lab = two(Service::Echo);
    let mut client = Client::open(FAMILIES[0], 4000, &mut lab);
    let frame = client.say(b"hello");
    assert_eq!(send_at(&mut lab, 1, &frame).len(), 1);
    lab.wait(1010);
    assert_eq!(lab.expect("P.").payload, b"hello");
    client.abort(&mut lab);
    lab.over();
}
