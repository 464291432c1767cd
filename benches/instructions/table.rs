//! The connection table with 64 k members.

use std::hint::black_box;
use std::sync::LazyLock;

use handfast_stack::table::{Shard, Slot, table};
use handfast_stack::wire::{FlowKey4, TupleSecret};

use super::{Path, only_this_is_counted};

pub const PATHS: &[Path] = &[
    ("table/hit", || looking(0)),
    ("table/miss", || looking(LIVE)),
    ("table/candidate-value-at", reaching),
    ("table/find-or-insert", || inserting(1)),
    ("table/find-or-insert-2-cores", || inserting(2)),
    ("table/remove", removing),
];

const LIVE: u32 = 1 << 16;
const TIMES: u32 = 1 << 14;

/// As large as a connection's state is.
type State = [u32; 13];

static SECRET: LazyLock<TupleSecret> = LazyLock::new(|| TupleSecret::fixed(1));

/// Key number `n`, and its hash.
fn key(n: u32) -> (FlowKey4, u32) {
    let scattered = n.wrapping_mul(0x9e37_79b1).to_be_bytes();
    let key = FlowKey4 { remote: scattered, local: [10, 0, 0, 1], remote_port: 443, local_port: 49_152 };
    (key, SECRET.prf(&key).hash)
}

fn keys(from: u32) -> Vec<(FlowKey4, u32)> {
    (from..from + TIMES).map(key).collect()
}

/// The first of `cores` parts, with keys 0 to `LIVE`, and room for those that are added.
fn filled(cores: usize) -> Shard<FlowKey4, State> {
    let mut parts = table(cores, LIVE + TIMES).expect("address space for a table");
    for (key, hash) in (0..LIVE).map(key) {
        parts[0].insert(key, hash, [0; 13]).expect("room for the members");
    }
    parts.swap_remove(0)
}

fn looking(from: u32) -> u64 {
    let (part, keys) = (filled(1), keys(from));
    let mut found = 0;
    only_this_is_counted(&mut || {
        for (key, hash) in &keys {
            found += u32::from(black_box(part.find(key, *hash)).is_some());
        }
    });
    assert_eq!(found, if from < LIVE { TIMES } else { 0 });
    u64::from(TIMES)
}

/// As the engine does for a segment of a connection of its core.
fn reaching() -> u64 {
    let (mut part, keys) = (filled(1), keys(0));
    let mut found = 0;
    only_this_is_counted(&mut || {
        for (key, hash) in &keys {
            let value = part.candidate(*hash).and_then(|slot| part.value_at(slot, key));
            found += u32::from(black_box(value).is_some());
        }
    });
    assert!(found > TIMES / 100 * 99, "few members share a tag with another: {found}");
    u64::from(TIMES)
}

fn inserting(cores: usize) -> u64 {
    let (mut part, keys) = (filled(cores), keys(LIVE));
    only_this_is_counted(&mut || insert(&mut part, &keys, |slot| _ = black_box(slot)));
    assert_eq!(part.len(), (LIVE + TIMES) as usize);
    u64::from(TIMES)
}

fn removing() -> u64 {
    let (mut part, keys) = (filled(1), keys(LIVE));
    let mut slots = Vec::new();
    insert(&mut part, &keys, |slot| slots.push(slot));
    only_this_is_counted(&mut || {
        for (slot, (_, hash)) in slots.iter().zip(&keys) {
            black_box(part.remove(*slot, *hash));
        }
    });
    assert_eq!(part.len(), LIVE as usize);
    u64::from(TIMES)
}

/// As the engine does for a SYN.
#[inline(always)]
fn insert(part: &mut Shard<FlowKey4, State>, keys: &[(FlowKey4, u32)], mut each: impl FnMut(Slot)) {
    for (key, hash) in keys {
        let (slot, value) = part.find_or_insert(key, *hash).expect("room for one more");
        *value = [7; 13];
        each(slot);
    }
}
