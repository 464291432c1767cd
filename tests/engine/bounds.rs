//! Full tables and floods: bounded, counted by name, and no established connection is lost.

use handfast_stack::observe::Closed;
use handfast_stack::service::Service;

use crate::client::{Client, FAMILIES, Family, Lab};

/// A connection that we have closed: it stays in TIME-WAIT.
fn time_wait(lab: &mut Lab, family: Family, port: u16) -> Client {
    let mut client = Client::open(family, port, lab);
    let fin = lab.expect("F.");
    client.hear(&fin);
    lab.send(&client.segment("F.", &[]));
    client.seq += 1;
    lab.expect(".");
    client
}

#[test]
fn the_oldest_time_wait_makes_room_first() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Close, |setup| setup.capacity = 4);
        let old: Vec<_> = (0..4).map(|port| time_wait(&mut lab, family, 4000 + port)).collect();
        time_wait(&mut lab, family, 4100);
        assert_eq!((lab.closed(Closed::TimeWaitEvicted), lab.sim.connections()), (1, 4));
        // Gone: answered as by a closed port. The second oldest still answers for itself.
        lab.send(&old[0].segment(".", &[]));
        lab.expect("R");
        lab.send(&old[1].segment(".", &[]));
        lab.silent();
        lab.wait(60_000);
        lab.assert_closed(&[(Closed::Active, 5), (Closed::TimeWaitEvicted, 1), (Closed::TimeWaitEnded, 4)]);
        lab.over();
    }
}

#[test]
fn time_wait_has_a_budget() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Close, |setup| setup.bounds.time_wait_budget = 3);
        for port in 0..10 {
            time_wait(&mut lab, family, 4000 + port);
            assert!(lab.sim.connections() <= 3);
        }
        assert_eq!(lab.sim.counters(0).time_wait.value(), 3);
        lab.wait(60_000);
        lab.assert_closed(&[(Closed::Active, 10), (Closed::TimeWaitEvicted, 7), (Closed::TimeWaitEnded, 3)]);
        lab.over();
    }
}

#[test]
fn the_smallest_budget_still_sends_the_last_ack() {
    let mut lab = Lab::with(Service::Close, |setup| setup.bounds.time_wait_budget = 0);
    for port in 0..3 {
        time_wait(&mut lab, Family::V4, 4000 + port);
        assert_eq!(lab.sim.connections(), 1);
    }
    lab.assert_closed(&[(Closed::Active, 3), (Closed::TimeWaitEvicted, 2)]);
}

#[test]
fn a_flood_leaves_the_established_alone() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Echo, |setup| {
            setup.capacity = 1000;
            setup.bounds.half_open_bound = 500;
        });
        let mut client = Client::open(family, 4000, &mut lab);
        for round in 0..2_000u32 {
            let syns: Vec<_> = (0..50u32)
                .map(|i| {
                    let port = 5000 + ((round * 50 + i) % 50_000) as u16;
                    Client::new(family, port).syn()
                })
                .collect();
            lab.batch(&syns);
            assert!(lab.all().len() <= 50);
            assert!(lab.sim.connections() <= 501);
            if round % 100 == 0 {
                let hello = client.say(b"hello");
                lab.send(&hello);
                let echo = lab.expect("P.");
                client.hear(&echo);
                lab.send(&client.segment(".", &[]));
            }
        }
        // Ports come round once: what was half-open by then is not a new connection.
        let counters = lab.sim.counters(0);
        assert_eq!(counters.syns.value() + counters.syn_ack_retransmissions.value(), 100_001);
        lab.wait(8000);
        assert_eq!(lab.closed(Closed::HandshakeTimeout), 500);
        lab.all();
        client.close(&mut lab);
        lab.over();
    }
}

/// More expire at once than one poll serves.
#[test]
fn a_wave_of_timers_is_served_in_full() {
    let mut lab = Lab::with(Service::Hold, |setup| {
        setup.capacity = 2000;
        setup.frames = 4096;
    });
    for round in 0..20 {
        let syns: Vec<_> = (0..50).map(|i| Client::new(Family::V4, 4000 + round * 50 + i).syn()).collect();
        lab.batch(&syns);
    }
    assert_eq!(lab.all().len(), 1000);
    lab.wait(1000);
    assert_eq!(lab.all().len(), 1000, "every SYN-ACK again");
    lab.wait(6000);
    assert_eq!(lab.all().len(), 1000);
    lab.over();
}
