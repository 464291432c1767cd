//! Two stacks, back to back: one calls and the other listens, or both call.

use std::net::SocketAddr;

use handfast_stack::engine::FourTuple;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::observe::Closed;
use handfast_stack::service::Service;
use handfast_stack::tcp::{ConnectionHandler, OfferedOptions};
use handfast_stack::wire::{Flags, Mac, Packet, ParseConfig, parse};

use crate::caller::{Act, Callback, Order, Script, ends};
use crate::client::{CLIENT_MAC, FAMILIES, Family, SERVER_MAC};

/// The port of the far side's end.
const PORT: u16 = 4000;

/// `near` calls; `far` listens, or calls as well.
struct Pair {
    near: Simulation,
    far: Simulation,
    /// What has passed, as flags with the direction in front.
    seen: Vec<String>,
    /// Which of the frames to come, by number, are lost.
    lose: Vec<usize>,
    passed: usize,
}

impl Pair {
    fn new(near: &Script, far: Far<'_>) -> Pair {
        let there = side(CLIENT_MAC, SERVER_MAC);
        let far = match far {
            Far::Calls(script) => {
                Simulation::new(Setup { opener: Some(script.factory()), seed: 7, ..there }, &[])
            }
            Far::Listens(service) => {
                let user =
                    || -> Box<dyn Fn() -> Box<dyn ConnectionHandler>> { Box::new(move || service.user()) };
                let rules =
                    ["192.0.2.9:4000", "[2001:db8::9]:4000"].map(|rule| (rule.parse().unwrap(), user()));
                Simulation::new(there, &rules)
            }
        };
        Pair { near: near_side(near, |_| {}), far, seen: Vec::new(), lose: Vec::new(), passed: 0 }
    }

    /// Carries frames until neither side sends any.
    fn exchange(&mut self) {
        loop {
            self.near.run();
            self.far.run();
            let out: Vec<_> = std::iter::from_fn(|| self.near.collect()).collect();
            let back: Vec<_> = std::iter::from_fn(|| self.far.collect()).collect();
            if out.is_empty() && back.is_empty() {
                return;
            }
            out.iter().for_each(|frame| self.carry(frame, true));
            back.iter().for_each(|frame| self.carry(frame, false));
        }
    }

    fn carry(&mut self, frame: &[u8], out: bool) {
        let flags = match parse(frame, &ParseConfig::default()).unwrap() {
            Packet::Tcp4(segment) => segment.info.flags,
            Packet::Tcp6(segment) => segment.info.flags,
            other => panic!("{other:?}"),
        };
        let lost = self.lose.contains(&self.passed);
        self.passed += 1;
        let mark = if lost { "x" } else { "" };
        self.seen.push(format!("{mark}{}{flags:?}", if out { ">" } else { "<" }));
        if !lost {
            assert!(if out { self.far.inject(frame) } else { self.near.inject(frame) });
        }
    }

    fn wait(&mut self, millis: u32) {
        let mut left = millis;
        while left > 0 {
            let step = self.near.idle_ms(left).min(self.far.idle_ms(left)).clamp(1, left);
            self.near.advance_ms(step);
            self.far.advance_ms(step);
            self.exchange();
            left -= step;
        }
    }

    #[track_caller]
    fn over(&self) {
        for (side, name) in [(&self.near, "near"), (&self.far, "far")] {
            assert_eq!(side.connections(), 0, "connections left, {name}: {:?}", self.seen);
            assert_eq!(side.lost_frames(), 0, "frames lost, {name}");
        }
    }
}

fn side(mac: Mac, gateway: Mac) -> Setup {
    let policy = ParseConfig { mac: Some(mac), ..ParseConfig::default() };
    Setup { policy, capacity: 64, gateway, ..Setup::default() }
}

fn near_side(script: &Script, change: impl FnOnce(&mut Setup)) -> Simulation {
    let mut setup = Setup { opener: Some(script.factory()), ..side(SERVER_MAC, CLIENT_MAC) };
    change(&mut setup);
    Simulation::new(setup, &[])
}

enum Far<'a> {
    Calls(&'a Script),
    Listens(Service),
}

/// The near side's connection as the far side opens it.
fn reversed(family: Family) -> FourTuple {
    let FourTuple { local, remote } = ends(family, PORT);
    FourTuple { local: remote, remote: local }
}

fn closed(side: &Simulation, how: Closed) -> u64 {
    side.counters(0).closed[how as usize].value()
}

fn talk(near: &[Act], far: Service, family: Family, lose: &[usize]) -> (Pair, Script) {
    let script = Script::default();
    script.board().when_opened = near.to_vec();
    let mut pair = Pair::new(&script, Far::Listens(far));
    pair.lose = lose.to_vec();
    script.order(Order::Open(ends(family, PORT)));
    pair.exchange();
    (pair, script)
}

#[test]
fn the_packets_of_the_rfc_s_figures() {
    let close = &[Act::Close][..];
    let rows: [(&[Act], Service, &[&str]); 4] = [
        (close, Service::Discard, &[">S", "<S.", ">.", ">F.", "<F.", ">."]),
        (&[], Service::Close, &[">S", "<S.", ">.", "<F.", ">F.", "<."]),
        (&[Act::Abort], Service::Discard, &[">S", "<S.", ">.", ">R."]),
        (&[], Service::Reset, &[">S", "<S.", ">.", "<R."]),
    ];
    for (near, far, expected) in &rows {
        for family in FAMILIES {
            let (mut pair, script) = talk(near, *far, family, &[]);
            assert_eq!(pair.seen, *expected, "{far}");
            pair.wait(60_000);
            pair.over();
            assert_eq!(
                script.callbacks().iter().filter(|callback| matches!(callback, Callback::Closed(..))).count(),
                1
            );
        }
    }
}

/// Whichever packet is lost, both ends close as they should, and each user gets its end once.
#[test]
fn any_packet_may_be_lost() {
    for family in FAMILIES {
        for (near, far) in [(&[Act::Close][..], Service::Discard), (&[], Service::Close)] {
            for first in 0..8 {
                for second in first..8 {
                    let (mut pair, script) = talk(near, far, family, &[first, second]);
                    pair.wait(300_000);
                    let ends = script
                        .callbacks()
                        .iter()
                        .filter(|callback| matches!(callback, Callback::Closed(..)))
                        .count();
                    assert_eq!(ends, 1, "{:?}", pair.seen);
                    let orderly = |side| {
                        closed(side, Closed::Active)
                            + closed(side, Closed::Passive)
                            + closed(side, Closed::Simultaneous)
                    };
                    assert_eq!(orderly(&pair.near), 1, "{:?}", pair.seen);
                    assert_eq!(orderly(&pair.far), 1, "{:?}", pair.seen);
                    pair.over();
                }
            }
        }
    }
}

/// RFC 9293 3.5, figure 7: one connection, established on both sides.
#[test]
fn both_open_at_once() {
    for family in FAMILIES {
        for lost in 0..7 {
            let (near, far) = (Script::default(), Script::default());
            let mut pair = Pair::new(&near, Far::Calls(&far));
            pair.lose = if lost == 6 { Vec::new() } else { vec![lost, lost + 1] };
            near.order(Order::Open(ends(family, PORT)));
            far.order(Order::Open(reversed(family)));
            pair.exchange();
            if lost == 6 {
                assert_eq!(pair.seen, [">S", "<S", ">S.", "<S."]);
            }
            pair.wait(20_000);
            let number = near.board().opens[0].unwrap();
            assert_eq!(near.callbacks(), [Callback::Opened(number)], "{:?}", pair.seen);
            assert_eq!(far.callbacks(), [Callback::Opened(far.board().opens[0].unwrap())], "{:?}", pair.seen);
            assert_eq!((pair.near.connections(), pair.far.connections()), (1, 1));
            for side in [&pair.near, &pair.far] {
                assert_eq!(side.counters(0).half_open.value(), 0, "{:?}", pair.seen);
            }
            near.order(Order::Act(number, Act::Send(100)));
            near.order(Order::Act(number, Act::Close));
            pair.wait(70_000);
            assert!(far.callbacks().iter().any(|callback| matches!(callback, Callback::Data(_, 100))));
            pair.over();
        }
    }
}

/// RFC 9293 3.5.1, figure 10: the peer still has a connection that we have forgotten.
#[test]
fn a_half_open_connection_is_found_and_ended() {
    for family in FAMILIES {
        let (old, _) = talk(&[], Service::Hold, family, &[]);
        assert_eq!(old.far.connections(), 1);
        let script = Script::default();
        let near = near_side(&script, |setup| setup.seed = 5);
        let mut pair = Pair { near, seen: Vec::new(), ..old };
        script.order(Order::Open(ends(family, PORT)));
        pair.exchange();
        // The SYN goes again at once, not after its time-out.
        assert_eq!(pair.seen, [">S", "<.", ">R", ">S", "<S.", ">."]);
        assert_eq!(closed(&pair.far, Closed::ResetByPeer), 1);
        assert_eq!(pair.far.connections(), 1);
        assert_eq!(pair.near.connections(), 1);
    }
}

/// A SYN offers what is configured, and nothing is used that only one side offers.
#[test]
fn options_that_both_offer_and_no_others() {
    for bits in 0..8 {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let (near, far) = (Script::default(), Script::default());
        let mut pair = Pair::new(&near, Far::Calls(&far));
        let offer = OfferedOptions { window_scale: on(0), sack: on(1), timestamps: on(2) };
        pair.near = near_side(&near, |setup| setup.config.syn_offer = offer);
        near.order(Order::Open(ends(Family::V4, PORT)));
        far.order(Order::Open(reversed(Family::V4)));
        pair.near.run();
        pair.far.run();
        let out = pair.near.collect().unwrap();
        let Ok(Packet::Tcp4(syn)) = parse(&out, &ParseConfig::default()) else { panic!("no segment") };
        let options = syn.info.options;
        assert_eq!(options.mss, Some(1460));
        assert_eq!(options.window_scale, on(0).then_some(0));
        assert_eq!((options.sack_permitted, options.timestamps.is_some()), (on(1), on(2)));
        // The far side offers all of it: its SYN-ACK, in answer to ours, only what we offered.
        assert!(pair.far.inject(&out));
        let _ = pair.far.collect().unwrap();
        pair.far.run();
        let back = pair.far.collect().unwrap();
        let Ok(Packet::Tcp4(syn_ack)) = parse(&back, &ParseConfig::default()) else { panic!("no segment") };
        assert!(syn_ack.info.flags.has(Flags::SYN.with(Flags::ACK)));
        assert_eq!(syn_ack.info.options.window_scale, on(0).then_some(0));
        assert_eq!(syn_ack.info.options.timestamps.is_some(), on(2));
        assert!(pair.near.inject(&back));
        pair.near.run();
        let ack = pair.near.collect().unwrap();
        let Ok(Packet::Tcp4(ack)) = parse(&ack, &ParseConfig::default()) else { panic!("no segment") };
        assert_eq!(ack.info.options.timestamps.is_some(), on(2));
    }
}

/// A thousand connections over a wire that loses one packet in eight: each user gets its end once,
/// and each side comes out empty.
#[test]
fn many_over_a_bad_wire() {
    let script = Script::default();
    script.board().when_opened = vec![Act::Send(10), Act::Close];
    let mut pair = Pair::new(&script, Far::Listens(Service::Echo));
    let mut dice = 1u64;
    pair.lose = (0..200_000)
        .filter(|_| {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            dice >> 61 == 0
        })
        .collect();
    let mut opened = 0;
    for round in 0..50u16 {
        for port in 0..20 {
            let family = FAMILIES[usize::from(port % 2)];
            let mut ends = ends(family, PORT);
            ends.local = SocketAddr::new(ends.local.ip(), 10_000 + round * 20 + port);
            script.order(Order::Open(ends));
        }
        pair.exchange();
        opened += 20;
        pair.wait(150_000);
    }
    pair.wait(300_000);
    assert!(script.board().opens.iter().all(Result::is_ok));
    let callbacks = script.callbacks();
    let ends: Vec<_> = callbacks.iter().filter(|callback| matches!(callback, Callback::Closed(..))).collect();
    assert_eq!(ends.len(), opened);
    let orderly = ends
        .iter()
        .filter(|callback| matches!(callback, Callback::Closed(_, Closed::Active | Closed::Simultaneous)));
    // The echo may meet a closed reader (SHLD-3), or seven losses in a row.
    assert!(
        orderly.count() + usize::try_from(closed(&pair.near, Closed::DataAfterClose)).unwrap() >= opened - 5
    );
    pair.over();
}
