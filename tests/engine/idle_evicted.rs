//! Slots run out: the connection that is idle for longest makes room for a peer that has proved its
//! address, a busy one never does.

use handfast_stack::observe::{Closed, DropReason};
use handfast_stack::service::Service;
use handfast_stack::tcp::CookieMode;

use crate::client::{Client, FAMILIES, Family, Lab};

fn lab(capacity: u32, cookies: CookieMode, service: Service) -> Lab {
    Lab::with(service, |setup| {
        (setup.capacity, setup.config.cookies) = (capacity, cookies);
    })
}

/// Text, its echo, and the ACK of that.
fn chat(client: &mut Client, lab: &mut Lab) {
    let frame = client.say(b"busy");
    lab.send(&frame);
    let echo = lab.expect("P.");
    client.hear(&echo);
    lab.send(&client.segment(".", &[]));
}

/// SYN, SYN-ACK, ACK; the port whose connection was reset for it.
fn arrive(family: Family, port: u16, lab: &mut Lab) -> (Client, Option<u16>) {
    let mut client = Client::new(family, port);
    lab.send(&client.syn());
    let mut replies = lab.all();
    let at = replies.iter().position(|reply| reply.port == port);
    if let Some(at) = at {
        let answer = replies.remove(at);
        (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
        lab.send(&client.segment(".", &[]));
        replies.extend(lab.all());
    }
    // Where nothing gives way, the newcomer is refused.
    replies.retain(|reply| reply.port != port);
    for reply in &replies {
        assert_eq!(format!("{:?}", reply.info.flags), "R.", "{reply:?}");
    }
    (client, replies.first().map(|reply| reply.port))
}

#[test]
fn the_longest_idle_gives_way_and_is_reset() {
    for family in FAMILIES {
        for mode in [CookieMode::Auto, CookieMode::Never] {
            let mut lab = lab(6, mode, Service::Echo);
            let mut clients: Vec<Client> = (0..6)
                .map(|port| {
                    lab.wait(100);
                    Client::open(family, 4000 + port, &mut lab)
                })
                .collect();
            // Who has spoken is younger than those that were silent.
            for at in [1, 0, 4] {
                lab.wait(100);
                chat(&mut clients[at], &mut lab);
            }
            lab.wait(5000);
            for (number, gone) in (0..).zip([4002, 4003, 4005, 4001, 4000, 4004]) {
                let (_, reset) = arrive(family, 5000 + number, &mut lab);
                assert_eq!(reset, Some(gone), "{mode:?}");
            }
            lab.assert_closed(&[(Closed::IdleEvicted, 6)]);
            assert_eq!(lab.sim.connections(), 6);
            lab.sound();
        }
    }
}

#[test]
fn a_busy_one_never_gives_way() {
    for mode in [CookieMode::Auto, CookieMode::Never] {
        let mut lab = lab(4, mode, Service::Echo);
        let mut clients: Vec<Client> =
            (0..4).map(|port| Client::open(Family::V4, 4000 + port, &mut lab)).collect();
        for round in 0..20 {
            lab.wait(900);
            clients.iter_mut().for_each(|client| chat(client, &mut lab));
            let (_, reset) = arrive(Family::V4, 5000 + round, &mut lab);
            assert_eq!(reset, None);
        }
        lab.assert_closed(&[]);
        assert_eq!(lab.dropped(DropReason::SlotsFull), 20);
    }
}

/// A SYN alone may come from anywhere: under `auto` it takes a cookie's ACK.
#[test]
fn spoofed_syns_end_no_connection() {
    let mut lab = lab(4, CookieMode::Auto, Service::Echo);
    let _clients: Vec<Client> = (0..4).map(|port| Client::open(Family::V4, 4000 + port, &mut lab)).collect();
    lab.wait(60_000);
    for port in 0..500 {
        lab.send(&Client::new(Family::V4, 5000 + port).syn());
        lab.expect("S.");
    }
    lab.assert_closed(&[]);
    assert_eq!(lab.sim.connections(), 4);
}

/// Our side has closed: a peer that keeps its own open is worth less than an open connection.
#[test]
fn fin_wait_2_gives_way_first() {
    let mut lab = lab(2, CookieMode::Auto, Service::Close);
    for port in [4000, 4001] {
        let mut client = Client::open(Family::V4, port, &mut lab);
        let fin = lab.expect("F.");
        client.hear(&fin);
        lab.send(&client.segment(".", &[]));
        lab.wait(2000);
    }
    let mut late = Client::new(Family::V4, 5000);
    lab.send(&late.syn());
    let answer = lab.expect("S.");
    (late.seq, late.ack) = (late.seq + 1, answer.info.seq + 1);
    lab.send(&late.segment(".", &[]));
    let sent: Vec<(u16, String)> =
        lab.all().iter().map(|reply| (reply.port, format!("{:?}", reply.info.flags))).collect();
    assert!(sent.contains(&(4000, "R.".to_owned())), "{sent:?}");
    lab.assert_closed(&[(Closed::IdleEvicted, 1)]);
}

/// A table that is larger than what is looked at: always one of the idle ones.
#[test]
fn in_a_large_table_an_idle_one_gives_way() {
    let mut lab = lab(3000, CookieMode::Never, Service::Echo);
    let mut busy: Vec<Client> = Vec::new();
    for port in 0..3000 {
        let client = Client::open(Family::V4, 4000 + port, &mut lab);
        if port % 10 == 0 {
            busy.push(client);
        }
    }
    lab.wait(3000);
    busy.iter_mut().for_each(|client| chat(client, &mut lab));
    for number in 0..200 {
        let (_, reset) = arrive(Family::V4, 10_000 + number, &mut lab);
        assert!(reset.is_some_and(|port| (port - 4000) % 10 != 0), "{number}: {reset:?}");
        lab.wait(1);
    }
    lab.assert_closed(&[(Closed::IdleEvicted, 200)]);
}
