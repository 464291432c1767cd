use std::hint::black_box;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use handfast_stack::wire::FlowKey4;
use nix::time::{ClockId, clock_gettime};

use super::key::{key, value};
use super::{BATCH, FilledMap, MapHandle, Size, State};

/// An operation, on keys in random order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Lookup of a present key.
    Hit,
    /// Lookup of an absent key.
    Miss,
    /// Insertion of a new key, after removal of the oldest.
    Insert,
    /// Removal of the oldest keys.
    Remove,
    /// A connection load: of 48 operations, 8 lookups of new keys, 8 insertions, 24 lookups of present keys and 8
    /// removals.
    Mixed,
}

impl Operation {
    pub const ALL: [Operation; 5] =
        [Operation::Hit, Operation::Miss, Operation::Insert, Operation::Remove, Operation::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Operation::Hit => "hit",
            Operation::Miss => "miss",
            Operation::Insert => "insert",
            Operation::Remove => "remove",
            Operation::Mixed => "mixed",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    pub operation: Operation,
    /// Uses the batched interface.
    pub batched: bool,
    /// Active threads, each with its own keys.
    pub threads: usize,
}

/// End of a measurement: operations or time of each thread.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    pub operations: u64,
    pub time: Duration,
}

/// The clock of a measurement.
#[derive(Clone, Copy)]
enum Clock {
    /// Processor time of this thread, without time of other programs.
    Processor,
    /// For several threads: waiting for another one takes no processor time.
    Wall,
}

enum Start {
    Processor(Duration),
    Wall(Instant),
}

impl Clock {
    #[inline]
    fn start(self) -> Start {
        match self {
            Clock::Processor => Start::Processor(processor_time()),
            Clock::Wall => Start::Wall(Instant::now()),
        }
    }
}

impl Start {
    #[inline]
    fn elapsed(&self) -> Duration {
        match self {
            Start::Processor(start) => processor_time().saturating_sub(*start),
            Start::Wall(start) => start.elapsed(),
        }
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("Linux has it").into()
}

/// Keys of one thread, as a power of two; as many again are never inserted.
const NUMBER_BITS: u32 = 29;
/// Operations between two readings of the clock. Their keys are drawn before.
const CHUNK: u32 = 1024;
/// One in so many mixed lookups is of a new key.
const NEW: usize = 4;

/// The keys of one thread in a map: numbers `oldest..next`.
pub struct KeyWalker {
    /// The thread's first number.
    base: u32,
    oldest: u64,
    next: u64,
    chunk: u32,
    clock: Clock,
    random: u64,
    keys: Vec<FlowKey4>,
}

impl KeyWalker {
    /// Fills a map with a thread's share of the keys, and checks it.
    pub fn fill(thread: u32, size: &Size, handle: &mut impl MapHandle) -> KeyWalker {
        let share = size.entries / size.threads as u32;
        let mut walker = KeyWalker {
            base: thread << (NUMBER_BITS + 1),
            oldest: 0,
            next: 0,
            chunk: CHUNK.min(share / 8) & !(BATCH as u32 - 1),
            clock: if size.threads == 1 { Clock::Processor } else { Clock::Wall },
            random: u64::from(thread) + 1,
            keys: Vec::with_capacity(CHUNK as usize),
        };
        assert!(walker.chunk > 0, "{share} keys are too few");
        for _ in 0..share {
            let key = walker.add();
            assert!(handle.insert(key, value(&key)), "{key:?} was not there yet");
        }
        for _ in 0..2 * CHUNK {
            let (there, not) = (walker.present(), walker.absent());
            assert_eq!(handle.find(&there), Some(value(&there)), "{there:?}");
            assert_eq!(handle.find(&not), None, "{not:?}");
        }
        walker
    }

    fn number(&self, number: u64) -> FlowKey4 {
        key(self.base + (number as u32 & ((1 << NUMBER_BITS) - 1)))
    }

    /// A number below `bound` (xorshift64*).
    fn draw(&mut self, bound: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        (high * bound) >> 32
    }

    fn add(&mut self) -> FlowKey4 {
        self.next += 1;
        self.number(self.next - 1)
    }

    fn remove_oldest(&mut self) -> FlowKey4 {
        self.oldest += 1;
        self.number(self.oldest - 1)
    }

    fn present(&mut self) -> FlowKey4 {
        let number = self.oldest + self.draw(self.next - self.oldest);
        self.number(number)
    }

    fn absent(&mut self) -> FlowKey4 {
        let number = self.draw(1 << NUMBER_BITS) as u32;
        key(self.base + (1 << NUMBER_BITS) + number)
    }

    fn keys(&mut self, each: fn(&mut KeyWalker) -> FlowKey4) -> Vec<FlowKey4> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend((0..self.chunk).map(|_| each(self)));
        keys
    }

    /// Runs until the end. Returns the operations and their time.
    fn run(&mut self, handle: &mut impl MapHandle, task: Task, until: Until) -> (u64, Duration) {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done < until.operations && spent < until.time {
            let (operations, time) = self.chunk(handle, task);
            done += operations;
            spent += time;
        }
        (done, spent)
    }

    fn chunk(&mut self, handle: &mut impl MapHandle, task: Task) -> (u64, Duration) {
        let Task { operation, batched, .. } = task;
        if operation == Operation::Mixed {
            return self.mixed(handle, batched);
        }
        let keys = match operation {
            Operation::Hit => self.keys(KeyWalker::present),
            Operation::Miss => self.keys(KeyWalker::absent),
            Operation::Insert => {
                let gone = self.keys(KeyWalker::remove_oldest);
                assert_eq!(handle.remove_batch(&gone), gone.len());
                self.keys = gone;
                self.keys(KeyWalker::add)
            }
            _ => self.keys(KeyWalker::remove_oldest),
        };
        let start = self.clock.start();
        let changed = match operation {
            Operation::Insert => insert(handle, &keys, batched),
            Operation::Remove => remove(handle, &keys, batched),
            _ => look(handle, &keys, batched),
        };
        let time = start.elapsed();
        let expected = if operation == Operation::Miss { 0 } else { keys.len() };
        assert_eq!(changed, expected, "{operation:?}");
        let operations = keys.len() as u64;
        self.keys = keys;
        if operation == Operation::Remove {
            let come = self.keys(KeyWalker::add);
            assert_eq!(handle.insert_batch(&come), come.len());
            self.keys = come;
        }
        (operations, time)
    }

    fn mixed(&mut self, handle: &mut impl MapHandle, batched: bool) -> (u64, Duration) {
        let count = self.chunk as usize;
        let gone: Vec<_> = (0..count / NEW).map(|_| self.remove_oldest()).collect();
        // Looked up before the insertion: drawn from keys that stay present.
        let mut looked: Vec<_> = (0..count).map(|_| self.present()).collect();
        let come: Vec<_> = (0..count / NEW).map(|_| self.add()).collect();
        looked.iter_mut().step_by(NEW).zip(&come).for_each(|(key, new)| *key = *new);
        let start = self.clock.start();
        let mut done = 0;
        for (batch, looked) in looked.chunks(BATCH).enumerate() {
            let of = |keys: Range<usize>| keys.start * BATCH / NEW..keys.end * BATCH / NEW;
            let own = of(batch..batch + 1);
            done += look(handle, looked, batched);
            done += remove(handle, &gone[own.clone()], batched);
            done += insert(handle, &come[own], batched);
        }
        let time = start.elapsed();
        assert_eq!(done, count + count / NEW, "a quarter of the lookups finds nothing");
        ((count + 2 * (count / NEW)) as u64, time)
    }
}

#[inline]
fn look(handle: &mut impl MapHandle, keys: &[FlowKey4], batched: bool) -> usize {
    let mut found = 0;
    let mut each = |value: Option<State>| found += usize::from(black_box(value).is_some());
    match batched {
        true => keys.chunks(BATCH).for_each(|keys| handle.find_batch(keys, &mut each)),
        false => keys.iter().for_each(|key| each(handle.find(key))),
    }
    found
}

#[inline]
fn insert(handle: &mut impl MapHandle, keys: &[FlowKey4], batched: bool) -> usize {
    match batched {
        true => keys.chunks(BATCH).map(|keys| handle.insert_batch(keys)).sum(),
        false => keys.iter().filter(|key| handle.insert(**key, value(key))).count(),
    }
}

#[inline]
fn remove(handle: &mut impl MapHandle, keys: &[FlowKey4], batched: bool) -> usize {
    match batched {
        true => keys.chunks(BATCH).map(|keys| handle.remove_batch(keys)).sum(),
        false => keys.iter().filter(|key| handle.remove(key)).count(),
    }
}

/// A map's handles, one per thread.
pub struct Handles<S>(pub Vec<(S, KeyWalker)>);

impl<S: MapHandle> FilledMap for Handles<S> {
    fn measure(&mut self, task: Task, until: Until) -> f64 {
        let start = Barrier::new(task.threads);
        let of = |(operations, time): (u64, Duration)| operations as f64 / time.as_nanos().max(1) as f64;
        let handles = self.0.iter_mut().take(task.threads);
        let rate: f64 = thread::scope(|scope| {
            let work = |((handle, walker), core): (&'_ mut (S, KeyWalker), usize)| {
                let start = &start;
                // With fewer cores the kernel schedules it.
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
                start.wait();
                of(walker.run(handle, task, until))
            };
            let threads: Vec<_> = handles.zip(0..).map(|pair| scope.spawn(move || work(pair))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread that measures")).sum()
        });
        1.0 / rate
    }
}
