//! A bare AF_XDP load source: SYNs from ever new 4-tuples, and a count of what comes back.
//!
//! Closed loop (`--window`): at most so many unanswered, and what stays unanswered for
//! `--timeout-ms` is given up, so that loss cannot stall it. Open loop (`--rate`): at that rate,
//! whatever comes back. With `--establish` each SYN-ACK gets its ACK, so that connections become
//! established, and stay; otherwise no handshake is completed.
//!
//! ```sh
//! cargo run --release --example blast -- --dev veth1 --peer 10.0.0.1:80 --window 1024 --seconds 5 --core 1
//! ```

#[path = "../support/mod.rs"]
mod support;
mod syn;
mod tally;

use std::{fs, net::SocketAddrV4, time::Duration};

use clap::Parser;
use handfast::xdp::{Frame, MAX_BATCH, Queue};
use ipnet::Ipv4Net;
use support::{Common, Pace, Port, Result};
use syn::Syn;
use tally::Tally;

/// How long frames wait for their batch to fill.
const HOLD: Duration = Duration::from_micros(50);

#[derive(Parser, Debug)]
#[command(about = "Sends SYNs over AF_XDP and counts the answers")]
struct Options {
    #[command(flatten)]
    common: Common,
    /// Where to: ADDR:PORT
    #[arg(long)]
    peer: SocketAddrV4,
    /// The peer's MAC; otherwise the kernel's neighbour table knows it
    #[arg(long)]
    peer_mac: Option<String>,
    /// Where from: all hosts of this prefix, all ports from 1024
    #[arg(long, default_value = "10.77.0.0/16")]
    source: Ipv4Net,
    /// The most SYNs without an answer
    #[arg(long, default_value_t = 1024)]
    window: u32,
    /// SYNs per second, instead of a window
    #[arg(long)]
    rate: Option<f64>,
    /// When the unanswered ones are given up, after the last answer
    #[arg(long, default_value_t = 20)]
    timeout_ms: u64,
    /// Stop after so many SYNs; 0 is no limit
    #[arg(long, default_value_t = 0)]
    count: u64,
    /// Complete each handshake
    #[arg(long)]
    establish: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.count == 0 && options.common.seconds <= 0.0 {
        return Err("give --count or --seconds".into());
    }
    let rules = [
        format!("{}:1024-65535", options.source.trunc()).parse()?,
        format!("{}:{}", options.peer.ip(), options.peer.port()).parse()?, // reflected, IP unswapped
    ];
    let mut port = Port::open(&options.common, &rules)?;
    let from = port.device.mac.ok_or("the interface has no MAC")?;
    let to = peer_mac(&options)?;
    let mut syn = Syn::new(from, to, options.source, options.peer);
    let mut tally = Tally::new();
    let mut pace = Pace::start(options.common.seconds)?;
    run(&options, &mut port, &mut pace, &mut syn, &mut tally)?;
    report(&port, &options, &tally, pace.elapsed())
}

fn run(options: &Options, port: &mut Port, pace: &mut Pace, syn: &mut Syn, tally: &mut Tally) -> Result<()> {
    let batch_size = options.common.batch.clamp(1, MAX_BATCH);
    let timeout = Duration::from_millis(options.timeout_ms);
    let mut batch = Vec::with_capacity(batch_size);
    let mut held_since = None;
    while let Some(now) = pace.tick(tally.answers()) {
        let before = (tally.answers(), tally.sent);
        for queue in &mut port.queues {
            collect(queue, &mut batch, options.establish.then_some(&*syn), tally, now);
        }
        tally.expire(now, timeout);
        let left = if options.count == 0 { u64::MAX } else { options.count.saturating_sub(tally.sent) };
        let may = match options.rate {
            Some(rate) => ((now.as_secs_f64() * rate) as u64).saturating_sub(tally.sent),
            None => u64::from(options.window.saturating_sub(tally.outstanding)),
        };
        if options.rate.is_some() || worthwhile(may.min(left), left, batch_size as u64, &mut held_since, now)
        {
            send(&mut port.queues[0], may.min(left).min(batch_size as u64), syn, tally, now);
        }
        for queue in &mut port.queues {
            queue.flush()?;
        }
        if before == (tally.answers(), tally.sent) {
            std::thread::yield_now();
        }
        // Only now: the last ACKs had to go, too.
        if left == 0 && tally.outstanding == 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// Whether to send now or to wait for a full batch: answers trickle in, and a system call for
/// each handful of frames would make this client the bottleneck of what it measures. What does not
/// fill a batch is held back for [`HOLD`] at most.
fn worthwhile(may: u64, left: u64, batch: u64, held_since: &mut Option<Duration>, now: Duration) -> bool {
    let full = may >= batch.min(left);
    let waited = may > 0 && now - *held_since.get_or_insert(now) >= HOLD;
    if full || waited {
        *held_since = None;
    }
    may > 0 && (full || waited)
}

/// `syn`: what the first SYN-ACKs are to be acknowledged with, if they are.
fn collect(queue: &mut Queue, batch: &mut Vec<Frame>, syn: Option<&Syn>, tally: &mut Tally, now: Duration) {
    queue.receive(batch, batch.capacity());
    for mut frame in batch.drain(..) {
        let answered = tally.answer(queue.bytes(&frame), now);
        match (syn, answered) {
            (Some(syn), Some((seq, isn))) => {
                let len = syn.acknowledge(seq, isn, queue.bytes_mut(&mut frame));
                queue.transmit(frame, len);
            }
            _ => queue.release(frame),
        }
    }
}

fn send(queue: &mut Queue, frames: u64, syn: &mut Syn, tally: &mut Tally, now: Duration) {
    for _ in 0..frames {
        let Some(mut frame) = queue.allocate() else { return };
        let (len, seq) = syn.write(queue.bytes_mut(&mut frame));
        queue.transmit(frame, len);
        tally.sent(seq, now);
    }
}

fn peer_mac(options: &Options) -> Result<[u8; 6]> {
    let text = match &options.peer_mac {
        Some(text) => text.clone(),
        None => neighbour(&options.peer.ip().to_string(), &options.common.dev)?,
    };
    let octets: Vec<u8> =
        text.split(':').map(|octet| u8::from_str_radix(octet, 16)).collect::<std::result::Result<_, _>>()?;
    <[u8; 6]>::try_from(octets).map_err(|_| format!("{text} is no MAC").into())
}

/// The kernel's ARP table: address, type, flags, MAC, mask, interface.
fn neighbour(address: &str, dev: &str) -> Result<String> {
    let table = fs::read_to_string("/proc/thread-self/net/arp")?;
    table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|entry| entry.len() == 6 && entry[0] == address && entry[5] == dev && entry[2] != "0x0")
        .map(|entry| entry[3].to_owned())
        .ok_or_else(|| format!("the MAC of {address} is unknown: ping it once, or --peer-mac").into())
}

fn report(port: &Port, options: &Options, tally: &Tally, seconds: f64) -> Result<()> {
    let kernel = port.statistics()?;
    let line = serde_json::json!({
        "program": "blast",
        "dev": port.device.name,
        "mode": port.mode.to_string(),
        "batch": options.common.batch,
        "window": options.rate.is_none().then_some(options.window),
        "seconds": seconds,
        "sent": tally.sent,
        "syn_ack": tally.syn_ack,
        "rst": tally.rst,
        "reflected": tally.reflected,
        "other": tally.other,
        "duplicate": tally.duplicate,
        "lost": tally.lost,
        "rate": tally.answers() as f64 / seconds,
        "wakeups": port.wakeups(),
        "rx_ring_full": kernel.rx_ring_full,
        "rx_dropped": kernel.rx_dropped,
        "rx_fill_ring_empty": kernel.rx_fill_ring_empty,
        "lost_frames": port.queues.iter().map(Queue::lost).sum::<u32>(),
    });
    println!("{line}");
    Ok(())
}
