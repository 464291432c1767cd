//! SYN cookies: state that travels (RFC 4987 3.6).

use handfast_stack::engine::simulation::Setup;
use handfast_stack::observe::DropReason;
use handfast_stack::service::Service;
use handfast_stack::tcp::{CookieMode, Time};
use handfast_stack::wire::{Seq, TcpOptions, Timestamps};

use crate::client::{CLIENT_ISN, Client, FAMILIES, Family, Lab};

fn always(setup: &mut Setup) {
    setup.config.cookies = CookieMode::Always;
    // The beginning of a period of 64 s.
    setup.start = Time::from_millis(64_000 * 100);
}

/// A client with the cookie it was given.
fn cookie(lab: &mut Lab, family: Family, port: u16) -> Client {
    let mut client = Client::new(family, port);
    lab.send(&client.syn());
    let answer = lab.expect("S.");
    client.seq += 1;
    client.ack = answer.info.seq + 1;
    client
}

#[test]
fn the_offer_travels_in_the_cookie() {
    let stamp = Some(Timestamps { value: 7777, echo: 0 });
    let all = TcpOptions::of_syn(Some(1460), Some(9), true, stamp);
    let rows = [
        ("all of it", all, 1448, 60 << 9),
        ("no timestamp: no scale", TcpOptions { timestamps: None, ..all }, 1460, 60),
        ("no scale", TcpOptions { window_scale: None, ..all }, 1448, 60),
        ("scale 14", TcpOptions { window_scale: Some(14), ..all }, 1448, 60 << 14),
        ("scale 99 is 14", TcpOptions { window_scale: Some(99), ..all }, 1448, 60 << 14),
        ("a small MSS, rounded down", TcpOptions { mss: Some(1400), ..all }, 1348, 60 << 9),
        ("a tiny MSS", TcpOptions { mss: Some(100), timestamps: None, ..all }, 48, 60),
    ];
    for (what, offer, full, window) in rows {
        let mut lab = Lab::with(Service::Echo, always);
        let mut client = Client { window: 60, ..Client::new(Family::V4, 4000) };
        let answer = client.handshake(&mut lab, offer).info.options;
        assert_eq!(answer.timestamps.is_some(), offer.timestamps.is_some(), "{what}");
        assert_eq!(answer.timestamps.map(|ts| ts.echo), offer.timestamps.map(|ts| ts.value), "{what}");
        let carried = offer.timestamps.is_some();
        assert_eq!(answer.window_scale.is_some(), carried && offer.window_scale.is_some(), "{what}");
        assert_eq!(answer.sack_permitted, carried, "{what}");
        let counters = lab.sim.counters(0);
        assert_eq!((counters.established_by_cookie.value(), counters.established.value()), (1, 1), "{what}");
        // The window that the connection believes in shows in what it sends.
        let frames = [client.say(&[1; 1448]), client.say(&[2; 1448])];
        lab.batch(&frames);
        lab.wait(if window < full { 1100 } else { 1 });
        let sent = lab.all().into_iter().map(|reply| reply.payload.len() as u32).find(|len| *len > 0);
        assert_eq!(sent, Some(full.min(window)), "{what}");
        client.abort(&mut lab);
        lab.over();
    }
}

#[test]
fn nothing_is_kept_until_the_ack() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Discard, always);
        let mut client = cookie(&mut lab, family, 4000);
        assert_eq!(lab.sim.connections(), 0);
        lab.send(&client.segment(".", &[]));
        assert_eq!(lab.sim.connections(), 1);
        client.close(&mut lab);
        lab.over();
    }
}

#[test]
fn data_with_the_ack_is_taken() {
    let mut lab = Lab::with(Service::Discard, always);
    let mut client = cookie(&mut lab, Family::V4, 4000);
    let frame = client.say(b"hello");
    lab.send(&frame);
    assert_eq!(lab.expect(".").info.ack, client.seq);
    client.close(&mut lab);
    lab.over();
}

#[test]
fn a_cookie_lives_for_one_to_two_periods() {
    // (issued, answered) in seconds after a period's beginning.
    let rows = [
        (0, 0, true),
        (0, 63, true),
        (63, 65, true),
        (0, 127, true),
        (0, 128, false),
        (63, 128, false),
        (63, 127, true),
        (1, 1000, false),
    ];
    for (issued, answered, valid) in rows {
        for family in FAMILIES {
            let mut lab = Lab::with(Service::Discard, always);
            lab.wait(issued * 1000);
            let client = cookie(&mut lab, family, 4000);
            lab.wait((answered - issued) * 1000);
            lab.send(&client.segment(".", &[]));
            assert_eq!(lab.sim.connections() == 1, valid, "issued at {issued} s, answered at {answered} s");
            if valid {
                client.abort(&mut lab);
            } else {
                assert_eq!(lab.expect("R").info.seq, client.ack);
            }
            lab.over();
        }
    }
}

/// Keys have gone, although cookies are still being issued.
#[test]
fn an_old_key_is_gone_although_the_secret_stays() {
    let mut lab = Lab::with(Service::Discard, always);
    let client = cookie(&mut lab, Family::V4, 4000);
    lab.wait(128_000);
    cookie(&mut lab, Family::V4, 4001);
    lab.send(&client.segment(".", &[]));
    lab.expect("R");
    lab.assert_dropped(&[(DropReason::CookieInvalid, 1)]);
    lab.over();
}

#[test]
fn a_cookie_is_worth_nothing_elsewhere() {
    let mut lab = Lab::with(Service::Discard, always);
    let client = cookie(&mut lab, Family::V4, 4000);
    let rows = [
        ("another port", Client { port: 4001, ..client }),
        ("another family", Client { family: Family::V6, ..client }),
        ("another ISN", Client { seq: client.seq + 1, ..client }),
        ("another ACK", Client { ack: client.ack + 8, ..client }),
    ];
    for (what, thief) in rows {
        lab.send(&thief.segment(".", &[]));
        assert_eq!(lab.expect("R").info.seq, thief.ack, "{what}");
    }
    lab.assert_dropped(&[(DropReason::CookieInvalid, rows.len() as u64)]);
    lab.send(&client.segment(".", &[]));
    assert_eq!(lab.sim.connections(), 1);
    client.abort(&mut lab);
    lab.over();
}

#[test]
fn no_ack_is_a_cookie_where_none_was_issued() {
    for mode in [CookieMode::Auto, CookieMode::Never, CookieMode::Always] {
        let mut issuing = Lab::with(Service::Discard, always);
        let client = cookie(&mut issuing, Family::V4, 4000);
        let mut lab = Lab::with(Service::Discard, |setup| {
            always(setup);
            setup.config.cookies = mode;
        });
        lab.send(&client.segment(".", &[]));
        lab.expect("R");
        // No cookie was tried: there is nothing to count.
        lab.assert_dropped(&[]);
        lab.over();
    }
}

#[test]
fn guesses_fail() {
    let mut lab = Lab::with(Service::Discard, |setup| {
        always(setup);
        setup.bounds.rst_rate = 10;
    });
    let client = cookie(&mut lab, Family::V4, 4000);
    let mut guess = client.ack.0;
    for _ in 0..1 << 16 {
        guess = guess.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        lab.send(&Client { ack: Seq(guess), ..client }.segment(".", &[]));
    }
    assert_eq!(lab.sim.connections(), 0);
    assert_eq!(lab.dropped(DropReason::CookieInvalid), 1 << 16);
    assert!(lab.all().len() <= 20, "one second's worth of RSTs, and the first burst");
    lab.over();
}

/// From the bound on, until both the half-open connections and the unanswered SYN-ACKs are few.
#[test]
fn auto_is_on_from_the_bound_until_the_load_is_over() {
    for family in FAMILIES {
        let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.half_open_bound = 16);
        let by_cookie = |lab: &Lab| lab.sim.counters(0).syn_acks_cookie.value();
        let begun = |lab: &Lab| lab.sim.counters(0).cookie_modes_begun.value();
        let listeners = |lab: &Lab| lab.sim.counters(0).cookie_listeners.value();
        let mut clients: Vec<_> = (0..16).map(|port| cookie(&mut lab, family, port + 4000)).collect();
        assert_eq!((by_cookie(&lab), begun(&lab)), (0, 1));
        clients.push(cookie(&mut lab, family, 4100));
        assert_eq!((by_cookie(&lab), lab.sim.connections()), (1, 16));
        // Fewer than the bound, but not for long enough.
        clients[..9].iter().for_each(|client| lab.send(&client.segment(".", &[])));
        clients.push(cookie(&mut lab, family, 4101));
        assert_eq!((by_cookie(&lab), listeners(&lab)), (2, 1));
        lab.wait(900);
        clients.push(cookie(&mut lab, family, 4103));
        lab.wait(900);
        lab.all(); // the SYN-ACKs of half-open connections again
        assert_eq!(listeners(&lab), 1, "a SYN-ACK was not answered");
        clients[9..].iter().for_each(|client| lab.send(&client.segment(".", &[])));
        lab.wait(200);
        assert_eq!((listeners(&lab), lab.sim.counters(0).cookie_modes_ended.value()), (0, 1));
        clients.push(cookie(&mut lab, family, 4102));
        assert_eq!((by_cookie(&lab), lab.sim.connections()), (3, 20));
        lab.send(&clients[19].segment(".", &[]));
        assert_eq!(lab.sim.counters(0).established_by_cookie.value(), 3);
        assert_eq!(lab.sim.counters(0).half_open.value(), 0);
        clients.iter_mut().for_each(|client| client.close(&mut lab));
        lab.over();
    }
}

#[test]
fn never_is_never() {
    let mut lab = Lab::with(Service::Discard, |setup| {
        setup.config.cookies = CookieMode::Never;
        setup.bounds.half_open_bound = 1;
    });
    for port in 0..10 {
        cookie(&mut lab, Family::V4, 4000 + port);
    }
    assert_eq!((lab.sim.connections(), lab.sim.counters(0).syn_acks_cookie.value()), (10, 0));
}

/// A SYN that came twice in one batch, at the bound: both answers must be the same connection's.
#[test]
fn twins_at_the_bound_get_one_isn() {
    let mut lab = Lab::with(Service::Discard, |setup| setup.bounds.half_open_bound = 1);
    let client = Client::new(Family::V4, 4000);
    lab.batch(&[client.syn(), client.syn()]);
    let answers = lab.all();
    assert_eq!(answers.len(), 2);
    assert_eq!(answers[0].info.seq, answers[1].info.seq);
    assert_eq!(lab.sim.counters(0).syn_acks_cookie.value(), 0);
}

/// With one slot: the reset of its connection, and a cookie's ACK that takes the slot at once.
/// The pending output of the first is not sent with the state of the second.
#[test]
fn a_slot_that_changes_hands_within_a_batch_keeps_its_secrets() {
    let mut lab = Lab::with(Service::Echo, |setup| {
        always(setup);
        setup.capacity = 1;
    });
    let mut old = cookie(&mut lab, Family::V4, 4000);
    lab.send(&old.segment(".", &[]));
    let mut new = cookie(&mut lab, Family::V4, 4001);
    let theirs = old.say(b"old");
    let ours = new.say(b"secret");
    lab.batch(&[theirs, old.segment("R.", &[]), ours]);
    let echo = lab.expect("P.");
    assert_eq!((echo.port, echo.payload.as_slice(), echo.info.ack), (4001, &b"secret"[..], new.seq));
    new.abort(&mut lab);
    lab.over();
    assert_eq!(new.seq, CLIENT_ISN + 7);
}
