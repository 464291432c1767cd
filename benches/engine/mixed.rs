use std::time::Duration;

use criterion::{Criterion, Throughput};
use handfast_stack::tcp::CookieMode;

use crate::scene::{ACK, BATCH, FIN, LAST_ACK, SYN, Scene};

/// Connections that a batch takes one of four steps further.
const ROUND: u32 = BATCH / 4;
/// So many batches lie between a connection's steps: it is out of the caches meanwhile.
const APART: u32 = 256;

/// Lifecycles whose steps mingle: of 64 segments of a batch 16 open a connection, 16 establish
/// others, 16 close others again and 16 acknowledge the close. The live ones stand by; with cookies
/// those that open have no state until the ACK.
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
        // The first have nobody before them.
        for batch in 0..3 * APART {
            mixed.batch(batch / APART);
        }
        mixed
    }

    /// Engine time of so many lifecycles.
    fn lifecycles(&mut self, wanted: u64) -> Duration {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done < wanted {
            spent += self.batch(3);
            done += u64::from(ROUND);
        }
        spent.mul_f64(wanted as f64 / done as f64)
    }

    /// `before`: how many steps older connections there are.
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
