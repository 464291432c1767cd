//! Peers that ask and take nothing do not keep the send buffers: honest ones are answered meanwhile,
//! and all of them afterwards.

use handfast_stack::observe::{Closed, DropReason};

use crate::pressure_peers::{Crowd, Kind};

/// An attack, and where the honest clients are.
#[derive(Clone, Copy, Debug)]
struct Case {
    kind: Kind,
    /// /24 prefixes that it comes from.
    sources: u32,
    /// The port that honest clients call; it comes to 80.
    honest_port: u16,
    /// Honest clients come from the prefix of the first attacker.
    neighbours: bool,
}

const BUFFERS: u32 = 1024;
/// Milliseconds: when it begins, and when it ends.
const ATTACK: (u32, u32) = (500, 5000);
/// Honest clients that begin then are all answered.
const AFTER: (u32, u32) = (6000, 6500);
const END: u32 = 11_600;

/// One attacker a millisecond: the pool five times over.
fn play(case: Case) -> Crowd {
    let mut crowd = Crowd::new(BUFFERS);
    for now in 0..END {
        if (ATTACK.0..ATTACK.1).contains(&now) {
            let [.., high, low] = (now % case.sources).to_be_bytes();
            crowd.attack(([10, high, low, 7], 1024 + now as u16, 80), case.kind);
        }
        if now < AFTER.1 && now % 5 == 0 {
            let net = if case.neighbours { [10, 0, 0] } else { [203, 0, 113] };
            let [a, b, c] = net;
            crowd.call(([a, b, c, 100], 10_000 + now as u16, case.honest_port));
        }
        crowd.tick();
    }
    crowd
}

#[track_caller]
fn holds(case: Case) {
    let crowd = play(case);
    let (asked, answered) = crowd.answered(0, ATTACK.1);
    assert_eq!(asked, 1000);
    assert!(answered * 100 >= asked * 99, "{case:?}: {answered} of {asked} during the attack");
    let (asked, answered) = crowd.answered(AFTER.0, AFTER.1);
    assert_eq!((asked, answered), (100, 100), "{case:?}: after the attack");
    let counters = crowd.sim.counters(0);
    let gave_way = counters.closed[Closed::StallEvicted as usize].value();
    assert!((2000..4500).contains(&gave_way), "{case:?}: {gave_way} gave way");
    assert!(counters.send_buffers_max.value() <= u64::from(BUFFERS));
    assert!(counters.send_buffer_shortages.value() > 0, "{case:?}: a shortage is counted");
    assert_eq!(crowd.sim.lost_frames(), 0);
}

const KINDS: [Kind; 4] = [Kind::Silent, Kind::Probed, Kind::Unacknowledged, Kind::Tiny];

#[test]
fn one_source_that_takes_nothing() {
    KINDS.into_iter().for_each(|kind| holds(Case { kind, sources: 1, honest_port: 80, neighbours: false }));
}

#[test]
fn three_sources_that_take_nothing() {
    KINDS.into_iter().for_each(|kind| holds(Case { kind, sources: 3, honest_port: 80, neighbours: false }));
}

#[test]
fn thousands_of_sources_that_take_nothing() {
    KINDS
        .into_iter()
        .for_each(|kind| holds(Case { kind, sources: 4500, honest_port: 80, neighbours: false }));
}

#[test]
fn another_listener_goes_on() {
    for sources in [1, 4500] {
        holds(Case { kind: Kind::Silent, sources, honest_port: 81, neighbours: false });
    }
}

#[test]
fn so_do_neighbours_of_the_attacker() {
    KINDS.into_iter().for_each(|kind| holds(Case { kind, sources: 1, honest_port: 80, neighbours: true }));
}

/// Without an attack nothing gives way, and nothing is refused.
#[test]
fn honest_clients_alone_are_no_pressure() {
    let mut crowd = Crowd::new(64);
    for now in 0..3000u32 {
        if now % 2 == 0 && now < 1500 {
            crowd.call(([203, 0, (113 + now % 4) as u8, 100], 10_000 + now as u16, 80));
        }
        crowd.tick();
    }
    assert_eq!(crowd.answered(0, 3000), (750, 750));
    let counters = crowd.sim.counters(0);
    assert_eq!(counters.closed[Closed::StallEvicted as usize].value(), 0);
    assert_eq!(counters.drops[DropReason::NoSendBuffer as usize].value(), 0);
    assert_eq!((counters.send_buffers.value(), counters.send_buffers_short_ms.value()), (0, 0));
}
