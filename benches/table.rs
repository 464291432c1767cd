//! Lookups and insertions at a table of 64 k and of 1 M connections, keys in random order.
//!
//! `cargo bench --bench table`. One operation after the other, without the prefetches that the
//! engine's batches make: what is measured is mostly the wait for memory.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use handfast::table::{Part, table};
use handfast::wire::{FlowKey, FlowKey4, HashSecret};

type State = [u32; 13];

/// Key number `n`, and its hash.
fn key(n: u32) -> (FlowKey4, u32) {
    let key =
        FlowKey4 { remote: n.to_be_bytes(), local: [10, 0, 0, 1], remote_port: 443, local_port: 49_152 };
    (key, key.hash(&HashSecret::fixed(1)))
}

/// The first of `cores` parts that together hold keys 0 to `members`.
fn filled(cores: usize, members: u32) -> Part<FlowKey4, State> {
    // One slot more, for the insertions.
    let mut parts = table(cores, members + 1).expect("address space for a table");
    for n in 0..members {
        let (key, hash) = key(n);
        parts[0].insert(key, hash, [n; 13]).expect("room for the members");
    }
    parts.swap_remove(0)
}

fn lookups(c: &mut Criterion) {
    for (name, members) in [("64k", 1 << 16), ("1M", 1 << 20)] {
        for cores in [1, 2] {
            let mut part = filled(cores, members);
            let mut n = 0u32;
            let mut draw = move |from: u32| {
                n = n.wrapping_add(1);
                from + (n.wrapping_mul(0x9e37_79b1).rotate_right(16) & (members - 1))
            };
            let mut group = c.benchmark_group(format!("table/{name}"));
            group.bench_function(BenchmarkId::new("hit", cores), |b| {
                b.iter(|| {
                    let (key, hash) = key(draw(0));
                    part.find(&key, hash)
                })
            });
            group.bench_function(BenchmarkId::new("miss", cores), |b| {
                b.iter(|| {
                    let (key, hash) = key(draw(members));
                    part.find(&key, hash)
                })
            });
            group.bench_function(BenchmarkId::new("insert and remove", cores), |b| {
                b.iter(|| {
                    let (key, hash) = key(draw(members));
                    let slot = part.insert(key, hash, [0; 13]).expect("the slot kept free");
                    black_box(part.remove(slot, hash))
                })
            });
            let (warm, hash) = key(members);
            group.bench_function(BenchmarkId::new("insert and remove, warm", cores), |b| {
                b.iter(|| {
                    let slot = part.insert(warm, hash, [0; 13]).expect("the slot kept free");
                    black_box(part.remove(slot, hash))
                })
            });
            group.finish();
        }
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
