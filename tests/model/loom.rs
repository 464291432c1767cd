//! The table's bucket protocol under loom: every interleaving of a few operations on two small
//! buckets, with at most three preemptions.
//!
//! `cargo test -p handfast-model --test loom`
#![allow(dead_code)] // of the protocol's files: what only the table calls

#[path = "../../src/stack/table/bucket.rs"]
mod bucket;
#[path = "../../src/stack/table/entry.rs"]
mod entry;
mod model;
#[path = "../../src/stack/table/probe.rs"]
mod probe;
#[path = "../../src/stack/table/select.rs"]
mod select;
mod shape;

/// The atomics that the protocol is compiled with.
mod sync {
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    /// Loom takes SeqCst accesses for acquire-release, and knows only the fence.
    pub fn published() {
        fence(Ordering::SeqCst);
    }
}

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use loom::sync::Arc;
use loom::thread;

use entry::{Entry, Generation};
use model::{Model, key};
use probe::InsertRefusal;

fn check(run: impl Fn(Arc<Model>) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || run(Arc::new(Model::new(4))));
}

/// Two cores insert one key; `before` strangers are in the home bucket already. In some interleaving one of
/// them is refused because the other was there at the same moment.
fn two_inserters(before: u32) {
    let raced = std::sync::Arc::new(AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&raced);
    check(move |model| {
        for other in 0..before {
            model.find_or_insert(key(100 + other), 2 + other, Generation::FIRST).unwrap();
        }
        let other = Arc::clone(&model);
        let rival = thread::spawn(move || other.find_or_insert(key(7), 1, Generation::FIRST));
        let ours = model.find_or_insert(key(7), 0, Generation::FIRST);
        let theirs = rival.join().unwrap();
        let members = model.members(key(7));
        assert_eq!(members.len(), 1, "{ours:?} {theirs:?}");
        assert_eq!(ours.is_ok(), members == [0], "{ours:?}");
        assert_eq!(theirs.is_ok(), members == [1], "{theirs:?}");
        for refused in [ours, theirs].into_iter().filter_map(Result::err) {
            assert!(matches!(refused, InsertRefusal::Raced | InsertRefusal::Exists(_)), "{refused:?}");
            seen.fetch_or(refused == InsertRefusal::Raced, Relaxed);
        }
        assert_eq!(model.leftovers().0, 1 + before as usize);
    });
    assert!(raced.load(Relaxed), "no interleaving raises it");
}

#[test]
fn of_two_inserters_in_the_home_one_succeeds() {
    two_inserters(0);
}

#[test]
fn of_two_inserters_of_whom_one_has_to_go_elsewhere_one_succeeds() {
    two_inserters(1);
}

#[test]
fn of_two_inserters_elsewhere_one_succeeds() {
    two_inserters(2);
}

/// The first place becomes free while the second core looks for one: both orders of places occur.
#[test]
fn an_inserter_in_a_place_just_freed_meets_one_elsewhere() {
    check(|model| {
        model.find_or_insert(key(100), 2, Generation::FIRST).unwrap();
        model.find_or_insert(key(101), 3, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let rival = thread::spawn(move || other.find_or_insert(key(7), 1, Generation::FIRST));
        model.remove(2).unwrap();
        let ours = model.find_or_insert(key(7), 0, Generation::FIRST);
        let theirs = rival.join().unwrap();
        assert_eq!(model.members(key(7)).len(), 1, "{ours:?} {theirs:?}");
        assert_eq!([ours, theirs].into_iter().filter(Result::is_ok).count(), 1);
        assert_eq!(model.leftovers(), (2, model.away()));
    });
}

/// The whole home becomes free: no entry there but the inserter's own, and the rival's is elsewhere.
#[test]
fn an_inserter_in_an_emptied_home_meets_one_elsewhere() {
    check(|model| {
        model.find_or_insert(key(100), 2, Generation::FIRST).unwrap();
        model.find_or_insert(key(101), 3, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let rival = thread::spawn(move || other.find_or_insert(key(7), 1, Generation::FIRST));
        model.remove(2).unwrap();
        model.remove(3).unwrap();
        let ours = model.find_or_insert(key(7), 0, Generation::FIRST);
        let theirs = rival.join().unwrap();
        assert_eq!(model.members(key(7)).len(), 1, "{ours:?} {theirs:?}");
        assert_eq!([ours, theirs].into_iter().filter(Result::is_ok).count(), 1);
        assert_eq!(model.leftovers(), (1, model.away()));
    });
}

/// Both see the same place empty; the one that comes second takes the other, or goes elsewhere.
fn inserters_of_two_keys(before: u32) {
    check(move |model| {
        for other in 0..before {
            model.find_or_insert(key(100 + other), 2 + other, Generation::FIRST).unwrap();
        }
        let other = Arc::clone(&model);
        let neighbour = thread::spawn(move || other.find_or_insert(key(8), 1, Generation::FIRST));
        assert_eq!(model.find_or_insert(key(7), 0, Generation::FIRST), Ok(()));
        assert_eq!(neighbour.join().unwrap(), Ok(()));
        assert_eq!((model.members(key(7)), model.members(key(8))), (vec![0], vec![1]));
    });
}

#[test]
fn inserters_of_two_keys_both_succeed_in_the_home() {
    inserters_of_two_keys(0);
}

#[test]
fn inserters_of_two_keys_both_succeed_where_one_goes_elsewhere() {
    inserters_of_two_keys(1);
}

/// A reader finds the entry of the inserter that succeeds; a withdrawn one was never a member.
#[test]
fn a_reader_during_two_insertions_finds_the_one_that_succeeds() {
    check(|model| {
        let inserters = [0, 1].map(|slot| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.find_or_insert(key(7), slot, Generation::FIRST))
        });
        let found = model.find(key(7)).map(Entry::slot);
        let inserted = inserters.map(|inserter| inserter.join().unwrap().is_ok());
        assert_ne!(inserted[0], inserted[1]);
        assert!(found.is_none_or(|slot| inserted[slot as usize]), "{found:?} {inserted:?}");
    });
}

/// A slot is removed and reused for another key while a reader compares keys: what it finds has the
/// generation in which the slot had that key.
#[test]
fn a_reader_never_takes_a_reused_slot_for_the_old_key() {
    check(|model| {
        model.find_or_insert(key(7), 0, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || {
            let word = other.remove(0).unwrap();
            other.find_or_insert(key(8), 0, word.generation().next()).unwrap();
        });
        for (n, generation) in [(7, Generation::FIRST), (8, Generation::FIRST.next())] {
            if let Some(word) = model.find(key(n)) {
                assert_eq!((word.slot(), word.generation()), (0, generation));
            }
        }
        owner.join().unwrap();
        assert_eq!(model.find(key(7)), None);
        assert!(model.find(key(8)).is_some());
    });
}

/// A reader that sees half of the old key and half of the new one takes neither for its own.
#[test]
fn a_torn_key_is_never_found() {
    for torn in [[7, 8], [8, 7]] {
        check(move |model| {
            model.find_or_insert(key(7), 0, Generation::FIRST).unwrap();
            let other = Arc::clone(&model);
            let owner = thread::spawn(move || {
                let word = other.remove(0).unwrap();
                other.find_or_insert(key(8), 0, word.generation().next()).unwrap();
            });
            assert_eq!(model.find(torn), None);
            owner.join().unwrap();
        });
    }
}

/// A member is removed while another core inserts its key: refused or the only member.
#[test]
fn an_inserter_meets_a_removal() {
    check(|model| {
        model.find_or_insert(key(7), 0, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || other.remove(0).unwrap());
        let ours = model.find_or_insert(key(7), 1, Generation::FIRST);
        owner.join().unwrap();
        assert!(matches!(ours, Ok(()) | Err(InsertRefusal::Exists(0))), "{ours:?}");
        assert_eq!(model.members(key(7)).len(), usize::from(ours.is_ok()));
        assert_eq!(model.leftovers(), (usize::from(ours.is_ok()), 0));
    });
}

/// Two cores remove members with one tag: each its own, also the one in slot 0, as which an empty place reads.
#[test]
fn a_removal_beside_another_takes_its_own() {
    check(|model| {
        model.find_or_insert(key(8), 1, Generation::FIRST).unwrap();
        model.find_or_insert(key(7), 0, Generation::FIRST.next()).unwrap();
        let other = Arc::clone(&model);
        let neighbour = thread::spawn(move || other.remove(0).map(|word| (word.slot(), word.generation())));
        assert_eq!(model.remove(1).map(Entry::slot), Some(1));
        assert_eq!(neighbour.join().unwrap(), Some((0, Generation::FIRST.next())));
        assert_eq!(model.leftovers(), (0, 0));
    });
}

/// A member that stays is found, whatever comes and goes beside it, also when it lives elsewhere.
#[test]
fn a_member_that_stays_is_found() {
    check(|model| {
        for (n, slot) in [(100, 0), (101, 1), (7, 2)] {
            model.find_or_insert(key(n), slot, Generation::FIRST).unwrap();
        }
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || {
            let word = other.remove(0).unwrap();
            other.find_or_insert(key(102), 0, word.generation().next()).unwrap();
            other.remove(1).unwrap();
        });
        assert_eq!(model.find(key(7)).map(Entry::slot), Some(2));
        assert_eq!(model.find_or_insert(key(7), 3, Generation::FIRST), Err(InsertRefusal::Exists(2)));
        owner.join().unwrap();
    });
}
