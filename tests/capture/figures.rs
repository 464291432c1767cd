//! What a capture costs at full rate, on a quiet machine and in a release build:
//! `cargo test --release --test capture figures -- --ignored --nocapture`.

use handfast_lab::{CLIENT_DEVICE, SOURCES_V4};
use serde_json::Value;
use support::{Process, program};

use crate::reader::tshark;

use crate::capturing::{Stage, stage};

const ROUNDS: usize = 5;
/// Some seconds' worth; a debug build shows only that the test works.
const SYNS: u32 = if cfg!(debug_assertions) { 50_000 } else { 1_500_000 };

/// SYN-ACKs a second, and what became of the frames. Reading millions takes tshark half a minute.
fn run(stage: &Stage, capture: &str, read_it: bool) -> (f64, String) {
    let mut command = stage.command();
    command.args(["--cookies", "always", "--cores", "0"]).args(capture.split_whitespace());
    let pcap = stage.file("run.pcapng");
    if !capture.is_empty() {
        command.arg("--pcap").arg(&pcap);
    }
    let mut responder = Process::start(command);
    responder.await_line("ready");
    let mut flood = stage.client().command(program());
    flood.args(["bench", "--dev", CLIENT_DEVICE, "--source", SOURCES_V4, "198.18.1.1:81", "--cores", "1"]);
    flood
        .args(["--workload", "flood", "--connections", &SYNS.to_string(), "--quiet", "--json"])
        .arg(stage.file("flood"));
    let ended = Process::start(flood).ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    responder.signal(nix::sys::signal::Signal::SIGTERM);
    let ended = responder.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(stage.file(name)).expect("a file")).expect("JSON")
    };
    let (server, client) = (read("respond.json"), read("flood"));
    let answered = server["total"]["syn_acks_cookie"].as_f64().expect("a count");
    let seconds = client["rate"]["mean"].as_f64().map(|rate| f64::from(SYNS) / rate).expect("a rate");
    if !capture.is_empty() && read_it {
        assert_eq!(tshark(&pcap, &["-Y", "_ws.malformed"]), "");
    }
    let counts = &server["capture"];
    let share = |value: &Value| {
        let seen = counts["seen"].as_f64().unwrap_or(1.0);
        format!("{:.1} %", 100.0 * value.as_f64().unwrap_or(0.0) / seen)
    };
    let dropped = &counts["dropped"];
    let what = format!(
        "captured {}, ring full {}, over its share {}, left out {}",
        share(&counts["captured"]),
        share(&dropped["ring_full"]),
        share(&dropped["over_budget"]),
        share(&counts["left_out"])
    );
    (answered / seconds, what)
}

#[test]
#[ignore = "figures: a quiet machine and a release build"]
fn what_a_capture_costs_at_full_rate() {
    let Some(stage) = stage(|spec| spec) else { return };
    let ways = ["", "--snaplen 96", "--snaplen 96 --pcap-cpu-percent 1", "--snaplen 96 --sample 1/100"];
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
    let mut last: Vec<String> = vec![String::new(); ways.len()];
    for round in 1..=ROUNDS {
        for (index, way) in ways.iter().enumerate() {
            let (rate, what) = run(&stage, way, round == ROUNDS);
            rates[index].push(rate);
            last[index] = what;
        }
    }
    let median = |rates: &[f64]| {
        let mut rates = rates.to_vec();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let without = median(&rates[0]);
    println!("SYN-ACKs a second, median of {ROUNDS} interleaved rounds: without a capture {without:.0}");
    for (index, way) in ways.iter().enumerate().skip(1) {
        let ratio = 100.0 * median(&rates[index]) / without;
        println!("--pcap FILE {way:<28} {ratio:>6.1} %   {}", last[index]);
    }
}
