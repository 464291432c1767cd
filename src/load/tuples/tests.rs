use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::super::source::SourceArg;
use super::*;

const REUSE_US: u64 = 60_000_000;

fn space(text: &str) -> TupleSpace {
    let sources = text.parse::<SourceArg>().unwrap().resolve(None).unwrap();
    TupleSpace::new(&sources, &"10.9.0.1:80".parse().unwrap())
}

fn at(micros: u64) -> Time {
    Time { micros }
}

/// Takes the next one.
fn take(tuples: &mut TupleAllocator, now: Time) -> Result<(FourTuple, TupleLease), Exhausted> {
    let ends = tuples.peek(now)?;
    Ok((ends, tuples.take()))
}

#[test]
fn neighbours_in_time_differ_in_port() {
    let mut tuples = TupleAllocator::new(space("10.0.0.0/28"), (0, 1), 3, REUSE_US);
    let ports: Vec<u16> = (0..1000).map(|_| take(&mut tuples, at(0)).unwrap().0.local.port()).collect();
    assert!(ports.windows(2).all(|pair| pair[0].abs_diff(pair[1]) > 1));
}

/// A neighbour table holds 1,024 addresses, and is cleared out from 128 on.
#[test]
fn addresses_are_used_a_few_at_a_time() {
    for (text, cores) in [("10.0.0.0/16", 1), ("10.0.0.0/16", 3), ("10.0.0.0/20:1000-1999", 2)] {
        let mut used = HashSet::new();
        for core in 0..cores {
            let mut tuples = TupleAllocator::new(space(text), (core, cores), 5, REUSE_US);
            for _ in 0..30_000 {
                used.insert(take(&mut tuples, at(0)).unwrap().0.local.ip());
            }
        }
        // A core that begins inside a window soon goes on to the next one.
        assert!((100..=2 * 128).contains(&used.len()), "{text} {cores}: {}", used.len());
    }
}

#[test]
fn every_place_of_an_order_is_reached_once_and_from_the_one_before() {
    for (len, window) in [(1, 1), (7, 3), (100, 100), (1000, 64), (1000, 7), (64, 100)] {
        for seed in 0..5 {
            let order = Permutation::new(len, window, seed);
            let mut place = order.at(0);
            let mut seen = HashSet::new();
            for position in 0..len {
                assert_eq!(place.number, order.at(position).number, "{len} {window} {position}");
                assert!(seen.insert(place.number) && place.number < len);
                place = order.after(place);
            }
        }
    }
}

#[test]
fn peeking_takes_nothing_and_skipping_passes_over() {
    let mut tuples = TupleAllocator::new(space("10.0.0.1:1-4"), (0, 1), 1, 10);
    let first = tuples.peek(at(0)).unwrap();
    assert_eq!(tuples.peek(at(0)), Ok(first));
    tuples.skip(at(0));
    assert_ne!(tuples.peek(at(0)), Ok(first));
    let rest: Vec<_> = (0..3).map(|_| take(&mut tuples, at(0)).unwrap().0).collect();
    assert!(!rest.contains(&first));
    assert_eq!(tuples.peek(at(9)), Err(Exhausted { free_at: Some(at(10)) }));
    assert_eq!(tuples.peek(at(10)), Ok(first));
}

#[test]
fn says_when_the_next_one_is_free() {
    let mut tuples = TupleAllocator::new(space("10.0.0.1:1-2"), (0, 1), 1, REUSE_US);
    let (one, tuple) = take(&mut tuples, at(5)).unwrap();
    let (_, other) = take(&mut tuples, at(5)).unwrap();
    assert_eq!(tuples.peek(at(1 << 40)), Err(Exhausted { free_at: None }), "both live");
    tuples.release(tuple, at(100));
    tuples.release(other, at(200));
    assert_eq!(tuples.peek(at(200)), Err(Exhausted { free_at: Some(at(100 + REUSE_US)) }));
    assert_eq!(tuples.peek(at(100 + REUSE_US)), Ok(one));
}

#[test]
fn without_waiting_a_4_tuple_is_free_at_once() {
    let mut tuples = TupleAllocator::new(space("10.0.0.1:7"), (0, 1), 1, 0);
    for _ in 0..10 {
        let (_, tuple) = take(&mut tuples, at(1)).unwrap();
        assert!(tuples.peek(at(1)).is_err(), "it lives");
        tuples.release(tuple, at(1));
    }
}

#[test]
fn more_cores_than_4_tuples_leave_some_with_nothing() {
    let mut found = Vec::new();
    for core in 0..4 {
        let mut tuples = TupleAllocator::new(space("10.0.0.1:1-2"), (core, 4), 1, 0);
        while let Ok((ends, _)) = take(&mut tuples, at(0)) {
            found.push(ends.local);
        }
    }
    found.sort_unstable();
    assert_eq!(found, ["10.0.0.1:1".parse().unwrap(), "10.0.0.1:2".parse().unwrap()]);
}

#[test]
fn state_stays_small_however_many_there_are() {
    for text in ["10.0.0.1", "10.0.0.0/16", "10.0.0.0/8"] {
        let tuples = TupleAllocator::new(space(text), (0, 1), 1, REUSE_US);
        assert!(tuples.blocks.len() as u64 <= MAX_BLOCKS, "{text}");
        assert!(size_of_val(tuples.blocks.as_slice()) <= 256 << 10);
    }
}

/// A straggler keeps its block, and its block alone, from being used again.
#[test]
fn a_straggler_holds_one_block() {
    let mut tuples = TupleAllocator::new(space("10.0.0.0/24"), (0, 1), 1, 0);
    assert!(tuples.block_len > 1);
    let (_, _straggler) = take(&mut tuples, at(0)).unwrap();
    let all: Vec<TupleLease> = (1..tuples.len()).map(|_| take(&mut tuples, at(0)).unwrap().1).collect();
    all.iter().for_each(|tuple| tuples.release(*tuple, at(1)));
    let mut again = 0;
    while take(&mut tuples, at(1)).is_ok() {
        again += 1;
    }
    assert_eq!(again, tuples.len() - tuples.block_len);
}

proptest! {
    /// A round of all cores gives every 4-tuple exactly once.
    #[test]
    fn cores_cover_the_space_without_overlap(
        ports in 1u16..100, hosts in 27u8..=32, cores in 1u32..6, seed: u64,
    ) {
        let text = format!("10.0.0.0/{hosts}:1000-{}", 999 + ports);
        let mut seen = HashSet::new();
        for core in 0..cores {
            let mut tuples = TupleAllocator::new(space(&text), (core, cores), seed, REUSE_US);
            let mut given = 0;
            while let Ok((ends, _)) = take(&mut tuples, at(0)) {
                prop_assert!(seen.insert((ends.local, ends.remote)), "{ends:?} twice");
                given += 1;
            }
            prop_assert_eq!(given, tuples.len());
        }
        prop_assert_eq!(seen.len() as u64, space(&text).len());
    }

    /// Connections come and go in any order, in blocks of any size; no 4-tuple is given out while it lives or too early.
    #[test]
    fn none_is_used_again_too_early(
        ports in 1u16..1000, prefix in 28u8..=32, seed: u64, reuse in 0u64..5000, blocks in 1u64..100,
        steps in prop::collection::vec((0u8..8, 0u64..40, any::<prop::sample::Index>()), 1..600),
    ) {
        let space = space(&format!("10.0.0.0/{prefix}:1000-{}", 999 + ports));
        let mut tuples = TupleAllocator::with_blocks(space, (0, 1), seed, reuse, blocks);
        let (mut now, mut ended, mut live) = (1_000_000, HashMap::new(), VecDeque::new());
        let mut living = HashSet::new();
        for (what, wait, which) in steps {
            now += wait;
            let opens = if what < 4 { usize::from(what) * 20 } else { 0 };
            for _ in 0..opens {
                match take(&mut tuples, at(now)) {
                    Ok((ends, tuple)) => {
                        prop_assert!(living.insert(ends.local), "{ends:?} lives");
                        if let Some(end) = ended.remove(&ends.local) {
                            prop_assert!(end + reuse <= now, "{ends:?} ended at {end}, taken at {now}");
                        }
                        live.push_back((ends, tuple));
                    }
                    Err(Exhausted { free_at }) => {
                        prop_assert!(free_at.is_none_or(|free| free > at(now)));
                        break;
                    }
                }
            }
            for _ in 0..if what < 4 { 0 } else { usize::from(what) * 4 } {
                if live.is_empty() { break }
                let (ends, tuple) = live.swap_remove_back(which.index(live.len())).unwrap();
                tuples.release(tuple, at(now));
                living.remove(&ends.local);
                ended.insert(ends.local, now);
            }
        }
        // Once all have ended and the time has passed, all are free but what the current block gave
        // out before: none was lost.
        live.into_iter().for_each(|(_, tuple)| tuples.release(tuple, at(now)));
        let mut free = 0;
        while take(&mut tuples, at(now + reuse)).is_ok() {
            free += 1;
        }
        prop_assert!(free + tuples.block_len > tuples.len(), "{free} of {}", tuples.len());
    }
}
