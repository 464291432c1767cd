//! The end of the program: every peer that has a connection is sent a RST or a FIN.

use handfast_stack::engine::{OnStop, StopNotice};
use handfast_stack::observe::Closed;
use handfast_stack::service::Service;

use crate::caller::{Order, calling, ends};
use crate::client::{Client, FAMILIES, Family, Lab, Reply};

fn open(lab: &mut Lab, ports: std::ops::Range<u16>) {
    for port in ports {
        Client::open(Family::V4, 4000 + port, lab);
    }
}

const RESET: OnStop = OnStop { notice: StopNotice::Reset, within_ms: 1000, per_second: 1_000_000 };

/// What is sent at the end, and how long that takes, milliseconds.
fn stop(lab: &mut Lab, plan: OnStop) -> (Vec<Reply>, u64) {
    let (start, mut sent) = (lab.now_ms(), Vec::new());
    lab.sim.stop(plan, |sim| sent.extend(std::iter::from_fn(|| sim.collect())));
    sent.extend(std::iter::from_fn(|| lab.sim.collect()));
    let read = |frame: &Vec<u8>| crate::frames::read(frame).expect("a segment");
    (sent.iter().map(read).collect(), lab.now_ms() - start)
}

/// Reset, sent or not: what the counters say.
fn counted(lab: &Lab) -> (u64, u64, u64) {
    let counters = lab.sim.counters(0);
    (lab.closed(Closed::Stopped), counters.stop_notices.value(), counters.left_open.value())
}

#[test]
fn every_synchronized_connection_is_reset_where_its_peer_expects_it() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Hold);
        let mut peers: Vec<Client> = (0..5).map(|port| Client::open(family, 4000 + port, &mut lab)).collect();
        // CLOSE-WAIT.
        lab.send(&peers[4].segment("F.", &[]));
        lab.expect(".");
        peers[4].seq += 1;
        // Half-open.
        lab.send(&Client::new(family, 5000).syn());
        lab.expect("S.");
        let (sent, took) = stop(&mut lab, RESET);
        let got: Vec<_> =
            sent.iter().map(|r| (r.port, r.info.seq, r.info.ack, format!("{:?}", r.info.flags))).collect();
        let want: Vec<_> =
            peers.iter().map(|peer| (peer.port, peer.ack, peer.seq, "R.".to_owned())).collect();
        assert_eq!(got, want);
        assert_eq!(counted(&lab), (5, 5, 0));
        assert!(took <= 1, "{took} ms: the rate begins with one");
        assert_eq!(lab.sim.counters(0).connections.value(), 1, "the half-open one");
        lab.sound();
    }
}

#[test]
fn states_that_we_closed_first() {
    let mut lab = Lab::new(Service::Close);
    let mut open = |port| {
        let mut client = Client::open(Family::V4, port, &mut lab);
        let fin = lab.expect("F.");
        client.hear(&fin);
        client
    };
    let (fin_wait_1, fin_wait_2, time_wait) = (open(4000), open(4001), open(4002));
    lab.send(&fin_wait_2.segment(".", &[]));
    lab.send(&time_wait.segment("F.", &[]));
    lab.expect(".");
    let (sent, _) = stop(&mut lab, RESET);
    let got: Vec<_> = sent.iter().map(|reply| (reply.port, reply.info.seq)).collect();
    assert_eq!(got, [(4000, fin_wait_1.ack), (4001, fin_wait_2.ack)], "TIME-WAIT needs none");
    lab.assert_closed(&[(Closed::Active, 1), (Closed::Stopped, 2)]);
}

#[test]
fn an_end_without_connections_takes_no_time() {
    for notice in [StopNotice::Nothing, StopNotice::Reset, StopNotice::Fin] {
        let mut lab = Lab::new(Service::Hold);
        lab.send(&Client::new(Family::V4, 4000).syn());
        lab.expect("S.");
        let (sent, took) = stop(&mut lab, OnStop { notice, ..RESET });
        assert_eq!((sent.len(), took), (0, 0), "{notice:?}");
    }
}

#[test]
fn nothing_is_sent_where_nothing_is_asked_for() {
    let mut lab = Lab::new(Service::Hold);
    Client::open(Family::V4, 4000, &mut lab);
    let (sent, took) = stop(&mut lab, OnStop { notice: StopNotice::Nothing, ..RESET });
    assert_eq!((sent.len(), took, counted(&lab)), (0, 0, (0, 0, 0)));
    assert_eq!(lab.sim.connections(), 1);
}

fn many(setup: &mut handfast_stack::engine::simulation::Setup) {
    setup.capacity = 4000;
}

/// Few frames: the wire takes them once a millisecond.
#[test]
fn frames_that_are_all_in_use_are_waited_for() {
    for frames in [1, 32] {
        let mut lab = Lab::with(Service::Hold, |setup| {
            many(setup);
            setup.frames = frames;
        });
        open(&mut lab, 0..300);
        let (sent, _) = stop(&mut lab, RESET);
        assert_eq!((sent.len(), counted(&lab)), (300, (300, 300, 0)));
        lab.over();
    }
}

#[test]
fn rate_and_time_are_bounded() {
    for (per_second, reached) in [(1000, 1000), (10_000, 3000)] {
        let mut lab = Lab::with(Service::Hold, many);
        open(&mut lab, 0..3000);
        let (sent, took) = stop(&mut lab, OnStop { per_second, ..RESET });
        let (stopped, notices, left) = counted(&lab);
        assert_eq!((stopped, notices, stopped + left), (sent.len() as u64, sent.len() as u64, 3000));
        assert!(stopped.abs_diff(reached) <= 2, "{stopped} at {per_second} a second");
        let in_full = 3000 * 1000 / u64::from(per_second);
        assert!(took.abs_diff(in_full.min(1000)) <= 2, "{took} ms at {per_second} a second");
    }
}

#[test]
fn both_families_and_both_cores_are_reached() {
    let mut lab = Lab::with(Service::Hold, |setup| setup.cores = 2);
    for family in FAMILIES {
        for core in 0..2 {
            let mut client = Client::new(family, 4000 + core as u16);
            assert!(lab.sim.inject_at(core, &client.syn()));
            lab.run();
            let answer = lab.expect("S.");
            (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
            assert!(lab.sim.inject_at(core, &client.segment(".", &[])));
            lab.run();
        }
    }
    let (sent, _) = stop(&mut lab, RESET);
    assert_eq!((sent.len(), lab.sim.connections()), (4, 0));
}

#[test]
fn fin_waits_for_the_peers_to_close() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Hold);
        let mut polite = Client::open(family, 4000, &mut lab);
        Client::open(family, 4001, &mut lab);
        let plan = OnStop { notice: StopNotice::Fin, ..RESET };
        let mut sent = Vec::new();
        let mut ms = 0;
        lab.sim.stop(plan, |sim| {
            sent.extend(std::iter::from_fn(|| sim.collect()).filter_map(|frame| crate::frames::read(&frame)));
            ms += 1;
            if ms == 10 {
                polite.ack += 1;
                assert!(sim.inject(&polite.segment("F.", &[])));
                // And no new connections.
                assert!(sim.inject(&Client::new(family, 4002).syn()));
            }
        });
        let got: Vec<_> = sent.iter().map(|reply| (reply.port, format!("{:?}", reply.info.flags))).collect();
        let want = [(4000, "F."), (4001, "F."), (4002, "R."), (4000, ".")]
            .map(|(port, flags)| (port, flags.to_owned()));
        assert_eq!(got, want);
        assert_eq!((ms, counted(&lab)), (1000, (0, 2, 0)), "the other peer was waited for");
        lab.assert_closed(&[(Closed::Active, 1)]);
    }
}

/// What the user had queued goes first; where the peer's window keeps it back, there is no FIN.
#[test]
fn a_fin_goes_behind_the_data() {
    let mut lab = Lab::new(Service::Echo);
    let mut client = Client { window: 0, ..Client::open(Family::V4, 4000, &mut lab) };
    let hello = client.say(b"hello");
    lab.send(&hello);
    lab.expect(".");
    let (sent, took) = stop(&mut lab, OnStop { notice: StopNotice::Fin, ..RESET });
    assert!(sent.iter().all(|reply| !format!("{:?}", reply.info.flags).contains('F')));
    assert_eq!((took, counted(&lab)), (1000, (0, 0, 1)));
}

/// The RST's number lies after data that was lost, so the peer challenges it (RFC 5961 3.2) and is answered.
#[test]
fn a_challenge_of_the_reset_is_answered_where_data_was_in_flight() {
    let mut lab = Lab::new(Service::Echo);
    let mut client = Client::open(Family::V4, 4000, &mut lab);
    let hello = client.say(b"hello");
    lab.send(&hello);
    lab.expect("P.");
    let (mut sent, mut asked) = (Vec::new(), false);
    lab.sim.stop(RESET, |sim| {
        sent.extend(std::iter::from_fn(|| sim.collect()).filter_map(|frame| crate::frames::read(&frame)));
        if !asked {
            asked = true;
            assert!(sim.inject(&client.segment(".", &[])));
        }
    });
    let got: Vec<_> = sent.iter().map(|reply| (reply.info.seq, format!("{:?}", reply.info.flags))).collect();
    assert_eq!(got, [(client.ack + 5, "R.".to_owned()), (client.ack, "R".to_owned())]);
    assert!(lab.now_ms() <= 101);
}

#[test]
fn a_handshake_that_ends_meanwhile_is_reset_too() {
    let mut lab = Lab::with(Service::Hold, |setup| setup.frames = 64);
    open(&mut lab, 0..30);
    let mut late = Client::new(Family::V4, 5000);
    lab.send(&late.syn());
    let answer = lab.expect("S.");
    (late.seq, late.ack) = (late.seq + 1, answer.info.seq + 1);
    let mut ms = 0;
    lab.sim.stop(OnStop { per_second: 1000, ..RESET }, |sim| {
        sim.collect_all(|_| {});
        ms += 1;
        if ms == 10 {
            assert!(sim.inject(&late.segment(".", &[])));
        }
    });
    assert_eq!((counted(&lab), lab.sim.connections()), ((31, 31, 0), 0));
}

#[test]
fn connections_that_we_opened_are_reset() {
    let (mut lab, script) = calling(|_| {});
    script.order(Order::Open(ends(Family::V4, 7000)));
    script.order(Order::Open(ends(Family::V4, 7001)));
    lab.run();
    let mut peer = Client::new(Family::V4, 7000);
    let syn = lab.expect("S");
    peer.hear(&syn);
    lab.expect("S");
    lab.send(&peer.segment("S.", &[]));
    lab.expect(".");
    // Not opened any more.
    script.order(Order::Open(ends(Family::V4, 7002)));
    let (sent, _) = stop(&mut lab, RESET);
    assert_eq!(sent.iter().map(|reply| reply.port).collect::<Vec<_>>(), [7000], "of SYN-SENT no peer knows");
    lab.assert_closed(&[(Closed::Stopped, 1)]);
}
