//! The engine on its port in memory: cost of a connection at a number of live ones. Processor time of the engine alone,
//! without the generator of the frames, for the workloads of `handfast lab engine`; wall-clock time for `mixed` and
//! `timers`.
//!
//! ```sh
//! cargo bench --bench engine                                # 1 k, 64 k and 1 M live
//! HANDFAST_BENCH_LIVE=8M cargo bench --bench engine         # minutes, and 1.4 GB
//! ```
//!
//! - SYN to SYN-ACK, cookies, handshakes, replacement and lifecycles are those of `handfast lab engine`, which also
//!   measures the stages.
//! - `mixed`: batches in which every step of a connection's life occurs, cookies' ACKs among them.
//! - `timers`: arming, cancelling and expiry at a number of armed timers, through the engine. A timer's share is the
//!   difference to the same step in another benchmark.

mod mixed;
#[path = "../../src/lab/engine/peer.rs"]
#[allow(dead_code)] // used by `lab engine` alone
mod peer;
mod scene;
mod timers;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use handfast_lab::engine::{EngineRun, EngineWorkload};

/// Processor time of one sample.
const SAMPLE: Duration = Duration::from_millis(25);

const WORKLOADS: [EngineWorkload; 5] = [
    EngineWorkload::SynAck,
    EngineWorkload::Cookie,
    EngineWorkload::Handshake,
    EngineWorkload::Replace,
    EngineWorkload::Lifecycle,
];

/// Numbers of live connections and their names, in powers of 1024.
pub fn live() -> Vec<(String, u32)> {
    let list = std::env::var("HANDFAST_BENCH_LIVE").unwrap_or_else(|_| "1k,64k,1M".to_owned());
    let number = |text: &str| {
        let (digits, unit) = match text.strip_suffix('k') {
            Some(digits) => (digits, 1 << 10),
            None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
        };
        digits.parse::<u32>().unwrap_or_else(|_| panic!("HANDFAST_BENCH_LIVE: {text} is no number")) * unit
    };
    list.split(',').map(|text| (text.to_owned(), number(text))).collect()
}

fn workloads(criterion: &mut Criterion) {
    for (name, live) in live() {
        let mut group = criterion.benchmark_group(format!("engine/{name} live"));
        group.throughput(Throughput::Elements(1));
        for workload in WORKLOADS {
            // Each sample fills a new table, so more samples add nothing.
            let run = EngineRun { workload, live, cores: vec![0], time: SAMPLE };
            group.bench_function(workload.to_string(), |bencher| {
                bencher.iter_custom(|iterations| {
                    let report = run.measure().expect("a workload that goes to its end");
                    Duration::from_secs_f64(iterations as f64 / report.connections_per_s_per_core)
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(1))
        .measurement_time(Duration::from_millis(200))
        .nresamples(2000);
    targets = workloads, mixed::mixed, timers::timers
}
criterion_main!(benches);
