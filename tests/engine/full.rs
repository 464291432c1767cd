//! No slot for a new connection: it is refused by name, and a client that was answered gets a RST.

use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;
use handfast_stack::tcp::{CookieMode, WhenFull};
use handfast_stack::wire::TcpOptions;

use crate::client::{Client, FAMILIES, Family, Lab};

const SLOTS: u16 = 4;

/// Every slot is taken by a connection that stays.
fn full(family: Family, cookies: CookieMode, when_full: WhenFull) -> (Lab, Vec<Client>) {
    let mut lab = Lab::with(Service::Echo, |setup| {
        setup.capacity = u32::from(SLOTS);
        setup.config.cookies = cookies;
        setup.config.when_full = when_full;
        // A limit that is spent does not leave a client without its RST.
        setup.bounds.rst_rate = if cookies == CookieMode::Never { 100 } else { 0 };
    });
    let clients = (0..SLOTS).map(|port| Client::open(family, 4000 + port, &mut lab)).collect();
    (lab, clients)
}

/// A SYN, and what it is answered with.
fn syn(lab: &mut Lab, family: Family, port: u16) -> (Client, Option<String>) {
    let mut client = Client::new(family, port);
    lab.send(&client.syn_with(TcpOptions { mss: Some(1460), ..TcpOptions::default() }));
    let Some(answer) = lab.reply() else { return (client, None) };
    (client.seq, client.ack) = (client.seq + 1, answer.info.seq + 1);
    (client, Some(format!("{:?}", answer.info.flags)))
}

/// Connections that have a slot are served, and end.
fn served(lab: &mut Lab, clients: &mut [Client]) {
    for client in clients {
        let hello = client.say(b"still here");
        lab.send(&hello);
        assert_eq!(lab.expect("P.").payload, b"still here");
        client.abort(lab);
    }
    lab.over();
}

#[test]
fn no_client_is_left_connected_without_a_slot() {
    for family in FAMILIES {
        for cookies in [CookieMode::Auto, CookieMode::Always] {
            for data in [&b""[..], b"GET /"] {
                let (mut lab, mut clients) = full(family, cookies, WhenFull::Reset);
                for port in 0..50 {
                    let (late, answer) = syn(&mut lab, family, 4100 + port);
                    assert_eq!(answer.as_deref(), Some("S."), "{cookies:?}");
                    lab.send(&late.segment(if data.is_empty() { "." } else { "P." }, data));
                    assert_eq!(lab.expect("R").info.seq, late.ack, "{cookies:?}, {} bytes", data.len());
                }
                lab.assert_dropped(&[(DropReason::SlotsFull, 50)]);
                served(&mut lab, &mut clients);
            }
        }
    }
}

#[test]
fn without_cookies_the_syn_is_refused() {
    for family in FAMILIES {
        let (mut lab, mut clients) = full(family, CookieMode::Never, WhenFull::Reset);
        let (_, answer) = syn(&mut lab, family, 4100);
        assert_eq!(answer.as_deref(), Some("R."));
        lab.assert_dropped(&[(DropReason::SlotsFull, 1)]);
        served(&mut lab, &mut clients);
    }
}

#[test]
fn silence_begins_at_the_syn() {
    for family in FAMILIES {
        for cookies in [CookieMode::Auto, CookieMode::Always, CookieMode::Never] {
            let (mut lab, mut clients) = full(family, cookies, WhenFull::Drop);
            let (late, answer) = syn(&mut lab, family, 4100);
            assert_eq!(answer, None, "{cookies:?}");
            lab.assert_dropped(&[(DropReason::SlotsFull, 1)]);
            // The SYN comes again when there is room.
            clients.pop().unwrap().abort(&mut lab);
            let (mut late, answer) = syn(&mut lab, family, late.port);
            assert_eq!(answer.as_deref(), Some("S."), "{cookies:?}");
            lab.send(&late.segment(".", &[]));
            let hello = late.say(b"hello");
            lab.send(&hello);
            assert_eq!(lab.expect("P.").payload, b"hello");
            late.abort(&mut lab);
            served(&mut lab, &mut clients);
        }
    }
}

/// The last slot is taken between SYN and ACK.
#[test]
fn a_cookie_that_comes_too_late() {
    for when_full in [WhenFull::Reset, WhenFull::Drop] {
        let (mut lab, mut clients) = full(Family::V4, CookieMode::Always, when_full);
        clients.pop().unwrap().abort(&mut lab);
        let (mut late, answer) = syn(&mut lab, Family::V4, 4100);
        assert_eq!(answer.as_deref(), Some("S."));
        clients.push(Client::open(Family::V4, 4200, &mut lab));
        lab.send(&late.segment(".", &[]));
        lab.assert_dropped(&[(DropReason::SlotsFull, 1)]);
        match when_full {
            WhenFull::Reset => drop(lab.expect("R")),
            WhenFull::Drop => {
                lab.silent();
                // Its data comes again, and there is room.
                clients.pop().unwrap().abort(&mut lab);
                let hello = late.say(b"hello");
                lab.send(&hello);
                assert_eq!(lab.expect("P.").payload, b"hello");
                late.abort(&mut lab);
            }
        }
        served(&mut lab, &mut clients);
    }
}

/// TIME-WAIT gives way first, so it is no reason to be silent.
#[test]
fn time_wait_makes_room_also_for_a_cookie() {
    let mut lab = Lab::with(Service::Close, |setup| {
        setup.capacity = 2;
        setup.config.cookies = CookieMode::Always;
        setup.config.when_full = WhenFull::Drop;
    });
    for port in 0..6 {
        let (mut client, answer) = syn(&mut lab, Family::V4, 4000 + port);
        assert_eq!(answer.as_deref(), Some("S."), "client {port}");
        lab.send(&client.segment(".", &[]));
        let fin = lab.expect("F.");
        client.hear(&fin);
        lab.send(&client.segment("F.", &[]));
        lab.expect(".");
    }
    lab.assert_dropped(&[]);
}
