use std::time::Duration;

use criterion::{Criterion, Throughput};
use handfast_stack::tcp::CookieMode;

use crate::scene::{ACK, BATCH, FIN, LAST_ACK, SYN, Scene};

/// Connections that a batch advances by one of four steps.
const ROUND: u32 = BATCH / 4;
/// Batches between two steps of a connection: it leaves the caches meanwhile.
const APART: u32 = 256;

/// Interleaved lifecycles: of 64 segments of a batch, 16 open a connection, 16 establish others, 16 close others and
/// 16 acknowledge the close. The live connections are idle; with cookies a connection has no state until the ACK.
pub fn mixed(criterion: &mut Criterion) {
    for (name, live) in crate::live() {
        let mut group = criterion.benchmark_group(format!("engine/{name} live"));
        group.throughput(Throughput::Elements(1));
        for (name, cookies) in [("mixed", CookieMode::Never), ("mixed, cookies", CookieMode::Always)] {
            let mut filled: Option<Mixed> = None;
            group.bench_function(name, |bencher| {
                let mixed = filled.get_or_insert_with(|| Mixed::new(live, cookies));
                bencher.iter_custom(|iterations| mixed.lifecycles(iterations));
            });
        }
        group.finish();
    }
}

struct Mixed {
    scene: Scene,
    next: u32,
}

impl Mixed {
    fn new(live: u32, cookies: CookieMode) -> Mixed {
        let mut scene = Scene::new(live + 4 * APART * ROUND, cookies);
        for first in (0..live).step_by(BATCH as usize) {
            let batch = first..(first + BATCH).min(live);
            scene.step(batch.clone(), &SYN);
            scene.step(batch, &ACK);
        }
        let mut mixed = Mixed { scene, next: live };
        // The first have no predecessors.
        for batch in 0..3 * APART {
            mixed.batch(batch / APART);
        }
        mixed
    }

    /// Returns the engine's time for this number of lifecycles.
    fn lifecycles(&mut self, wanted: u64) -> Duration {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done < wanted {
            spent += self.batch(3);
            done += u64::from(ROUND);
        }
        spent.mul_f64(wanted as f64 / done as f64)
    }

    /// `before`: age of the connections, in steps.
    fn batch(&mut self, before: u32) -> Duration {
        let first = self.next;
        self.next += ROUND;
        let steps = [SYN, ACK, FIN, LAST_ACK];
        for place in 0..ROUND {
            for (step, age) in steps.iter().zip(0..=before) {
                self.scene.send(first + place - age * APART * ROUND, step);
            }
        }
        let answers = ROUND * if before >= 2 { 2 } else { 1 };
        self.scene.run(first..first + ROUND, answers as usize)
    }
}
