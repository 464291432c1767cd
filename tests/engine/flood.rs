//! SYNs of which nothing is kept.

use handfast_stack::engine::{FourTuple, OpenError};
use handfast_stack::observe::DropReason;

use crate::caller::{Order, calling, ends};
use crate::client::{Client, FAMILIES, Family, Lab};

/// The answers of a peer to the SYN of a port: SYN-ACK, and RST.
fn answers(family: Family, lab: &mut Lab) -> [Vec<u8>; 2] {
    let syn = lab.expect("S");
    let mut peer = Client::new(family, syn.port);
    peer.hear(&syn);
    [peer.segment("S.", b""), peer.segment("R.", b"")]
}

#[test]
fn a_flood_s_answers_are_dropped_by_name_without_a_rst() {
    for family in FAMILIES {
        let (mut lab, script) = calling(|_| {});
        script.board().floods = true;
        script.order(Order::Syn(ends(family, 7000)));
        lab.run();
        assert_eq!(script.board().syns, [Ok(())]);
        assert_eq!(lab.sim.connections(), 0, "nothing is kept");
        let answers = answers(family, &mut lab);
        lab.batch(&answers);
        lab.silent();
        lab.assert_dropped(&[(DropReason::FloodAnswer, 2)]);
        // Nor is the SYN ever sent again.
        lab.wait(70_000);
        lab.silent();
        assert_eq!(lab.sim.counters(0).opens.value(), 1);
    }
}

#[test]
fn a_caller_that_does_not_flood_answers_with_a_rst() {
    let (mut lab, script) = calling(|_| {});
    script.order(Order::Syn(ends(Family::V4, 7000)));
    lab.run();
    let [syn_ack, _] = answers(Family::V4, &mut lab);
    lab.send(&syn_ack);
    lab.expect("R");
    lab.assert_dropped(&[]);
}

#[test]
fn a_turn_sends_a_limited_number_and_families_do_not_mix() {
    let (mut lab, script) = calling(|_| {});
    script.board().floods = true;
    let mixed = FourTuple { remote: ends(Family::V6, 7000).remote, ..ends(Family::V4, 7000) };
    script.order(Order::Syn(mixed));
    for port in 1000..4000 {
        script.order(Order::Syn(ends(Family::V4, port)));
    }
    lab.sim.poll();
    let said = script.board().syns.clone();
    assert_eq!((said.len(), said[0]), (3001, Err(OpenError::Family)));
    let sent = said.iter().filter(|said| said.is_ok()).count();
    assert!((1..=512).contains(&sent), "{sent}");
    assert!(said[sent + 1..].iter().all(|said| *said == Err(OpenError::NoFrame)));
    let mut syns = 0;
    lab.sim.collect_all(|_| syns += 1);
    assert_eq!(syns, sent);
}
