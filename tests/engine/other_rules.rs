//! Listeners change at run time: connections stay with the listener that accepted them, new ones meet the new
//! rules.

use handfast_stack::engine::FaultInjection;
use handfast_stack::engine::simulation::{MakeHandler, Setup};
use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::CookieMode;
use handfast_stack::wire::EndpointRange;

use crate::client::{Client, FAMILIES, Family, Lab};

const BOTH: [&str; 2] = ["192.0.2.1:80", "[2001:db8::1]:80"];

/// Rules for both families' port 80: `None` as before, or another service.
pub fn rules(rules: &[(&str, Option<Service>)]) -> Vec<(EndpointRange, Option<MakeHandler>)> {
    let make = |service: Service| Box::new(move || service.user()) as MakeHandler;
    rules.iter().map(|(owned, service)| (owned.parse().unwrap(), service.map(make))).collect()
}

fn listen(lab: &mut Lab, wanted: &[(&str, Option<Service>)]) {
    lab.sim.listen(&rules(wanted), FaultInjection::default(), |_, _| {}).expect("rules without conflict");
}

fn echoes(lab: &mut Lab, client: &mut Client) {
    let frame = client.say(b"hello");
    lab.send(&frame);
    let echo = lab.expect("P.");
    assert_eq!(echo.payload, b"hello");
    client.hear(&echo);
    lab.send(&client.segment(".", &[]));
}

fn refused(lab: &mut Lab, client: &Client) {
    lab.send(&client.syn());
    assert_eq!(lab.expect("R.").info.ack, client.seq + 1);
}

#[test]
fn a_connection_outlives_its_listener_and_new_ones_are_refused() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = Client::open(family, 4000, &mut lab);
        echoes(&mut lab, &mut client);
        listen(&mut lab, &[]);
        echoes(&mut lab, &mut client);
        refused(&mut lab, &Client::new(family, 4001));
        // Also one that has been asked for most lately.
        refused(&mut lab, &Client::new(family, 4001));
        echoes(&mut lab, &mut client);
        client.close(&mut lab);
        lab.over();
        listen(&mut lab, &BOTH.map(|owned| (owned, Some(Service::Echo))));
        let mut client = Client::open(family, 4001, &mut lab);
        echoes(&mut lab, &mut client);
        client.close(&mut lab);
        lab.over();
    }
}

#[test]
fn another_service_at_the_same_place_is_for_new_connections() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut old = Client::open(family, 4000, &mut lab);
        listen(&mut lab, &BOTH.map(|owned| (owned, Some(Service::Discard))));
        let mut new = Client::open(family, 4001, &mut lab);
        let frame = new.say(b"hello");
        lab.send(&frame);
        assert_eq!(lab.expect(".").payload, b"");
        echoes(&mut lab, &mut old);
        new.close(&mut lab);
        old.close(&mut lab);
        lab.over();
    }
}

#[test]
fn what_stays_keeps_its_connections_whatever_its_place_in_the_list() {
    let mut lab = Lab::new(Service::Echo);
    let mut clients = FAMILIES.map(|family| Client::open(family, 4000, &mut lab));
    let [v4, v6] = BOTH;
    listen(&mut lab, &[("10.0.0.0/8:1-99", Some(Service::Reset)), (v6, None), (v4, None)]);
    for client in &mut clients {
        echoes(&mut lab, client);
        client.close(&mut lab);
    }
    for family in FAMILIES {
        let mut client = Client::open(family, 4001, &mut lab);
        echoes(&mut lab, &mut client);
        client.close(&mut lab);
    }
    lab.over();
}

#[test]
fn a_half_open_connection_is_a_connection() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Echo);
        let mut client = Client::new(family, 4000);
        lab.send(&client.syn());
        let answer = lab.expect("S.");
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        listen(&mut lab, &[]);
        lab.send(&client.segment(".", &[]));
        echoes(&mut lab, &mut client);
        client.close(&mut lab);
        lab.over();
    }
}

#[test]
fn a_cookie_of_a_removed_listener_is_worth_nothing() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Echo, |setup: &mut Setup| setup.config.cookies = CookieMode::Always);
        let mut client = Client::new(family, 4000);
        lab.send(&client.syn());
        let answer = lab.expect("S.");
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        listen(&mut lab, &[]);
        lab.send(&client.segment(".", &[]));
        assert_eq!(lab.expect("R").info.seq, client.ack);
        lab.over();
    }
}

/// The connection in TIME-WAIT ends for a new SYN (RFC 9293 3.10.7.4), which then meets no listener.
#[test]
fn time_wait_is_not_reopened_at_a_removed_listener() {
    let mut lab = Lab::new(Service::Close);
    let mut client = Client::new(Family::V4, 4000);
    lab.send(&client.syn());
    let answer = lab.expect("S.");
    (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
    lab.send(&client.segment(".", &[]));
    let fin = lab.expect("F.");
    client.hear(&fin);
    lab.send(&client.segment("F.", &[]));
    lab.expect(".");
    assert_eq!(lab.sim.connections(), 1);
    listen(&mut lab, &[]);
    refused(&mut lab, &Client { seq: client.seq + 70_000, ..client });
    lab.assert_closed(&[(Closed::TimeWaitReused, 1), (Closed::Active, 1)]);
    lab.over();
}

#[test]
fn faults_change_with_the_rules() {
    let mut lab = Lab::new(Service::Echo);
    let all = FaultInjection { drop: 1.0, ..FaultInjection::default() };
    let same = || rules(&BOTH.map(|owned| (owned, None)));
    lab.sim.listen(&same(), all, |_, _| {}).unwrap();
    lab.send(&Client::new(Family::V4, 4000).syn());
    lab.silent();
    lab.assert_dropped(&[(DropReason::FaultDrop, 1)]);
    lab.sim.listen(&same(), FaultInjection::default(), |_, _| {}).unwrap();
    Client::open(Family::V4, 4000, &mut lab).close(&mut lab);
    lab.over();
}

#[test]
fn contradictions_change_nothing() {
    let mut lab = Lab::new(Service::Echo);
    let mut client = Client::open(Family::V4, 4000, &mut lab);
    let [v4, _] = BOTH;
    for wrong in [
        &[(v4, None), (v4, Some(Service::Discard))][..],
        &[(v4, None), (v4, None)],
        &[("192.0.2.1:81", None)],
    ] {
        assert!(lab.sim.listen(&rules(wrong), FaultInjection::default(), |_, _| panic!("changed")).is_err());
    }
    echoes(&mut lab, &mut client);
    client.close(&mut lab);
    Client::open(Family::V4, 4001, &mut lab).close(&mut lab);
    lab.over();
}

/// One core after the other takes the rules; in between the segments of one flow come in at either.
#[test]
fn cores_need_not_change_at_the_same_moment() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Echo, |setup| setup.cores = 2);
        let mut client = Client::open(family, 4000, &mut lab);
        let late = client.say(b"on the way");
        let newcomer = Client::new(family, 4001).syn();
        lab.sim
            .listen(&[], FaultInjection::default(), |changed, sim| {
                // The first is answered by RST already, the second not yet.
                if changed == 1 {
                    assert!(sim.inject_at(0, &newcomer));
                    assert!(sim.inject_at(1, &late));
                    sim.run();
                }
            })
            .unwrap();
        lab.run();
        let mut flags: Vec<String> =
            lab.all().iter().map(|reply| format!("{:?} {}", reply.info.flags, reply.port)).collect();
        flags.sort();
        assert_eq!(flags, ["P. 4000", "R. 4001"]);
        client.ack += 10;
        lab.send(&client.segment(".", &[]));
        client.close(&mut lab);
        lab.over();
    }
}
