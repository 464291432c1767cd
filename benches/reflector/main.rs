//! A bare AF_XDP reflector: the ceiling of anything that answers one frame with one frame.
//!
//! The same program, frames, rings and budget as the responder, and nothing else: it swaps the
//! MAC addresses and sends the frame back.
//!
//! ```sh
//! cargo run --release --example reflector -- --dev veth0 --own 10.0.0.0/24:80 --core 0
//! ```

#[path = "../support/mod.rs"]
mod support;

use clap::Parser;
use handfast::{
    wire::owned::Owned,
    xdp::{Frame, MAX_BATCH, Queue},
};
use support::{Common, Pace, Port, Result};

#[derive(Parser, Debug)]
#[command(about = "Sends every owned frame back, its MAC addresses swapped")]
struct Options {
    #[command(flatten)]
    common: Common,
    /// What to reflect: ADDR[/PREFIX]:PORT[-PORT]
    #[arg(long, required = true)]
    own: Vec<Owned>,
    /// Swap IPv4 addresses and ports as well
    #[arg(long)]
    swap_ip: bool,
    /// Send nothing back
    #[arg(long)]
    drop: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let mut port = Port::open(&options.common, &options.own)?;
    let mut pace = Pace::start(options.common.seconds)?;
    let mut batch = Vec::with_capacity(options.common.batch.clamp(1, MAX_BATCH));
    let mut received = 0;
    while pace.tick(received).is_some() {
        let before = received;
        for queue in &mut port.queues {
            received += turn(queue, &mut batch, &options)?;
        }
        if received == before {
            // As the responder does: on veth the next frames may wait for ksoftirqd on this core.
            std::thread::yield_now();
        }
    }
    report(&port, &options, received, pace.elapsed())
}

/// One batch of one queue. Says how many came.
fn turn(queue: &mut Queue, batch: &mut Vec<Frame>, options: &Options) -> Result<u64> {
    let got = queue.receive(batch, batch.capacity());
    if got == 0 && queue.ledger().transmitting == 0 {
        return Ok(0);
    }
    for mut frame in batch.drain(..) {
        if options.drop {
            queue.release(frame);
            continue;
        }
        let len = frame.len();
        swap(queue.bytes_mut(&mut frame), options.swap_ip);
        queue.transmit(frame, len);
    }
    queue.flush()?;
    Ok(got as u64)
}

/// A frame's room is never shorter than its headers here.
fn swap(octets: &mut [u8], ip_too: bool) {
    let Some((destination, source)) = octets.get_mut(..12).map(|macs| macs.split_at_mut(6)) else { return };
    destination.swap_with_slice(source);
    if ip_too && let Some(network) = octets.get_mut(26..38) {
        let (addresses, ports) = network.split_at_mut(8);
        addresses.rotate_left(4);
        ports.rotate_left(2);
    }
}

fn report(port: &Port, options: &Options, received: u64, seconds: f64) -> Result<()> {
    let kernel = port.statistics()?;
    let sent: u64 = port.queues.iter().map(|queue| queue.counters().transmitted).sum();
    let line = serde_json::json!({
        "program": "reflector",
        "dev": port.device.name,
        "mode": port.mode.to_string(),
        "queues": port.queues.len(),
        "batch": options.common.batch,
        "drop": options.drop,
        "seconds": seconds,
        "received": received,
        "sent": sent,
        "rate": received as f64 / seconds,
        "wakeups": port.wakeups(),
        "rx_ring_full": kernel.rx_ring_full,
        "rx_dropped": kernel.rx_dropped,
        "rx_fill_ring_empty": kernel.rx_fill_ring_empty,
        "lost_frames": port.queues.iter().map(Queue::lost).sum::<u32>(),
    });
    println!("{line}");
    Ok(())
}
