//! Idle connections: keep-alives (RFC 9293 3.8.4), the idle time-out, and no state that stays for ever
//! when its peer is gone. The engine looks at each once in a quarter of the shortest time-out.

use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::observe::Closed;
use handfast_stack::service::{Service, limited};
use handfast_stack::tcp::{ConnectionHandler, IdleLimits};
use handfast_stack::wire::{Flags, ParseConfig};

use crate::client::{Client, FAMILIES, Family, Lab, Reply, SERVER_MAC};

/// A round of the engine's look, with an interval of 10 s.
const ROUND: u64 = 2500;

fn lab(service: Service, keepalive_ms: u32, timeout_ms: u32) -> Lab {
    Lab::with(service, |setup| setup.config.idle = IdleLimits { keepalive_ms, timeout_ms })
}

fn answer(client: &Client, ask: &Reply) -> Vec<u8> {
    assert_eq!((ask.info.payload_len, ask.info.seq + 1), (0, client.ack), "{ask:?}");
    client.segment(".", &[])
}

/// Time passes, and the client answers what it is asked.
fn live(client: &Client, lab: &mut Lab, millis: u32) {
    for _ in 0..millis / 500 {
        lab.wait(500);
        for reply in lab.all() {
            if !reply.info.flags.has(Flags::RST) {
                let answer = answer(client, &reply);
                lab.send(&answer);
            }
        }
    }
}

#[test]
fn a_peer_that_is_gone_ends_after_three_keep_alives() {
    for family in FAMILIES {
        let mut lab = lab(Service::Hold, 60_000, 0);
        let client = Client::open(family, 4000, &mut lab);
        lab.wait(59_999);
        lab.silent();
        lab.wait(45_000);
        let sent = lab.all();
        assert_eq!(sent.len(), 4, "{sent:?}");
        for (number, ask) in (0..).zip(&sent[..3]) {
            answer(&client, ask);
            let due = 60_000 + number * 10_000;
            assert!((due..=due + (number + 1) * ROUND).contains(&ask.at_ms), "{number}: {}", ask.at_ms);
        }
        assert_eq!(format!("{:?}", sent[3].info.flags), "R.");
        assert_eq!(sent[3].info.seq, client.ack);
        lab.assert_closed(&[(Closed::KeepaliveTimeout, 1)]);
        assert_eq!(lab.sim.counters(0).keepalives.value(), 3);
        lab.over();
    }
}

/// MUST-29: neither one lost answer nor two end it. An hour of silence, each keep-alive but for every
/// third answered.
#[test]
fn a_peer_that_answers_stays() {
    for family in FAMILIES {
        let mut lab = lab(Service::Echo, 60_000, 0);
        let mut client = Client::open(family, 4000, &mut lab);
        let mut asked = 0;
        for _ in 0..3600 {
            lab.wait(1000);
            for ask in lab.all() {
                asked += 1;
                if asked % 3 == 0 {
                    let answer = answer(&client, &ask);
                    lab.send(&answer);
                }
            }
        }
        assert!(
            (120..=150).contains(&asked),
            "{asked} keep-alives in an hour, three in 80 s or a little more"
        );
        lab.assert_closed(&[]);
        let hello = client.say(b"hello");
        lab.send(&hello);
        assert_eq!(lab.expect("P.").payload, b"hello");
        client.abort(&mut lab);
        lab.over();
    }
}

/// A peer that has forgotten the connection resets it at the first question.
#[test]
fn a_lost_rst_is_made_up_for() {
    let mut lab = lab(Service::Echo, 60_000, 0);
    let client = Client::open(Family::V4, 4000, &mut lab);
    lab.wait(60_000 + ROUND as u32);
    let ask = lab.expect(".");
    lab.send(&Client { seq: ask.info.ack, ..client }.segment("R", &[]));
    lab.assert_closed(&[(Closed::ResetByPeer, 1)]);
    lab.over();
}

/// Answers to keep-alives are no use of the connection; data is, either way.
#[test]
fn the_idle_time_out_counts_data_alone() {
    for family in FAMILIES {
        let mut lab = lab(Service::Echo, 20_000, 90_000);
        let mut client = Client::open(family, 4000, &mut lab);
        live(&client, &mut lab, 70_000);
        let hello = client.say(b"hello");
        lab.send(&hello);
        let echo = lab.expect("P.");
        client.hear(&echo);
        lab.send(&client.segment(".", &[]));
        let began = lab.now_ms();
        while lab.sim.connections() > 0 {
            live(&client, &mut lab, 500);
        }
        let ended = lab.now_ms() - began;
        assert!((90_000..=90_500 + ROUND).contains(&ended), "{ended}");
        lab.assert_closed(&[(Closed::IdleTimeout, 1)]);
        lab.over();
    }
}

/// A FIN does not count as data on either path.
#[test]
fn a_fin_does_not_restart_the_idle_time_out() {
    for fast_path in [false, true] {
        let mut lab = Lab::with(Service::Hold, |setup| {
            setup.config.idle = IdleLimits { keepalive_ms: 0, timeout_ms: 20_000 };
            setup.bounds.fast_path = fast_path;
        });
        let client = Client::open(Family::V4, 4000, &mut lab);
        lab.wait(15_000);
        lab.send(&client.segment("F.", &[]));
        lab.expect(".");
        // A round takes a quarter of the time-out.
        lab.wait(10_000);
        lab.expect("R.");
        lab.assert_closed(&[(Closed::IdleTimeout, 1)]);
        lab.over();
    }
}

/// CLOSE-WAIT with a service that never closes, and FIN-WAIT-2: no state stays when the peer is gone.
#[test]
fn no_state_outlasts_its_peer() {
    for (service, ends) in
        [(Service::Hold, Closed::KeepaliveTimeout), (Service::Close, Closed::FinWait2Timeout)]
    {
        let mut lab = lab(service, 30_000, 0);
        let mut client = Client::open(Family::V4, 4000, &mut lab);
        if service == Service::Hold {
            lab.send(&client.segment("F.", &[]));
            client.seq += 1;
        } else {
            let fin = lab.expect("F.");
            client.hear(&fin);
            lab.send(&client.segment(".", &[]));
        }
        lab.wait(150_000);
        lab.assert_closed(&[(ends, 1)]);
        lab.all();
        lab.over();
    }
}

/// MUST-25: off unless asked for. So it stays, a day long.
#[test]
fn without_limits_a_connection_stays() {
    let mut lab = lab(Service::Echo, 0, 0);
    let client = Client::open(Family::V4, 4000, &mut lab);
    lab.wait(86_400_000);
    lab.silent();
    assert_eq!(lab.sim.connections(), 1);
    client.abort(&mut lab);
    lab.over();
}

/// The clock of a machine that was suspended has gone on: no peer was silent, so none is given up.
#[test]
fn a_suspended_machine_keeps_its_connections() {
    let mut lab = lab(Service::Echo, 60_000, 300_000);
    let mut client = Client::open(Family::V4, 4000, &mut lab);
    for _ in 0..5 {
        lab.sim.suspend_ms(7_200_000);
        lab.run();
        lab.silent();
    }
    let hello = client.say(b"hello");
    lab.send(&hello);
    assert_eq!(lab.expect("P.").payload, b"hello");
    lab.assert_closed(&[]);
}

/// Each listener may have its own.
#[test]
fn limits_are_the_listener_s_own() {
    let policy = ParseConfig { mac: Some(SERVER_MAC), ..ParseConfig::default() };
    let mut setup = Setup { policy, ..Setup::default() };
    setup.config.idle = IdleLimits { keepalive_ms: 0, timeout_ms: 600_000 };
    let start = setup.start;
    type Make = Box<dyn Fn() -> Box<dyn ConnectionHandler>>;
    let own = IdleLimits { keepalive_ms: 0, timeout_ms: 30_000 };
    let short: Make = Box::new(move || limited(Service::Echo.user(), own));
    let long: Make = Box::new(|| Service::Echo.user());
    let services = [("192.0.2.1:80".parse().unwrap(), short), ("[2001:db8::1]:80".parse().unwrap(), long)];
    let mut lab = Lab::around(Simulation::new(setup, &services), start);
    let _both = FAMILIES.map(|family| Client::open(family, 4000, &mut lab));
    lab.wait(45_000);
    lab.assert_closed(&[(Closed::IdleTimeout, 1)]);
    assert_eq!(lab.expect("R.").family, Family::V4);
    lab.wait(540_000);
    assert_eq!(lab.sim.connections(), 1);
    lab.wait(30_000);
    lab.assert_closed(&[(Closed::IdleTimeout, 2)]);
}
