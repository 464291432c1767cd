//! What a core reports of its connections: those that there are, and none that has ended.

use std::net::Ipv6Addr;

use handfast_stack::engine::{ConnInfo, ConnQuery};
use handfast_stack::service::Service;
use handfast_stack::table::Slot;
use handfast_stack::tcp::{State, Timer};
use handfast_stack::wire::{FlowKey4, FlowKey6};

use crate::client::{Client, FAMILIES, Family, Lab, SERVER4, SERVER6};

const CLIENT4: [u8; 4] = [192, 0, 2, 9];
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

/// Slots of a core of [`Lab`].
const SLOTS: u32 = 64;

/// The core's report of the client's connection, in any slot; there is at most one.
fn facts(lab: &Lab, client: &Client) -> Option<ConnInfo> {
    let worker = lab.sim.worker(0);
    let found: Vec<ConnInfo> = match client.family {
        Family::V4 => {
            let key = FlowKey4 { remote: CLIENT4, local: SERVER4, remote_port: client.port, local_port: 80 };
            let mut asked: Vec<_> =
                (0..SLOTS).map(|slot| ConnQuery { key, slot: Slot(slot), facts: None }).collect();
            worker.inspect4(&mut asked);
            asked.iter().filter_map(|question| question.facts).collect()
        }
        Family::V6 => {
            let (remote, local) = (CLIENT6.octets(), SERVER6.octets());
            let key = FlowKey6 { remote, local, remote_port: client.port, local_port: 80 };
            let mut asked: Vec<_> =
                (0..SLOTS).map(|slot| ConnQuery { key, slot: Slot(slot), facts: None }).collect();
            worker.inspect6(&mut asked);
            asked.iter().filter_map(|question| question.facts).collect()
        }
    };
    assert!(found.len() <= 1, "{found:?}");
    found.first().copied()
}

#[test]
fn a_connection_is_described_from_its_syn_to_its_end() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Close);
        let client = Client::new(family, 4000);
        assert_eq!(facts(&lab, &client), None);
        lab.send(&client.syn());
        lab.all();
        let open = facts(&lab, &client).expect("there");
        assert_eq!((open.state, open.timer, open.timer_ms), (State::SynReceived, Timer::SynAck, 1000));
        assert_eq!(open.listener, Some(if family == Family::V4 { 0 } else { 1 }));
        lab.wait(1300);
        lab.all();
        let again = facts(&lab, &client).expect("there");
        assert_eq!((again.retries, again.timer_ms), (1, 1700));

        client.abort(&mut lab);
        let mut client = Client::open(family, 4001, &mut lab);
        let fin = lab.expect("F.");
        let waits = facts(&lab, &client).expect("there");
        assert_eq!((waits.state, waits.timer), (State::FinWait1, Timer::Retransmit));
        client.hear(&fin);
        lab.send(&client.segment("F.", &[]));
        lab.all();
        lab.wait(20_000);
        let time_wait = facts(&lab, &client).expect("there");
        assert_eq!((time_wait.state, time_wait.timer), (State::TimeWait, Timer::TimeWait));
        assert_eq!(time_wait.timer_ms, 40_000, "20 s of 2 MSL have passed");
        lab.wait(40_000);
        assert_eq!(facts(&lab, &client), None, "its key is still in the slot");
    }
}

#[test]
fn what_was_seen_before_its_slot_was_used_again_is_not_described() {
    for family in FAMILIES {
        let mut lab = Lab::new(Service::Hold);
        let first = Client::open(family, 4000, &mut lab);
        assert_eq!(facts(&lab, &first).map(|facts| facts.state), Some(State::Established));
        first.abort(&mut lab);
        assert_eq!(facts(&lab, &first), None);
        let second = Client::open(family, 4001, &mut lab);
        assert_eq!(facts(&lab, &first), None);
        assert_eq!(facts(&lab, &second).map(|facts| facts.timer), Some(Timer::None));
    }
}

#[test]
fn a_slot_of_another_core_is_not_looked_at() {
    let mut lab = Lab::with(Service::Hold, |setup| setup.cores = 2);
    let client = Client::open(Family::V4, 4000, &mut lab);
    let key = FlowKey4 { remote: CLIENT4, local: SERVER4, remote_port: client.port, local_port: 80 };
    let mut asked: Vec<_> =
        (0..2 * SLOTS).map(|slot| ConnQuery { key, slot: Slot(slot), facts: None }).collect();
    lab.sim.worker(1).inspect4(&mut asked);
    assert!(asked.iter().all(|question| question.facts.is_none()));
    lab.sim.worker(0).inspect4(&mut asked);
    assert_eq!(asked.iter().filter(|question| question.facts.is_some()).count(), 1);
}
