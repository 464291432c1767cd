use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};

use proptest::prelude::*;

use super::shape::{OFFSETS, WAYS};
use super::{Found, InsertError, Shard, Slot, line_size, table};
use crate::wire::FlowKey;

/// A key of `N` words that is told apart by its first word. Its hash is the test's to choose.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key<const N: usize>(u32);

macro_rules! flow_key {
    ($n:literal) => {
        impl FlowKey for Key<$n> {
            type Words = [u32; $n];
            type Blocks = [[u8; 16]; 1];

            fn to_words(self) -> [u32; $n] {
                std::array::from_fn(|i| self.0.wrapping_mul(i as u32 + 1))
            }

            fn from_words(words: [u32; $n]) -> Self {
                Key(words[0])
            }

            fn to_blocks(self) -> [[u8; 16]; 1] {
                [u128::from(self.0).to_ne_bytes()]
            }

            fn local(&self) -> SocketAddr {
                SocketAddr::from(([0, 0, 0, 0], 0))
            }

            fn remote(&self) -> SocketAddr {
                SocketAddr::from(([0, 0, 0, 0], 0))
            }
        }
    };
}
flow_key!(3);
flow_key!(9);

type Key4 = Key<3>;
type Key6 = Key<9>;

const _: () = assert!(line_size::<Key4, [u32; 13]>() == 64);
const _: () = assert!(line_size::<Key6, [u32; 23]>() == 128);

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn hash(key: u32) -> u32 {
    mix(u64::from(key) + 1) as u32
}

fn parts(cores: usize, per_core: u32) -> Vec<Shard<Key4, u32>> {
    table(cores, per_core).unwrap()
}

#[test]
fn a_member_is_found_from_every_core() {
    let mut parts = parts(3, 8);
    let slot = parts[1].insert(Key(7), hash(7), 70).unwrap();
    for part in &parts {
        assert_eq!(part.find(&Key(7), hash(7)), Some(Found { slot, owner: 1 }));
        assert_eq!(part.find(&Key(8), hash(8)), None);
    }
    assert_eq!(parts[1].key(slot), Some(Key(7)));
    assert_eq!(parts[1].value(slot), Some(&70));
}

#[test]
fn a_key_is_inserted_once_whichever_core_comes_second() {
    for second in [0, 1] {
        let mut parts = parts(2, 8);
        let slot = parts[0].insert(Key(7), hash(7), 1).unwrap();
        let refused = parts[second].insert(Key(7), hash(7), 2);
        assert_eq!(refused, Err(InsertError::Exists(Found { slot, owner: 0 })));
        assert_eq!((parts[0].len(), parts[1].len()), (1, 0));
    }
}

#[test]
fn a_new_key_gets_the_value_of_the_last_connection_to_be_written() {
    for cores in [1, 2] {
        let mut parts = parts(cores, 8);
        let slot = parts[0].insert(Key(7), hash(7), 70).unwrap();
        assert_eq!(
            parts[0].find_or_insert(&Key(7), hash(7)),
            Err(InsertError::Exists(Found { slot, owner: 0 }))
        );
        assert_eq!(parts[0].value(slot), Some(&70));
        parts[0].remove(slot, hash(7)).unwrap();
        let (reused, value) = parts[0].find_or_insert(&Key(8), hash(8)).unwrap();
        assert_eq!((reused, *value), (slot, 70));
        *value = 80;
        assert_eq!(parts[0].value(slot), Some(&80));
        assert_eq!(parts[0].find(&Key(8), hash(8)), Some(Found { slot, owner: 0 }));
    }
}

#[test]
fn the_value_at_a_slot_is_that_of_the_key_alone() {
    let mut parts = parts(2, 8);
    let slot = parts[1].insert(Key(7), hash(7), 70).unwrap();
    assert_eq!(parts[1].value_at(slot, &Key(7)), Some(&mut 70));
    assert_eq!(parts[1].value_at(slot, &Key(8)), None);
    assert_eq!(parts[1].value_at(Slot(slot.0 + 1), &Key(7)), None);
    for foreign in [slot, Slot(16), Slot(u32::MAX)] {
        assert_eq!(parts[0].value_at(foreign, &Key(7)), None);
    }
    parts[1].remove(slot, hash(7)).unwrap();
    assert_eq!(parts[1].value_at(slot, &Key(7)), None);
}

#[test]
fn a_slot_of_another_core_gives_nothing() {
    let mut parts = parts(2, 8);
    let slot = parts[0].insert(Key(7), hash(7), 1).unwrap();
    for foreign in [slot, Slot(16), Slot(u32::MAX)] {
        assert_eq!(parts[1].value(foreign), None);
        assert_eq!(parts[1].value_mut(foreign), None);
        assert_eq!(parts[1].key(foreign), None);
        assert_eq!(parts[1].remove(foreign, hash(7)), None);
    }
    assert!(parts[0].find(&Key(7), hash(7)).is_some());
}

#[test]
fn a_slot_is_removed_once_and_only_under_its_hash() {
    for cores in [1, 2] {
        let mut parts = parts(cores, 8);
        let slot = parts[0].insert(Key(7), hash(7), 1).unwrap();
        assert_eq!(parts[0].remove(slot, !hash(7)), None);
        assert_eq!(parts[0].remove(slot, hash(7)), Some(&1));
        assert_eq!(parts[0].remove(slot, hash(7)), None);
        assert_eq!(parts[0].find(&Key(7), hash(7)), None);
        assert!(parts[0].is_empty());
    }
}

#[test]
fn every_slot_can_be_used_and_the_one_freed_last_is_used_first() {
    let mut parts = parts(2, 10_000);
    let mut slots = Vec::new();
    for key in 0..20_000 {
        slots.push(parts[key as usize % 2].insert(Key(key), hash(key), key).unwrap());
    }
    for part in &mut parts {
        assert_eq!(part.len(), part.capacity());
        assert_eq!(part.insert(Key(20_000), hash(20_000), 0), Err(InsertError::SlotsFull));
    }
    for key in [4000, 6000] {
        assert_eq!(parts[0].remove(slots[key as usize], hash(key)), Some(&key));
    }
    for (key, freed) in [(20_001, 6000), (20_002, 4000)] {
        assert_eq!(parts[0].insert(Key(key), hash(key), 0), Ok(slots[freed]));
        assert_eq!(parts[0].find(&Key(freed as u32), hash(freed as u32)), None);
    }
}

#[test]
fn keys_of_one_home_fill_its_buckets_and_leave_them_empty_again() {
    let room = (WAYS * OFFSETS.len()) as u32;
    for cores in [1, 2] {
        let mut parts = parts(cores, 4096);
        for round in 0..3 {
            let keys = round * 1000..round * 1000 + room;
            let slots: Vec<_> = keys.clone().map(|key| parts[0].insert(Key(key), 5, key).unwrap()).collect();
            assert_eq!(parts[0].insert(Key(999), 5, 0), Err(InsertError::TableFull));
            for (key, slot) in keys.clone().zip(&slots) {
                assert_eq!(parts[0].find(&Key(key), 5), Some(Found { slot: *slot, owner: 0 }));
            }
            for (key, slot) in keys.zip(&slots) {
                assert_eq!(parts[0].remove(*slot, 5), Some(&key));
                assert_eq!(parts[0].find(&Key(key), 5), None);
            }
        }
        assert_eq!(parts[0].len(), 0);
    }
}

#[test]
fn all_words_of_a_key_count() {
    let mut parts = table::<Key6, [u32; 23]>(1, 8).unwrap();
    parts[0].insert(Key(7), 5, [0; 23]).unwrap();
    assert!(parts[0].find(&Key(7), 5).is_some());
    assert_eq!(parts[0].find(&Key(8), 5), None);
}

#[test]
fn a_candidate_is_named_by_its_tag() {
    let mut parts = parts(2, 8);
    let slot = parts[0].insert(Key(7), 5, 1).unwrap();
    assert_eq!(parts[1].candidate(5), Some(slot));
    assert_eq!(parts[1].candidate(6), None);
}

#[test]
fn the_listing_has_every_member_once() {
    let mut parts = parts(2, 100);
    let mut wanted = Vec::new();
    for key in 0..150 {
        let owner = key as usize % 2;
        let slot = parts[owner].insert(Key(key), hash(key % 3), key).unwrap();
        wanted.push((key, Found { slot, owner }));
    }
    let mut listed = Vec::new();
    parts[0].for_each_key(|key, found| listed.push((key.0, found)));
    listed.sort_by_key(|(key, _)| *key);
    assert_eq!(listed, wanted);
}

#[test]
fn sizes_that_cannot_be_are_refused_by_name() {
    let refused = |cores, per_core| table::<Key4, u32>(cores, per_core).err().unwrap().to_string();
    assert!(refused(0, 1).contains("0 cores"));
    assert!(refused(129, 1).contains("129 cores"));
    assert!(refused(1, 0).contains("at least 1"));
    assert!(refused(2, 1 << 28).contains("at most 268435456"));
}

#[test]
fn memory_that_is_not_used_is_not_touched() {
    let before = resident();
    let mut parts = table::<Key4, [u32; 13]>(1, 1 << 26).unwrap();
    assert!(parts[0].memory_bytes() >= 5 << 30);
    for key in 0..10 {
        parts[0].insert(Key(key), hash(key), [0; 13]).unwrap();
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 256 << 20, "{grown} bytes became resident");
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Insert { core: usize, key: u32 },
    Remove { key: u32 },
    Find { core: usize, key: u32 },
}

const CORES: usize = 3;
const PER_CORE: u32 = 40;

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..130u32;
    let op = prop_oneof![
        4 => (0..CORES, key.clone()).prop_map(|(core, key)| Op::Insert { core, key }),
        1 => key.clone().prop_map(|key| Op::Remove { key }),
        2 => (0..CORES, key).prop_map(|(core, key)| Op::Find { core, key }),
    ];
    prop::collection::vec(op, 1..600)
}

proptest! {
    /// `spread` hashes for 130 keys: with one hash they overflow all their buckets. One core alone
    /// inserts otherwise than several.
    #[test]
    fn the_table_does_what_a_map_does(
        ops in ops(),
        cores in prop_oneof![Just(1), Just(CORES)],
        spread in prop_oneof![Just(1), Just(2), Just(7), Just(1000)],
    ) {
        let per_core = PER_CORE * (CORES / cores) as u32;
        let mut parts = parts(cores, per_core);
        let mut map: HashMap<u32, Found> = HashMap::new();
        let hash = |key: u32| hash(key % spread);
        for op in ops {
            match op {
                Op::Insert { core, key } => {
                    let core = core % cores;
                    let full = map.values().filter(|found| found.owner == core).count() == per_core as usize;
                    match parts[core].insert(Key(key), hash(key), key) {
                        Ok(slot) => {
                            prop_assert!(!full);
                            prop_assert_eq!(map.insert(key, Found { slot, owner: core }), None);
                        }
                        Err(InsertError::Exists(found)) => prop_assert_eq!(map.get(&key), Some(&found)),
                        Err(InsertError::SlotsFull) => prop_assert!(full && !map.contains_key(&key)),
                        Err(InsertError::TableFull) => prop_assert!(map.len() >= WAYS * OFFSETS.len()),
                        Err(InsertError::Raced) => prop_assert!(false, "nobody to race with"),
                    }
                }
                Op::Remove { key } => {
                    if let Some(found) = map.remove(&key) {
                        prop_assert_eq!(parts[found.owner].remove(found.slot, hash(key)), Some(&key));
                    }
                }
                Op::Find { core, key } => {
                    prop_assert_eq!(parts[core % cores].find(&Key(key), hash(key)), map.get(&key).copied());
                }
            }
        }
        for (core, part) in parts.iter().enumerate() {
            prop_assert_eq!(part.len(), map.values().filter(|found| found.owner == core).count());
        }
        for (key, found) in &map {
            prop_assert_eq!(parts[found.owner].value(found.slot), Some(key));
        }
    }
}

/// Threads insert and remove the same few keys, which share one home. Between the return of an
/// insertion and the call of the removal the key is a member: never twice at a time.
#[test]
fn two_cores_never_hold_the_same_key() {
    const KEYS: u32 = 12;
    let members: [AtomicI32; KEYS as usize] = Default::default();
    let [inserted, refused] = [AtomicU64::new(0), AtomicU64::new(0)];
    std::thread::scope(|scope| {
        for (core, mut part) in parts(2, 16).into_iter().enumerate() {
            let (members, inserted, refused) = (&members, &inserted, &refused);
            scope.spawn(move || {
                let mut random = core as u64 + 1;
                for _ in 0..200_000 {
                    random = mix(random.wrapping_add(0x9e37_79b9_7f4a_7c15));
                    let key = (random >> 40) as u32 % KEYS;
                    match part.insert(Key(key), 5, key) {
                        Ok(slot) => {
                            assert_eq!(members[key as usize].fetch_add(1, SeqCst), 0, "key {key} twice");
                            assert_eq!(part.find(&Key(key), 5), Some(Found { slot, owner: core }));
                            assert_eq!(members[key as usize].fetch_sub(1, SeqCst), 1);
                            assert_eq!(part.remove(slot, 5), Some(&key));
                            inserted.fetch_add(1, SeqCst);
                        }
                        Err(InsertError::Exists(_) | InsertError::Raced) => _ = refused.fetch_add(1, SeqCst),
                        Err(error) => panic!("{error}"),
                    }
                }
                assert_eq!(part.len(), 0);
                part.for_each_key(|key, found| assert_ne!(found.owner, core, "{key:?} was left"));
            });
        }
    });
    assert!(inserted.into_inner() > 0, "{refused:?} refused");
}
