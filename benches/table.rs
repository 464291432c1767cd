//! The connection table beside its rivals (`benches/rivals`): hit, miss, insert, remove and all
//! mixed, one by one and in batches of 32; at several fillings; on one and on two threads.
//!
//! ```sh
//! cargo bench --bench table                                  # 1 k, 64 k and 1 M entries
//! HANDFAST_BENCH_ENTRIES=8M,16M cargo bench --bench table    # others; 16 M take up to 4 GB at a time
//! GLIBC_TUNABLES=glibc.malloc.hugetlb=1 cargo bench --bench table -- '1M/.*/hit'
//! ```
//!
//! The table asks for huge pages; the tunable makes glibc's allocator do the same for the rivals.
//! Contestants are measured one after the other here, so a machine that drifts favours some: for
//! ratios there is `benches/table_contest`, which interleaves them.

mod rivals;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use rivals::{Contestant, Entrant, OURS, Operation, Size, Task, Until};

/// How full the table is where nothing else is said.
const LOAD: f64 = 0.75;
/// Entries where fillings and threads are compared.
const ENTRIES: u32 = 1 << 20;

/// `64k`, `1M`: powers of 1024.
fn entries(text: &str) -> u32 {
    let (digits, unit) = match text.split_at(text.len().saturating_sub(1)) {
        (digits, "k") => (digits, 1 << 10),
        (digits, "M") => (digits, 1 << 20),
        _ => (text, 1),
    };
    digits.parse::<u32>().unwrap_or_else(|_| panic!("HANDFAST_BENCH_ENTRIES: {text} is no number")) * unit
}

fn sizes() -> Vec<(String, u32)> {
    let list = std::env::var("HANDFAST_BENCH_ENTRIES").unwrap_or_else(|_| "1k,64k,1M".to_owned());
    list.split(',').map(|size| (size.to_owned(), entries(size))).collect()
}

/// One contestant, filled when the first of its benchmarks is wanted.
fn measure(criterion: &mut Criterion, group: &str, entrant: &Entrant, size: &Size, tasks: &[Task]) {
    let mut filled: Option<Box<dyn Contestant>> = None;
    let mut group = criterion.benchmark_group(format!("table/{group}/{}", entrant.name));
    for task in tasks.iter().filter(|task| entrant.batched || !task.batched) {
        let batched = if task.batched { ", batched" } else { "" };
        group.bench_function(format!("{}{batched}", task.operation.name()), |bencher| {
            let contestant = filled.get_or_insert_with(|| entrant.fill(size));
            bencher.iter_custom(|iterations| {
                let until = Until { operations: iterations, time: Duration::MAX };
                let ns = contestant.measure(*task, until) * iterations as f64;
                Duration::from_secs_f64(ns / 1e9)
            });
        });
    }
}

fn tasks(operations: &[Operation], threads: usize) -> Vec<Task> {
    let both = operations.iter().flat_map(|operation| [(*operation, false), (*operation, true)]);
    both.map(|(operation, batched)| Task { operation, batched, threads }).collect()
}

fn by_size(criterion: &mut Criterion) {
    for (name, entries) in sizes() {
        let size = Size::new(entries, LOAD, 1);
        for entrant in Entrant::all(1) {
            measure(criterion, &name, &entrant, &size, &tasks(&Operation::ALL, 1));
        }
    }
}

fn by_filling(criterion: &mut Criterion) {
    for load in [0.5, 0.6, 0.7, 0.8, 0.9] {
        let size = Size::new(ENTRIES, load, 1);
        for entrant in Entrant::all(1) {
            let operations: &[Operation] = match entrant.name == OURS {
                true => &[Operation::Hit, Operation::Miss, Operation::Insert],
                false if load == 0.5 || load == 0.9 => &[Operation::Hit, Operation::Miss],
                false => continue,
            };
            measure(criterion, &format!("load {load}"), &entrant, &size, &tasks(operations, 1));
        }
    }
}

/// Of all threads together: half the time of one is twice its rate.
fn by_threads(criterion: &mut Criterion) {
    if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
        return eprintln!("one core: nothing is measured on two threads");
    }
    let size = Size::new(ENTRIES, LOAD, 2);
    let operations = [Operation::Hit, Operation::Miss, Operation::Mixed];
    for entrant in Entrant::all(2) {
        for (threads, group) in [(1, "one of 2 threads"), (2, "2 threads")] {
            let tasks: Vec<Task> =
                tasks(&operations, threads).into_iter().filter(|task| !task.batched).collect();
            measure(criterion, group, &entrant, &size, &tasks);
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50))
        .measurement_time(Duration::from_millis(250))
        .nresamples(2000);
    targets = by_size, by_filling, by_threads
}
criterion_main!(benches);
