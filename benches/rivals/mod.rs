//! The connection table and its rivals, all behind one trait: the same keys, the same values of 52
//! octets, the same hash, the same order of operations.
//!
//! - `key`: numbered 4-tuples, and the hash for those who take a hasher.
//! - `ours`: the table, in both ways of giving it to cores; `maps`: the crates that people use.
//! - `work`: what is done with them, and how long it takes.
//!
//! Used by `benches/table.rs` and by `benches/table_contest`.
#![allow(dead_code)] // each user leaves something out

mod key;
mod maps;
mod ours;
mod work;

use handfast_stack::wire::FlowKey4;
pub use work::{Operation, Task, Until};
use work::{Seated, Walker};

/// What a connection's state takes beside its key: together one cache line.
pub type State = [u32; 13];

/// Keys that a batched interface takes at a time.
pub const BATCH: usize = 32;

/// A contestant as one thread holds it. Whole keys are compared, values are copied out.
pub trait Seat: Send {
    fn find(&mut self, key: &FlowKey4) -> Option<State>;

    /// False when the key was there already.
    fn insert(&mut self, key: FlowKey4, value: State) -> bool;

    fn remove(&mut self, key: &FlowKey4) -> bool;

    /// As [`Seat::find`] for several keys. Contestants without a way to do better look one by one,
    /// here as below.
    fn find_batch(&mut self, keys: &[FlowKey4], mut each: impl FnMut(Option<State>)) {
        keys.iter().for_each(|key| each(self.find(key)));
    }

    /// Of how many keys this was the insertion.
    fn insert_batch(&mut self, keys: &[FlowKey4]) -> usize {
        keys.iter().filter(|key| self.insert(**key, key::value(key))).count()
    }

    fn remove_batch(&mut self, keys: &[FlowKey4]) -> usize {
        keys.iter().filter(|key| self.remove(key)).count()
    }
}

/// How large a table, and for how many threads.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys in it, before anything is measured and after each round.
    pub entries: u32,
    /// What it is asked to have room for.
    pub capacity: u32,
    pub threads: usize,
}

impl Size {
    /// Filled to `load` of its capacity.
    pub fn new(entries: u32, load: f64, threads: usize) -> Size {
        Size { entries, capacity: (f64::from(entries) / load) as u32, threads }
    }

    fn per_thread(&self) -> u32 {
        self.capacity.div_ceil(self.threads as u32)
    }
}

/// A filled contestant that operations can be measured on.
pub trait Contestant {
    /// Nanoseconds from one operation's end to the next one's, on all the task's threads together.
    fn measure(&mut self, task: Task, until: Until) -> f64;
}

/// A contestant that could be filled.
#[derive(Clone, Copy)]
pub struct Entrant {
    pub name: &'static str,
    /// Whether it does anything with a batch that it would not do one by one.
    pub batched: bool,
    /// For one thread, for several, or both.
    fits: fn(usize) -> bool,
    build: fn(&Size) -> Box<dyn Contestant>,
}

impl Entrant {
    /// All that there are for so many threads. The first is the table as the engine has it.
    pub fn all(threads: usize) -> Vec<Entrant> {
        ENTRANTS.iter().copied().filter(|entrant| (entrant.fits)(threads)).collect()
    }

    /// Allocates and fills it, and checks that it finds what it should.
    pub fn fill(&self, size: &Size) -> Box<dyn Contestant> {
        (self.build)(size)
    }
}

/// The table as the engine has it.
pub const OURS: &str = "handfast";

const ANY: fn(usize) -> bool = |_| true;
const ONE: fn(usize) -> bool = |threads| threads == 1;
const SEVERAL: fn(usize) -> bool = |threads| threads > 1;

const ENTRANTS: [Entrant; 9] = [
    Entrant { name: OURS, batched: true, fits: ANY, build: |size| seat(ours::shared(size), size) },
    Entrant {
        name: "handfast per core",
        batched: true,
        fits: SEVERAL,
        build: |size| seat(ours::per_core(size), size),
    },
    Entrant {
        name: "HashTable per core",
        batched: false,
        fits: ANY,
        build: |size| seat(ours::hashed(size), size),
    },
    Entrant { name: "hashbrown", batched: false, fits: ONE, build: |size| seat(maps::plain(size), size) },
    Entrant {
        name: "Mutex<hashbrown>",
        batched: true,
        fits: ANY,
        build: |size| seat(maps::locked(size), size),
    },
    Entrant { name: "papaya", batched: true, fits: ANY, build: |size| seat(maps::papaya(size), size) },
    Entrant { name: "dashmap", batched: false, fits: ANY, build: |size| seat(maps::dash(size), size) },
    Entrant { name: "scc::HashMap", batched: false, fits: ANY, build: |size| seat(maps::scc(size), size) },
    Entrant {
        name: "scc::HashIndex",
        batched: false,
        fits: ANY,
        build: |size| seat(maps::scc_index(size), size),
    },
];

fn seat<S: Seat + 'static>(seats: Vec<S>, size: &Size) -> Box<dyn Contestant> {
    let filled = seats.into_iter().zip(0..).map(|(mut seat, number)| {
        let walker = Walker::fill(number, size, &mut seat);
        (seat, walker)
    });
    Box::new(Seated(filled.collect()))
}
