//! The engine against its ceiling: a bare engine that does the minimum for a handshake, without being a TCP
//! (`bare.rs`). Both run in one process, on one core, on frames in memory, in turn. Ratios are within a round.
//! Before measuring, every reply of a chunk is checked by handfast's parser, and damaged frames must get none.
//!
//! ```sh
//! cargo run --release -p handfast-comparisons --bin bare-engine      # 90 seconds, on an idle host
//! ```
//!
//! Instructions of the bare engine, per SYN and per handshake: callgrind's total divided by 65,536.
//!
//! ```sh
//! valgrind --tool=callgrind --toggle-collect='*Bare*batch*' --callgrind-out-file=/dev/null \
//!     target/release/bare-engine --count synack
//! ```

mod bare;
mod drive;
mod table;
mod words;

#[path = "../../../src/lab/engine/clock.rs"]
mod clock;
#[path = "../../../src/lab/engine/peer.rs"]
mod peer;
#[path = "../../../src/stack/table/prefetch.rs"]
mod prefetch;

use std::time::Duration;

use clap::Parser;
use drive::{ACK, Drive, SYN};
use handfast_lab::engine::{EngineRun, EngineWorkload};
use handfast_report::bench::median;
use peer::PeerStep;

/// Connections of `--count`.
const COUNTED: u32 = 1 << 16;

/// Measure the engine against a bare one that does the minimum
#[derive(Parser)]
struct Arguments {
    /// Established connections before anything is measured, as 64k, 1M (powers of 1024)
    #[arg(long, value_delimiter = ',', default_value = "64k,1M", value_parser = connections)]
    live: Vec<u32>,
    /// Rounds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of processor time of each measurement
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
    /// The core that all run on
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Measure nothing: take 65,536 connections through synack or handshake on the bare engine, for
    /// callgrind
    #[arg(long)]
    count: Option<EngineWorkload>,
}

#[derive(Clone, Copy)]
enum Engine {
    Bare,
    Handfast,
}

/// The runs of a round; each round begins with the next one.
const RUNS: [(EngineWorkload, Engine); 4] = [
    (EngineWorkload::SynAck, Engine::Bare),
    (EngineWorkload::SynAck, Engine::Handfast),
    (EngineWorkload::Handshake, Engine::Bare),
    (EngineWorkload::Handshake, Engine::Handfast),
];

fn main() -> Result<(), String> {
    let arguments = Arguments::parse();
    let time =
        Duration::try_from_secs_f64(arguments.seconds).map_err(|error| format!("--seconds: {error}"))?;
    if !core_affinity::set_for_current(core_affinity::CoreId { id: arguments.core }) {
        return Err(format!("CPU {} is not available: choose another with --core", arguments.core));
    }
    if let Some(workload) = arguments.count {
        return Drive::new(COUNTED)?.count(COUNTED, steps(workload)?);
    }
    println!(
        "nanoseconds per connection, processor time, core {}; medians of {} rounds of {} s",
        arguments.core, arguments.rounds, arguments.seconds
    );
    println!("| workload | live | bare | handfast | bare, M/s | handfast, M/s | handfast / bare | rounds |");
    println!("|---|---|---|---|---|---|---|---|");
    for live in &arguments.live {
        let samples = rounds(&arguments, *live, time)?;
        for pair in [0, 2] {
            row(RUNS[pair].0, *live, &samples[pair], &samples[pair + 1]);
        }
    }
    Ok(())
}

/// Nanoseconds per connection, by turn and round.
fn rounds(arguments: &Arguments, live: u32, time: Duration) -> Result<[Vec<f64>; 4], String> {
    let mut samples: [Vec<f64>; 4] = Default::default();
    for round in 0..arguments.rounds as usize {
        // In another order each round: the aftermath of a run affects a different one.
        for at in (0..RUNS.len()).map(|place| (place + round) % RUNS.len()) {
            let (workload, engine) = RUNS[at];
            let ns = match engine {
                Engine::Bare => Drive::new(live)?.measure(live, steps(workload)?, time)?,
                Engine::Handfast => {
                    let run = EngineRun { workload, live, cores: vec![arguments.core], time };
                    1e9 / run.measure()?.connections_per_s_per_core
                }
            };
            samples[at].push(ns);
        }
    }
    Ok(samples)
}

/// The steps of a connection.
fn steps(workload: EngineWorkload) -> Result<&'static [PeerStep], String> {
    match workload {
        EngineWorkload::SynAck => Ok(&[SYN]),
        EngineWorkload::Handshake => Ok(&[SYN, ACK]),
        other => Err(format!("the bare engine supports synack and handshake, not {other}")),
    }
}

fn row(workload: EngineWorkload, live: u32, bare: &[f64], handfast: &[f64]) {
    let ratios: Vec<f64> = handfast.iter().zip(bare).map(|(handfast, bare)| handfast / bare).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let [bare, handfast, ratio] = [bare, handfast, &ratios].map(|of| median(of).unwrap_or(0.0));
    println!(
        "| {workload} | {} | {bare:.1} | {handfast:.1} | {:.1} | {:.1} | {ratio:.2} | {least:.2} to {most:.2} |",
        short(live),
        1e3 / bare,
        1e3 / handfast,
    );
}

/// A number of connections in whole batches.
fn connections(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix('k') {
        Some(digits) => (digits, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1 << 20)),
    };
    let number = digits.parse::<u32>().ok().and_then(|number| number.checked_mul(unit));
    number
        .filter(|number| (1 << 10..=1 << 24).contains(number) && number % 64 == 0)
        .ok_or_else(|| format!("{text}: a multiple of 64 from 1k to 16M, as 64k or 1M"))
}

/// `64k`, `1M`.
fn short(live: u32) -> String {
    match live {
        million if million % (1 << 20) == 0 => format!("{}M", million >> 20),
        thousand if thousand % (1 << 10) == 0 => format!("{}k", thousand >> 10),
        other => other.to_string(),
    }
}
