//! The filter of known flows: while it is kept, every connection is in it, and nothing else stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Acquire};

use handfast_stack::service::Service;
use handfast_stack::wire::flow_hash::FlowHashKey;
use handfast_stack::wire::{FlowKey4, FlowKey6};
use handfast_stack::xdp::FlowFilter;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::client::{Client, FAMILIES, Family, Lab};
use crate::frames::{key4, key6};

fn filter() -> Arc<FlowFilter> {
    let key = FlowHashKey::new([1, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03]);
    Arc::new(FlowFilter::in_memory(1024, key).expect("memory"))
}

/// Whether a client's connection is in the filter, from the server's end.
fn is_known(filter: &FlowFilter, client: &Client) -> bool {
    match client.family {
        Family::V4 => {
            let FlowKey4 { remote, local, remote_port, local_port } = key4(client.port, 80);
            filter.contains(&FlowKey4 {
                remote: local,
                local: remote,
                remote_port: local_port,
                local_port: remote_port,
            })
        }
        Family::V6 => {
            let FlowKey6 { remote, local, remote_port, local_port } = key6(client.port, 80);
            filter.contains(&FlowKey6 {
                remote: local,
                local: remote,
                remote_port: local_port,
                local_port: remote_port,
            })
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Syn,
    Establish,
    Close,
    Abort,
    Wait,
    Keep,
    Drop,
}

fn steps() -> impl Strategy<Value = Vec<(Step, usize)>> {
    use Step::*;
    let step = prop_oneof![
        8 => Just(Syn), 6 => Just(Establish), 3 => Just(Close), 2 => Just(Abort), 1 => Just(Wait),
        1 => Just(Keep), 1 => Just(Drop),
    ];
    prop::collection::vec((step, 0..1000usize), 10..120)
}

#[test]
fn every_connection_is_in_the_filter_and_leaves_it_at_its_end() {
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    let played = runner.run(&steps(), |steps| {
        play(&steps);
        Ok(())
    });
    played.unwrap();
}

fn play(steps: &[(Step, usize)]) {
    let mut lab = Lab::with(Service::Discard, |setup| {
        setup.config.msl_ms = 500;
        setup.capacity = 64; // one after the other is freed and taken again
    });
    let kept = filter();
    let mut is_kept = false;
    let (mut half_open, mut open): (Vec<Client>, Vec<Client>) = (Vec::new(), Vec::new());
    for (number, &(step, which)) in steps.iter().enumerate() {
        let pick = |list: &mut Vec<Client>| (!list.is_empty()).then(|| list.swap_remove(which % list.len()));
        match step {
            Step::Syn if half_open.len() + open.len() < 32 => {
                let mut client = Client::new(FAMILIES[which % 2], 4000 + number as u16);
                lab.send(&client.syn());
                client.ack = lab.expect("S.").info.seq + 1;
                client.seq += 1;
                half_open.push(client);
            }
            Step::Syn => {}
            Step::Establish => {
                if let Some(client) = pick(&mut half_open) {
                    lab.send(&client.segment(".", &[]));
                    open.push(client);
                }
            }
            Step::Close => {
                if let Some(mut client) = pick(&mut open) {
                    client.close(&mut lab);
                    assert!(!is_known(&kept, &client));
                }
            }
            Step::Abort => {
                if let Some(client) = pick(&mut open) {
                    client.abort(&mut lab);
                    assert!(!is_known(&kept, &client));
                }
            }
            Step::Wait => {
                // Half-open connections are given up after their retransmissions.
                lab.wait(20_000);
                lab.all();
                half_open.clear();
            }
            Step::Keep => {
                let done = Arc::new(AtomicUsize::new(0));
                kept.clear();
                lab.sim.worker_mut(0).keep_filter(kept.clone(), done.clone());
                lab.run();
                assert_eq!(done.load(Acquire), 1, "the search has ended");
                is_kept = true;
            }
            Step::Drop => {
                lab.sim.worker_mut(0).drop_filter();
                kept.clear();
                is_kept = false;
            }
        }
        for client in half_open.iter().chain(&open) {
            assert_eq!(is_known(&kept, client), is_kept, "{step:?}, step {number}");
        }
    }
    half_open.iter().chain(&open).for_each(|client| client.abort(&mut lab));
    lab.wait(20_000);
    lab.all();
    assert!(half_open.iter().chain(&open).all(|client| !is_known(&kept, client)));
    assert_eq!(lab.sim.connections(), 0);
}

/// Large tables are searched between several polls; connections that come and go meanwhile are counted once.
#[test]
fn a_search_in_parts_misses_nothing() {
    const CONNECTIONS: u16 = 9000;
    let mut lab = Lab::with(Service::Discard, |setup| setup.capacity = 16_384);
    let mut clients: Vec<Client> =
        (0..CONNECTIONS).map(|port| Client::open(Family::V4, 10_000 + port, &mut lab)).collect();
    let (kept, done) = (filter(), Arc::new(AtomicUsize::new(0)));
    lab.sim.worker_mut(0).keep_filter(kept.clone(), done.clone());
    let mut polls = 0;
    while done.load(Acquire) == 0 {
        let ended = clients.swap_remove(polls * 7919 % clients.len());
        lab.sim.inject(&ended.segment("R.", &[]));
        let mut fresh = Client::new(Family::V4, 30_000 + polls as u16);
        lab.sim.inject(&fresh.syn());
        fresh.seq += 1;
        clients.push(fresh);
        lab.sim.poll();
        polls += 1;
        assert!(polls < 100, "the search does not end");
    }
    assert!(polls > 1, "the table was searched in one poll");
    lab.run();
    assert!(clients.iter().all(|client| is_known(&kept, client)));
    clients.iter().for_each(|client| client.abort(&mut lab));
    assert!(clients.iter().all(|client| !is_known(&kept, client)));
}
