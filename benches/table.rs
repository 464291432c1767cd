//! Lookups and insertions at a table of 64 k and of 1 M connections, keys in random order.
//!
//! `cargo bench --bench table`. One operation after the other, without the prefetches that the
//! engine's batches make: what is measured is mostly the wait for memory.

use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use handfast::table::{Part, table};
use handfast::wire::{FlowKey, HashSecret};

/// As large as an IPv4 4-tuple; hashing is measured elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Key([u32; 3]);

impl FlowKey for Key {
    type Words = [u32; 3];

    fn to_words(self) -> [u32; 3] {
        self.0
    }

    fn from_words(words: [u32; 3]) -> Self {
        Key(words)
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    fn remote(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }

    fn hash(&self, secret: &HashSecret) -> u64 {
        mix(u64::from(self.0[0]) ^ secret.0)
    }
}

type State = [u32; 13];

fn mix(x: u64) -> u64 {
    let x = (x.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Key number `n`, and its hash.
fn key(n: u32) -> (Key, u64) {
    let key = Key([n, 0x0a00_0001, 0x01bb_c000]);
    (key, key.hash(&HashSecret(1, 2)))
}

/// The first of `cores` parts that together hold keys 0 to `members`.
fn filled(cores: usize, members: u32) -> Part<Key, State> {
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
                from + (mix(u64::from(n)) as u32 & (members - 1))
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
