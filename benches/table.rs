//! The connection table: hit, miss, and insert with remove, one key at a time and in batches of 32, three
//! quarters full.
//!
//! ```sh
//! cargo bench --bench table                                  # 1 k, 64 k and 1 M entries
//! HANDFAST_BENCH_ENTRIES=8M,16M cargo bench --bench table    # other sizes
//! ```
//!
//! `benches/comparisons/maps` measures it against other maps.

use std::hint::black_box;
use std::sync::LazyLock;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handfast_stack::table::{Shard, table};
use handfast_stack::wire::{FlowKey4, TupleSecret};

/// A connection's state beside its key: together one cache line.
type State = [u32; 13];

static SECRET: LazyLock<TupleSecret> = LazyLock::new(|| TupleSecret::fixed(1));

/// Keys of one batch, looked up or changed in one iteration.
const BATCH: usize = 32;
/// Connections of one remote address, as a power of two.
const PORT_BITS: u32 = 10;
/// Keys from here on are never inserted.
const ABSENT: u32 = 1 << 30;

/// The table, which contains the keys `oldest..next`.
struct Filled {
    table: Shard<FlowKey4, State>,
    oldest: u32,
    next: u32,
    random: u64,
}

impl Filled {
    fn new(entries: u32) -> Filled {
        let capacity = (f64::from(entries) / 0.75) as u32;
        let table = table(1, capacity).expect("address space for a table").remove(0);
        let mut filled = Filled { table, oldest: 0, next: 0, random: 1 };
        (0..entries).for_each(|_| filled.insert());
        filled
    }

    /// A number below `bound` (xorshift64*).
    fn draw(&mut self, bound: u32) -> u32 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        let high = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    /// Keys in random order, all in the table or none.
    fn keys(&mut self, present: bool) -> [FlowKey4; BATCH] {
        std::array::from_fn(|_| match present {
            true => key(self.oldest.wrapping_add(self.draw(self.next.wrapping_sub(self.oldest)))),
            false => key(ABSENT + self.draw(ABSENT)),
        })
    }

    fn find(&self, keys: &[FlowKey4; BATCH]) -> usize {
        keys.iter().filter(|key| self.value(key, SECRET.prf(*key).hash).is_some()).count()
    }

    /// As the engine does: prefetches the buckets of all keys, then their lines.
    fn find_batched(&self, keys: &[FlowKey4; BATCH]) -> usize {
        let hashes = keys.map(|key| {
            let hash = SECRET.prf(&key).hash;
            self.table.prefetch(hash);
            hash
        });
        for hash in hashes {
            if let Some(slot) = self.table.candidate(hash) {
                self.table.prefetch_slot(slot);
            }
        }
        keys.iter().zip(hashes).filter(|(key, hash)| self.value(key, *hash).is_some()).count()
    }

    fn value(&self, key: &FlowKey4, hash: u32) -> Option<State> {
        let found = self.table.find(key, hash)?;
        black_box(self.table.value(found.slot).copied())
    }

    fn insert(&mut self) {
        let key = key(self.next % ABSENT);
        assert!(self.table.insert(key, SECRET.prf(&key).hash, [self.next; 13]).is_ok());
        self.next = self.next.wrapping_add(1);
    }

    fn remove_oldest(&mut self) {
        let key = key(self.oldest % ABSENT);
        let hash = SECRET.prf(&key).hash;
        let slot = self.table.find(&key, hash).map(|found| found.slot);
        assert!(slot.is_some_and(|slot| self.table.remove(slot, hash).is_some()));
        self.oldest = self.oldest.wrapping_add(1);
    }
}

/// The 4-tuple of this number.
fn key(number: u32) -> FlowKey4 {
    FlowKey4 {
        remote: (number >> PORT_BITS).to_be_bytes(),
        local: [10, 0, 0, 1],
        remote_port: 1024 + (number & ((1 << PORT_BITS) - 1)) as u16,
        local_port: 443,
    }
}

/// `64k`, `1M`: powers of 1024.
fn entries(text: &str) -> u32 {
    let (digits, unit) = match text.split_at(text.len().saturating_sub(1)) {
        (digits, "k") => (digits, 1 << 10),
        (digits, "M") => (digits, 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<u32>().unwrap_or_else(|_| panic!("HANDFAST_BENCH_ENTRIES: invalid number {text}")) * unit
}

fn by_size(criterion: &mut Criterion) {
    let sizes = std::env::var("HANDFAST_BENCH_ENTRIES").unwrap_or_else(|_| "1k,64k,1M".to_owned());
    for size in sizes.split(',') {
        let mut filled = Filled::new(entries(size));
        let mut group = criterion.benchmark_group(format!("table/{size}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        for (name, present) in [("hit", true), ("miss", false)] {
            let batches: Vec<_> = (0..256).map(|_| filled.keys(present)).collect();
            let expected = if present { BATCH } else { 0 };
            let mut next = batches.iter().cycle();
            let mut batch = || next.next().expect("cycled");
            group.bench_function(name, |bencher| {
                bencher.iter(|| assert_eq!(filled.find(batch()), expected));
            });
            group.bench_function(format!("{name}, batched"), |bencher| {
                bencher.iter(|| assert_eq!(filled.find_batched(batch()), expected));
            });
        }
        group.bench_function("insert and remove", |bencher| {
            bencher.iter(|| {
                (0..BATCH).for_each(|_| filled.remove_oldest());
                (0..BATCH).for_each(|_| filled.insert());
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(250))
        .nresamples(2000);
    targets = by_size
}
criterion_main!(benches);
