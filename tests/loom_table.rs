//! The table's bucket protocol under loom: every interleaving of a few operations on two small
//! buckets, with at most three preemptions.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --test loom_table --target-dir target/loom`
//!
//! Keys are single numbers in lines of loom's own, written and compared as the table's `lines` does.
#![cfg(loom)]
#![allow(dead_code)] // of the protocol's files: what only the table calls

#[path = "../src/table/bucket.rs"]
mod bucket;
#[path = "../src/table/probe.rs"]
mod probe;
#[path = "../src/table/word.rs"]
mod word;

/// In place of `src/table/shape.rs`.
mod shape {
    pub use loom::sync::atomic::{AtomicU64, Ordering, fence};

    pub const WAYS: usize = 2;
    pub const OFFSETS: &[usize] = &[0, 1];

    pub struct Bucket {
        pub places: [AtomicU64; WAYS],
        pub elsewhere: AtomicU64,
    }

    impl Bucket {
        pub fn new() -> Self {
            Bucket { places: std::array::from_fn(|_| AtomicU64::new(0)), elsewhere: AtomicU64::new(0) }
        }
    }

    pub fn published() {
        fence(Ordering::SeqCst);
    }
}

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering::Relaxed, Ordering::SeqCst};
use loom::thread;

use bucket::SPAN;
use probe::{Probe, Refusal};
use shape::{Bucket, WAYS};
use word::{Generation, Tag, Word};

const TAG: u64 = 5;

struct Model {
    buckets: Vec<Bucket>,
    keys: Vec<AtomicU32>,
}

impl Model {
    fn new() -> Self {
        Model {
            buckets: (0..SPAN).map(|_| Bucket::new()).collect(),
            keys: (0..4).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    fn probe(&self) -> Probe<'_> {
        Probe::new(&self.buckets, Tag::of(TAG))
    }

    fn insert(&self, key: u32, slot: u32, generation: Generation) -> Result<(), Refusal> {
        let same = |other: u32| self.keys[other as usize].load(Relaxed) == key;
        if let Some(word) = self.probe().find(same) {
            return Err(Refusal::Exists(word.slot()));
        }
        self.keys[slot as usize].store(key, Relaxed);
        self.probe().insert(Word::tentative(Tag::of(TAG), generation, slot), same)
    }

    fn find(&self, key: u32) -> Option<Word> {
        self.probe().find(|slot| self.keys[slot as usize].load(Relaxed) == key)
    }

    /// Slots of the members with this key, when nobody moves any more.
    fn members(&self, key: u32) -> Vec<u32> {
        let places = self.buckets.iter().flat_map(|bucket| (0..WAYS).map(|way| bucket.load(way, SeqCst)));
        let members = places.filter(|word| word.is_member()).map(Word::slot);
        members.filter(|slot| self.keys[*slot as usize].load(Relaxed) == key).collect()
    }

    /// Entries of any state, and counts of entries elsewhere.
    fn leftovers(&self) -> (usize, usize) {
        let entries =
            self.buckets.iter().map(|bucket| bucket.select(SeqCst, |word| word != Word::EMPTY).count());
        (entries.sum(), self.buckets.iter().map(|bucket| bucket.elsewhere(SeqCst).count()).sum())
    }
}

fn check(run: impl Fn(Arc<Model>) + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || run(Arc::new(Model::new())));
}

/// Two cores insert one key; `before` strangers are in the home bucket already.
fn two_inserters(before: u32) {
    check(move |model| {
        for stranger in 0..before {
            model.insert(100 + stranger, 2 + stranger, Generation::FIRST).unwrap();
        }
        let other = Arc::clone(&model);
        let rival = thread::spawn(move || other.insert(7, 1, Generation::FIRST));
        let ours = model.insert(7, 0, Generation::FIRST);
        let theirs = rival.join().unwrap();
        let members = model.members(7);
        assert_eq!(members.len(), 1, "{ours:?} {theirs:?}");
        assert_eq!(ours.is_ok(), members == [0], "{ours:?}");
        assert_eq!(theirs.is_ok(), members == [1], "{theirs:?}");
        for refused in [ours, theirs].into_iter().filter_map(Result::err) {
            assert!(matches!(refused, Refusal::Raced | Refusal::Exists(_)), "{refused:?}");
        }
        assert_eq!(model.leftovers().0, 1 + before as usize);
    });
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
        model.insert(100, 2, Generation::FIRST).unwrap();
        model.insert(101, 3, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let rival = thread::spawn(move || other.insert(7, 1, Generation::FIRST));
        model.probe().remove(2).unwrap();
        let ours = model.insert(7, 0, Generation::FIRST);
        let theirs = rival.join().unwrap();
        assert_eq!(model.members(7).len(), 1, "{ours:?} {theirs:?}");
        assert_eq!([ours, theirs].into_iter().filter(Result::is_ok).count(), 1);
        let elsewhere = model.buckets[1].select(SeqCst, Word::is_member).count();
        assert_eq!(model.leftovers(), (2, elsewhere));
    });
}

/// A slot is removed and reused for another key while a reader compares keys: what it finds has the
/// generation in which the slot had that key.
#[test]
fn a_reader_never_takes_a_reused_slot_for_the_old_key() {
    check(|model| {
        model.insert(7, 0, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || {
            let word = other.probe().remove(0).unwrap();
            other.insert(8, 0, word.generation().next()).unwrap();
        });
        for (key, generation) in [(7, Generation::FIRST), (8, Generation::FIRST.next())] {
            if let Some(word) = model.find(key) {
                assert_eq!((word.slot(), word.generation()), (0, generation));
            }
        }
        owner.join().unwrap();
        assert_eq!(model.find(7), None);
        assert!(model.find(8).is_some());
    });
}

/// A member is removed while another core inserts its key: refused or the only member.
#[test]
fn an_inserter_meets_a_removal() {
    check(|model| {
        model.insert(7, 0, Generation::FIRST).unwrap();
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || other.probe().remove(0).unwrap());
        let ours = model.insert(7, 1, Generation::FIRST);
        owner.join().unwrap();
        assert!(matches!(ours, Ok(()) | Err(Refusal::Exists(0))), "{ours:?}");
        assert_eq!(model.members(7).len(), usize::from(ours.is_ok()));
        assert_eq!(model.leftovers(), (usize::from(ours.is_ok()), 0));
    });
}

/// A member that stays is found, whatever comes and goes beside it, also when it lives elsewhere.
#[test]
fn a_member_that_stays_is_found() {
    check(|model| {
        for (key, slot) in [(100, 0), (101, 1), (7, 2)] {
            model.insert(key, slot, Generation::FIRST).unwrap();
        }
        let other = Arc::clone(&model);
        let owner = thread::spawn(move || {
            let word = other.probe().remove(0).unwrap();
            other.insert(102, 0, word.generation().next()).unwrap();
            other.probe().remove(1).unwrap();
        });
        assert_eq!(model.find(7).map(Word::slot), Some(2));
        assert_eq!(model.insert(7, 3, Generation::FIRST), Err(Refusal::Exists(2)));
        owner.join().unwrap();
    });
}
