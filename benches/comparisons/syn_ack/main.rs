//! SYN to SYN-ACK on one veth pair, against its ceiling: the same client and frames, one core for each side, runs
//! interleaved.
//!
//! ```sh
//! cargo build --release --workspace --bins
//! target/release/syn-ack --rounds 5 --mode generic
//! ```
//!
//! Each round runs an AF_XDP reflector with the same steering program (the ceiling), the
//! responder with `--cookies always`, the responder with `--cookies never` (one slot per SYN, all
//! 4-tuples distinct), and the kernel's listener with SYN cookies. Each answers `--count` SYNs of
//! `handfast lab ceiling replay-client`, all from distinct 4-tuples.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use clap::Parser;
use handfast_lab::{CLIENT_DEVICE, CLIENT_MAC, Lab, SERVER_DEVICE, SERVER_MAC, Spec};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Pause in which the kernel releases the resources of the previous run.
const SETTLE: Duration = Duration::from_secs(1);
const PEER: &str = "198.18.1.1:7000";
const SOURCES: &str = "10.77.0.0/16";

#[derive(Parser)]
struct Arguments {
    /// Interleaved rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// SYNs per run: less than a second of them, so that no SYN-ACK is retransmitted
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Attach mode of the programs: generic or native
    #[arg(long, default_value = "generic")]
    mode: String,
    /// SYNs in flight
    #[arg(long, default_value_t = 1024)]
    window: u32,
    /// Frames per batch of the reflector and of the client
    #[arg(long, default_value_t = 64)]
    batch: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Device {
    Reflector,
    Cookies,
    Stateful,
    Kernel,
}

const DEVICES: [(Device, &str); 4] = [
    (Device::Reflector, "bare reflector"),
    (Device::Cookies, "handfast, cookies"),
    (Device::Stateful, "handfast, stateful"),
    (Device::Kernel, "kernel, cookies"),
];

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let lab = Lab::up(&Spec::new(format!("b{}", std::process::id())))?;
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); DEVICES.len()];
    for round in 0..arguments.rounds {
        // In another order each round: the aftermath of a run affects a different one.
        for at in (0..DEVICES.len()).map(|place| (place + round) % DEVICES.len()) {
            let (device, name) = &DEVICES[at];
            let rate = run(&lab, &arguments, *device)?;
            eprintln!("round {round}: {name:20} {rate:9.0} /s");
            rates[at].push(rate);
        }
    }
    table(&arguments, &rates);
    lab.remove()?;
    Ok(())
}

/// One run: starts the server, sends SYNs, stops the server.
fn run(lab: &Lab, arguments: &Arguments, device: Device) -> Result<f64> {
    if device == Device::Kernel {
        return kernel(lab, arguments);
    }
    let mut child = start(lab, arguments, device)?;
    std::thread::sleep(SETTLE);
    let answer = replay(lab, arguments);
    let summary = stop(&mut child)?;
    let answer = answer?;
    if device == Device::Stateful {
        let total = &summary.ok_or("the responder wrote no summary")?["total"];
        let (syns, syn_acks) = (&total["syns"], &total["syn_acks"]);
        if syns != syn_acks || total["connections"] != total["syns"] {
            return Err(format!("not one slot per SYN: {syns} SYNs, {syn_acks} SYN-ACKs").into());
        }
    }
    Ok(answer)
}

fn start(lab: &Lab, arguments: &Arguments, device: Device) -> Result<Child> {
    let mut command = match device {
        Device::Reflector => {
            let mut command = lab.server().command(sibling("handfast")?);
            command.args([
                "lab",
                "ceiling",
                "reflector",
                "--own",
                PEER,
                "--batch",
                &arguments.batch.to_string(),
            ]);
            command.args(["--core", "0"]);
            command
        }
        _ => {
            let cookies = if device == Device::Cookies { "always" } else { "never" };
            let mut command = lab.server().command(sibling("handfast")?);
            command.args(["respond", "--listen", &format!("{PEER}=hold"), "--cores", "0", "--poll", "busy"]);
            command.args([
                "--cookies",
                cookies,
                "--interval",
                "0",
                "--json",
                json_path().to_str().unwrap_or("-"),
            ]);
            command.args(["--max-connections", &arguments.count.to_string()]);
            command
        }
    };
    command.args(["--dev", SERVER_DEVICE, "--mode", &arguments.mode]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    match first_line(child.stdout.as_mut().ok_or("no pipe")?, "ready") {
        true => Ok(child),
        false => Err("it ended before it was ready".into()),
    }
}

fn first_line(from: &mut dyn std::io::Read, with: &str) -> bool {
    // The pipe stays open after the reader: the remaining output is small and does not fill it.
    BufReader::with_capacity(1, from).lines().map_while(std::io::Result::ok).any(|line| line.contains(with))
}

fn stop(child: &mut Child) -> Result<Option<Value>> {
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
    child.wait()?;
    let text = std::fs::read_to_string(json_path()).ok();
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

fn json_path() -> PathBuf {
    std::env::temp_dir().join(format!("hf-syn-ack-{}.json", std::process::id()))
}

/// The kernel's listener, with SYN cookies for every SYN and a route to the client's addresses.
fn kernel(lab: &Lab, arguments: &Arguments) -> Result<f64> {
    let server = lab.server();
    server.run(&["sysctl", "-qw", "net.ipv4.tcp_syncookies=2"])?;
    server.run(&["ip", "addr", "replace", "198.18.1.1/16", "dev", SERVER_DEVICE])?;
    server.run(&[
        "ip",
        "neigh",
        "replace",
        "198.18.0.1",
        "lladdr",
        CLIENT_MAC,
        "dev",
        SERVER_DEVICE,
        "nud",
        "permanent",
    ])?;
    server.run(&["ip", "route", "replace", SOURCES, "via", "198.18.0.1", "dev", SERVER_DEVICE])?;
    let listener = lab.in_server(|| TcpListener::bind(PEER))??;
    let rate = replay(lab, arguments);
    drop(listener);
    server.run(&["ip", "addr", "del", "198.18.1.1/16", "dev", SERVER_DEVICE])?;
    rate
}

/// Returns the client's replies per second.
fn replay(lab: &Lab, arguments: &Arguments) -> Result<f64> {
    let output = lab
        .client()
        .command(sibling("handfast")?)
        .args(["lab", "ceiling", "replay-client", "--workload", "syn"])
        .args(["--dev", CLIENT_DEVICE, "--mode", &arguments.mode, "--core", "1"])
        .args(["--peer", PEER, "--peer-mac", SERVER_MAC, "--source", SOURCES])
        .args(["--window", &arguments.window.to_string(), "--batch", &arguments.batch.to_string()])
        .args(["--count", &arguments.count.to_string(), "--seconds", "10"])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().ok_or_else(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let report: Value = serde_json::from_str(line)?;
    report["rate"].as_f64().ok_or_else(|| format!("no rate in {line}").into())
}

/// A program in the same directory as this one.
fn sibling(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    match path.exists() {
        true => Ok(path),
        false => {
            Err(format!("{} is not built: cargo build --release --workspace --bins", path.display()).into())
        }
    }
}

fn table(arguments: &Arguments, rates: &[Vec<f64>]) {
    println!(
        "SYN to SYN-ACK, {} mode, {} rounds of {} SYNs, window {}, batch {}: medians",
        arguments.mode, arguments.rounds, arguments.count, arguments.window, arguments.batch
    );
    println!("| server | of the reflector | per second | minimum to maximum |\n|---|---|---|---|");
    for (at, (_, name)) in DEVICES.iter().enumerate() {
        let ratios: Vec<f64> =
            rates[at].iter().zip(&rates[0]).map(|(rate, ceiling)| rate / ceiling).collect();
        let least = rates[at].iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates[at].iter().copied().fold(0.0, f64::max);
        println!(
            "| {name} | {:.1} % | {:.0} k | {:.0} to {:.0} k |",
            median(&ratios) * 100.0,
            median(&rates[at]) / 1e3,
            least / 1e3,
            most / 1e3
        );
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
