//! The connection table and other maps behind one trait: the same keys, values of 52 bytes, hash and order of
//! operations.
//!
//! - `key`: numbered 4-tuples, and the hash for maps that take a hasher.
//! - `table`: the table, shared between cores or one for each; `others`: widely used crates.
//! - `work`: the operations and their measurement.

mod key;
mod others;
mod table;
mod work;

use handfast_stack::wire::FlowKey4;
use work::{Handles, KeyWalker};
pub use work::{Operation, Task, Until};

/// A connection's state beside its key: together one cache line.
pub type State = [u32; 13];

/// Keys of one batch.
pub const BATCH: usize = 32;

/// One thread's handle of a map. Whole keys are compared, values are copied.
pub trait MapHandle: Send {
    fn find(&mut self, key: &FlowKey4) -> Option<State>;

    /// Returns false if the key was present.
    fn insert(&mut self, key: FlowKey4, value: State) -> bool;

    fn remove(&mut self, key: &FlowKey4) -> bool;

    /// [`MapHandle::find`] for several keys; the default handles them one by one, here as below.
    fn find_batch(&mut self, keys: &[FlowKey4], mut each: impl FnMut(Option<State>)) {
        keys.iter().for_each(|key| each(self.find(key)));
    }

    /// Returns the number of keys that were inserted.
    fn insert_batch(&mut self, keys: &[FlowKey4]) -> usize {
        keys.iter().filter(|key| self.insert(**key, key::value(key))).count()
    }

    fn remove_batch(&mut self, keys: &[FlowKey4]) -> usize {
        keys.iter().filter(|key| self.remove(key)).count()
    }
}

/// Size of a map, and its number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Keys in it before each measurement.
    pub entries: u32,
    /// The requested capacity.
    pub capacity: u32,
    pub threads: usize,
}

impl Size {
    /// A size with this load factor.
    pub fn new(entries: u32, load: f64, threads: usize) -> Size {
        Size { entries, capacity: (f64::from(entries) / load) as u32, threads }
    }

    fn per_thread(&self) -> u32 {
        self.capacity.div_ceil(self.threads as u32)
    }
}

/// A filled map, ready to be measured.
pub trait FilledMap {
    /// Returns nanoseconds per operation, of all the task's threads together.
    fn measure(&mut self, task: Task, until: Until) -> f64;
}

/// A map, not filled yet.
#[derive(Clone, Copy)]
pub struct MapKind {
    pub name: &'static str,
    /// Whether it has a batched interface.
    pub batched: bool,
    /// The numbers of threads that it supports.
    fits: fn(usize) -> bool,
    build: fn(&Size) -> Box<dyn FilledMap>,
}

impl MapKind {
    /// Returns all maps for that number of threads. The first is the table as the engine uses it.
    pub fn all(threads: usize) -> Vec<MapKind> {
        MAP_KINDS.iter().copied().filter(|kind| (kind.fits)(threads)).collect()
    }

    /// Allocates, fills and checks it.
    pub fn fill(&self, size: &Size) -> Box<dyn FilledMap> {
        (self.build)(size)
    }
}

/// The table as the engine uses it.
pub const HANDFAST: &str = "handfast";

const ANY: fn(usize) -> bool = |_| true;
const ONE: fn(usize) -> bool = |threads| threads == 1;
const SEVERAL: fn(usize) -> bool = |threads| threads > 1;

const MAP_KINDS: [MapKind; 9] = [
    MapKind { name: HANDFAST, batched: true, fits: ANY, build: |size| handle(table::shared(size), size) },
    MapKind {
        name: "handfast per core",
        batched: true,
        fits: SEVERAL,
        build: |size| handle(table::per_core(size), size),
    },
    MapKind {
        name: "HashTable per core",
        batched: false,
        fits: ANY,
        build: |size| handle(table::hashed(size), size),
    },
    MapKind { name: "hashbrown", batched: false, fits: ONE, build: |size| handle(others::plain(size), size) },
    MapKind {
        name: "Mutex<hashbrown>",
        batched: true,
        fits: ANY,
        build: |size| handle(others::locked(size), size),
    },
    MapKind { name: "papaya", batched: true, fits: ANY, build: |size| handle(others::papaya(size), size) },
    MapKind { name: "dashmap", batched: false, fits: ANY, build: |size| handle(others::dash(size), size) },
    MapKind {
        name: "scc::HashMap",
        batched: false,
        fits: ANY,
        build: |size| handle(others::scc(size), size),
    },
    MapKind {
        name: "scc::HashIndex",
        batched: false,
        fits: ANY,
        build: |size| handle(others::scc_index(size), size),
    },
];

fn handle<S: MapHandle + 'static>(handles: Vec<S>, size: &Size) -> Box<dyn FilledMap> {
    let filled = handles.into_iter().zip(0..).map(|(mut handle, number)| {
        let walker = KeyWalker::fill(number, size, &mut handle);
        (handle, walker)
    });
    Box::new(Handles(filled.collect()))
}
