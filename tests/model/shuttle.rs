//! The table's bucket protocol under shuttle: more cores and more operations than loom can exhaust,
//! in random interleavings. Shuttle takes every access for sequentially consistent: it tries the
//! protocol, loom its memory orders as well.
//!
//! `cargo test -p handfast-model --test shuttle`; with `SHUTTLE_RUNS=100000` for minutes.
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
    pub use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

    pub fn published() {}
}

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Arc;
use shuttle::{Config, Runner, thread};

use entry::Generation;
use model::{Model, key};
use probe::InsertRefusal;

const CORES: u32 = 3;
const SLOTS_PER_CORE: u32 = 2;
/// What a core does in a run: inserts and removals.
const OPERATIONS: u32 = 12;
/// The keys that the cores insert, all in the same four places; and one that is always there.
const KEYS: [u32; 4] = [7, 8, 9, STAYS];
const STAYS: u32 = 100;
/// Its slot, behind the cores' own.
const STAYS_AT: u32 = CORES * SLOTS_PER_CORE;

/// A slot of a core's, and the key that it made a member of it.
struct Own {
    slot: u32,
    key: Option<u32>,
    generation: Generation,
}

/// What one core does to the table; what it holds at the end.
fn core(model: &Model, number: u32) -> Vec<Own> {
    let mut own: Vec<Own> = (0..SLOTS_PER_CORE)
        .map(|n| Own { slot: number * SLOTS_PER_CORE + n, key: None, generation: Generation::FIRST })
        .collect();
    for _ in 0..OPERATIONS {
        let at = thread_rng().gen_range(0..own.len());
        match own[at].key {
            Some(_) => remove(model, &mut own[at]),
            None => insert(model, &mut own, at, KEYS[thread_rng().gen_range(0..KEYS.len())]),
        }
        assert_eq!(model.find(key(STAYS)).map(|word| word.slot()), Some(STAYS_AT));
    }
    own
}

fn remove(model: &Model, own: &mut Own) {
    let word = model.remove(own.slot).expect("what a core inserted stays until the core removes it");
    assert_eq!((word.slot(), word.generation()), (own.slot, own.generation));
    *own = Own { slot: own.slot, key: None, generation: own.generation.next() };
}

fn insert(model: &Model, own: &mut [Own], at: usize, n: u32) {
    let held = own.iter().find(|own| own.key == Some(n)).map(|own| own.slot);
    let Own { slot, generation, .. } = own[at];
    match model.find_or_insert(key(n), slot, generation) {
        Ok(()) => {
            assert_eq!((held, n == STAYS), (None, false), "{n} was a member already");
            own[at].key = Some(n);
            assert_eq!(model.find(key(n)).map(|word| word.slot()), Some(slot));
        }
        Err(refusal) => {
            let known = if n == STAYS { Some(STAYS_AT) } else { held };
            assert!(known.is_none_or(|slot| refusal == InsertRefusal::Exists(slot)), "{n}: {refusal:?}");
            // As the slab does when a slot comes back.
            own[at].generation = generation.next();
        }
    }
}

/// Of every key there is at most one member, its inserter's; nothing else is left behind.
fn run() {
    let model = Arc::new(Model::new(STAYS_AT as usize + 1));
    model.find_or_insert(key(STAYS), STAYS_AT, Generation::FIRST).expect("an empty table");
    let threads: Vec<_> = (0..CORES)
        .map(|number| {
            let model = Arc::clone(&model);
            thread::spawn(move || core(&model, number))
        })
        .collect();
    let own: Vec<Own> = threads.into_iter().flat_map(|core| core.join().expect("no panic")).collect();
    for n in KEYS {
        let mut owners: Vec<u32> = own.iter().filter(|own| own.key == Some(n)).map(|own| own.slot).collect();
        owners.extend((n == STAYS).then_some(STAYS_AT));
        assert!(owners.len() <= 1, "{n} has {owners:?}");
        assert_eq!(model.members(key(n)), owners);
    }
    assert_eq!(model.leftovers(), (model.all_members(), usize::from(model.away() > 0)));
}

fn check(scheduler: impl Scheduler + 'static) {
    let mut config = Config::new();
    // That every access counts as sequentially consistent is said above.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(run);
}

fn runs() -> usize {
    std::env::var("SHUTTLE_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(500)
}

#[test]
fn a_key_has_one_member_whatever_three_cores_do() {
    check(RandomScheduler::new(runs()));
}

/// With few, but random preemptions (probabilistic concurrency testing): what takes a long pause in
/// an unlucky place.
#[test]
fn a_key_has_one_member_when_cores_pause() {
    check(PctScheduler::new(3, runs()));
}
