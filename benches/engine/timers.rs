use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use handfast_stack::tcp::CookieMode;

use crate::scene::{ACK, BATCH, RST, SYN, Scene};

/// Connections armed or cancelled before they are removed.
const CHUNK: u32 = 1 << 13;
/// Number of waves in which expiring timers are armed, at least a millisecond apart.
const WAVES: u32 = 1 << 9;

/// Half-open connections: each has a retransmission timer for its SYN-ACK.
pub fn timers(criterion: &mut Criterion) {
    for (name, armed) in crate::live() {
        let mut group = criterion.benchmark_group(format!("timers/{name} armed"));
        group.throughput(Throughput::Elements(1));
        let mut filled: Option<Armed> = None;
        group.bench_function("arm (SYN to SYN-ACK)", |bencher| {
            let timers = filled.get_or_insert_with(|| Armed::new(armed));
            bencher.iter_custom(|wanted| timers.measure(wanted, Armed::arm));
        });
        group.bench_function("cancel (the ACK)", |bencher| {
            let timers = filled.get_or_insert_with(|| Armed::new(armed));
            bencher.iter_custom(|wanted| timers.measure(wanted, Armed::cancel));
        });
        group.bench_function("look, none expired", |bencher| {
            let timers = filled.get_or_insert_with(|| Armed::new(armed));
            bencher.iter(|| timers.scene.simulation.poll());
        });
        drop(filled);
        group.bench_function("expire (SYN-ACK sent again)", |bencher| {
            bencher.iter_custom(|wanted| {
                let (served, spent) = expiries(armed);
                spent.mul_f64(wanted as f64 / f64::from(served))
            });
        });
        group.finish();
    }
}

struct Armed {
    scene: Scene,
    armed: u32,
}

impl Armed {
    fn new(armed: u32) -> Armed {
        let mut scene = Scene::new(armed + CHUNK, CookieMode::Never);
        scene.step(0..armed, &SYN);
        Armed { scene, armed }
    }

    fn measure(&mut self, wanted: u64, chunk: fn(&mut Armed) -> Duration) -> Duration {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done < wanted {
            spent += chunk(self);
            done += u64::from(CHUNK);
        }
        spent.mul_f64(wanted as f64 / done as f64)
    }

    fn arm(&mut self) -> Duration {
        let new = self.armed..self.armed + CHUNK;
        let spent = self.scene.step(new.clone(), &SYN);
        self.scene.step(new, &RST);
        spent
    }

    fn cancel(&mut self) -> Duration {
        let new = self.armed..self.armed + CHUNK;
        self.scene.step(new.clone(), &SYN);
        let spent = self.scene.step(new.clone(), &ACK);
        self.scene.step(new, &RST);
        spent
    }
}

/// Arms this number of timers, spread over most of a second, and lets the first expire. Returns the number of expired
/// ones and the engine's time.
fn expiries(armed: u32) -> (u32, Duration) {
    let waves = WAVES.min(armed / BATCH);
    let wave = armed / waves;
    // All replies of a wave are sent before any is received.
    let mut scene = Scene::with_frames(armed, CookieMode::Never, (2 * wave).max(1024));
    let apart_ms = 900 / waves;
    for number in 0..waves {
        scene.step(number * wave..(number + 1) * wave, &SYN);
        scene.simulation.advance_ms(apart_ms);
    }
    let (mut served, mut spent) = (0, Duration::ZERO);
    while served < armed / 2 {
        let start = Instant::now();
        scene.simulation.advance_ms(1);
        spent += start.elapsed();
        let mut answers = 0;
        scene.simulation.collect_all(|_| answers += 1);
        served += answers;
    }
    (served, spent)
}
