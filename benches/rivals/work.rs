use std::hint::black_box;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use handfast_stack::wire::FlowKey4;
use nix::time::{ClockId, clock_gettime};

use super::key::{key, value};
use super::{BATCH, Contestant, Seat, Size, State};

/// What is done, with keys in random order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A lookup of a key that is there.
    Hit,
    /// A lookup of one that is not.
    Miss,
    /// A key that was never there, in the room that the oldest keys have just left.
    Insert,
    /// The oldest keys.
    Remove,
    /// What connections do: of 48 operations 8 lookups of new keys, their insertions, 24 lookups of
    /// keys that are there, and 8 removals.
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
    /// Through the interface for [`BATCH`] keys.
    pub batched: bool,
    /// That work at the same time, each on keys of its own.
    pub threads: usize,
}

/// When a measurement ends: each thread has done so many operations, or has spent so much time.
#[derive(Clone, Copy, Debug)]
pub struct Until {
    pub operations: u64,
    pub time: Duration,
}

/// What a measurement looks at before and after.
#[derive(Clone, Copy)]
enum Clock {
    /// Processor time of this thread: what a neighbour takes of the wall clock's time is left out.
    Processor,
    /// For contestants of several threads: waiting for another one costs them no processor time.
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
/// Operations between two looks at the clock. Their keys are drawn before the first.
const CHUNK: u32 = 1024;
/// Of each batch of mixed lookups one in so many is a new key.
const NEW: usize = 4;

/// Which keys one thread has put into a contestant: numbers `oldest..next`.
pub struct Walker {
    /// The thread's first number.
    base: u32,
    oldest: u64,
    next: u64,
    chunk: u32,
    clock: Clock,
    random: u64,
    keys: Vec<FlowKey4>,
}

impl Walker {
    /// Fills a contestant with a thread's share of the keys, and looks whether it finds them.
    pub fn fill(thread: u32, size: &Size, seat: &mut impl Seat) -> Walker {
        let share = size.entries / size.threads as u32;
        let mut walker = Walker {
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
            let key = walker.arrive();
            assert!(seat.insert(key, value(&key)), "{key:?} was not there yet");
        }
        for _ in 0..2 * CHUNK {
            let (there, not) = (walker.member(), walker.stranger());
            assert_eq!(seat.find(&there), Some(value(&there)), "{there:?}");
            assert_eq!(seat.find(&not), None, "{not:?}");
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

    fn arrive(&mut self) -> FlowKey4 {
        self.next += 1;
        self.number(self.next - 1)
    }

    fn leave(&mut self) -> FlowKey4 {
        self.oldest += 1;
        self.number(self.oldest - 1)
    }

    fn member(&mut self) -> FlowKey4 {
        let number = self.oldest + self.draw(self.next - self.oldest);
        self.number(number)
    }

    fn stranger(&mut self) -> FlowKey4 {
        let number = self.draw(1 << NUMBER_BITS) as u32;
        key(self.base + (1 << NUMBER_BITS) + number)
    }

    fn keys(&mut self, each: fn(&mut Walker) -> FlowKey4) -> Vec<FlowKey4> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend((0..self.chunk).map(|_| each(self)));
        keys
    }

    /// As often as until says: how many operations, how long they took.
    fn run(&mut self, seat: &mut impl Seat, task: Task, until: Until) -> (u64, Duration) {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done < until.operations && spent < until.time {
            let (operations, time) = self.chunk(seat, task);
            done += operations;
            spent += time;
        }
        (done, spent)
    }

    fn chunk(&mut self, seat: &mut impl Seat, task: Task) -> (u64, Duration) {
        let Task { operation, batched, .. } = task;
        if operation == Operation::Mixed {
            return self.mixed(seat, batched);
        }
        let keys = match operation {
            Operation::Hit => self.keys(Walker::member),
            Operation::Miss => self.keys(Walker::stranger),
            Operation::Insert => {
                let gone = self.keys(Walker::leave);
                assert_eq!(seat.remove_batch(&gone), gone.len());
                self.keys = gone;
                self.keys(Walker::arrive)
            }
            _ => self.keys(Walker::leave),
        };
        let start = self.clock.start();
        let changed = match operation {
            Operation::Insert => insert(seat, &keys, batched),
            Operation::Remove => remove(seat, &keys, batched),
            _ => look(seat, &keys, batched),
        };
        let time = start.elapsed();
        let expected = if operation == Operation::Miss { 0 } else { keys.len() };
        assert_eq!(changed, expected, "{operation:?}");
        let operations = keys.len() as u64;
        self.keys = keys;
        if operation == Operation::Remove {
            let come = self.keys(Walker::arrive);
            assert_eq!(seat.insert_batch(&come), come.len());
            self.keys = come;
        }
        (operations, time)
    }

    fn mixed(&mut self, seat: &mut impl Seat, batched: bool) -> (u64, Duration) {
        let count = self.chunk as usize;
        let gone: Vec<_> = (0..count / NEW).map(|_| self.leave()).collect();
        // Looked up before it comes: drawn from those that stay meanwhile.
        let mut looked: Vec<_> = (0..count).map(|_| self.member()).collect();
        let come: Vec<_> = (0..count / NEW).map(|_| self.arrive()).collect();
        looked.iter_mut().step_by(NEW).zip(&come).for_each(|(key, new)| *key = *new);
        let start = self.clock.start();
        let mut done = 0;
        for (batch, looked) in looked.chunks(BATCH).enumerate() {
            let of = |keys: Range<usize>| keys.start * BATCH / NEW..keys.end * BATCH / NEW;
            let own = of(batch..batch + 1);
            done += look(seat, looked, batched);
            done += remove(seat, &gone[own.clone()], batched);
            done += insert(seat, &come[own], batched);
        }
        let time = start.elapsed();
        assert_eq!(done, count + count / NEW, "a quarter of the lookups finds nothing");
        ((count + 2 * (count / NEW)) as u64, time)
    }
}

#[inline]
fn look(seat: &mut impl Seat, keys: &[FlowKey4], batched: bool) -> usize {
    let mut found = 0;
    let mut each = |value: Option<State>| found += usize::from(black_box(value).is_some());
    match batched {
        true => keys.chunks(BATCH).for_each(|keys| seat.find_batch(keys, &mut each)),
        false => keys.iter().for_each(|key| each(seat.find(key))),
    }
    found
}

#[inline]
fn insert(seat: &mut impl Seat, keys: &[FlowKey4], batched: bool) -> usize {
    match batched {
        true => keys.chunks(BATCH).map(|keys| seat.insert_batch(keys)).sum(),
        false => keys.iter().filter(|key| seat.insert(**key, value(key))).count(),
    }
}

#[inline]
fn remove(seat: &mut impl Seat, keys: &[FlowKey4], batched: bool) -> usize {
    match batched {
        true => keys.chunks(BATCH).map(|keys| seat.remove_batch(keys)).sum(),
        false => keys.iter().filter(|key| seat.remove(key)).count(),
    }
}

/// A contestant's seats, one per thread.
pub struct Seated<S>(pub Vec<(S, Walker)>);

impl<S: Seat> Contestant for Seated<S> {
    fn measure(&mut self, task: Task, until: Until) -> f64 {
        let start = Barrier::new(task.threads);
        let of = |(operations, time): (u64, Duration)| operations as f64 / time.as_nanos().max(1) as f64;
        let seats = self.0.iter_mut().take(task.threads);
        let rate: f64 = thread::scope(|scope| {
            let work = |((seat, walker), core): (&'_ mut (S, Walker), usize)| {
                let start = &start;
                // Where there are fewer cores the kernel places it.
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
                start.wait();
                of(walker.run(seat, task, until))
            };
            let threads: Vec<_> = seats.zip(0..).map(|pair| scope.spawn(move || work(pair))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread that measures")).sum()
        });
        1.0 / rate
    }
}
