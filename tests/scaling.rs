//! The gain of a second core, on ports in memory: a figure for an idle host with two cores.
//!
//! `cargo test --release --test scaling -- --ignored --nocapture`: a minute. Other programs take
//! caches as well as time, and with such load the rounds differ by a third.

use std::time::Duration;

use handfast_lab::engine::{EngineRun, EngineWorkload};

/// Of twice one core's connections.
const MIN_SHARE: f64 = 1.9 / 2.0;
const ROUNDS: usize = 7;

/// Returns connections per second of processor time and core.
fn rate(workload: EngineWorkload, cores: &[usize]) -> f64 {
    let run = EngineRun { workload, live: 1 << 16, cores: cores.to_vec(), time: Duration::from_secs(1) };
    run.measure().expect("both cores are there").connections_per_s_per_core
}

/// Returns the median over the rounds; each measures one core, then both.
fn share(workload: EngineWorkload) -> f64 {
    let round = |_| {
        let alone = rate(workload, &[0]);
        rate(workload, &[0, 1]) / alone
    };
    let mut shares: Vec<f64> = (0..ROUNDS).map(round).collect();
    shares.sort_by(f64::total_cmp);
    println!(
        "{workload}: {:.2} times one core's connections, by round {shares:.3?} of twice",
        2.0 * shares[ROUNDS / 2]
    );
    shares[ROUNDS / 2]
}

#[test]
#[ignore = "a figure of an idle host"]
fn figures_of_two_cores_nearly_double_those_of_one() {
    let workloads = [EngineWorkload::SynAck, EngineWorkload::Cookie, EngineWorkload::Lifecycle];
    let short = workloads.map(|workload| (workload, share(workload)));
    let short: Vec<_> = short.into_iter().filter(|(_, share)| *share < MIN_SHARE).collect();
    assert!(short.is_empty(), "less than 1.9 times: {short:?}");
}
