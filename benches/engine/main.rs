//! The engine alone, on a port in memory: nanoseconds of processor time per SYN answered, from
//! state and by cookie. What the generator costs is outside of the measured time.
//!
//! ```sh
//! cargo run --release --example engine -- 1000000
//! ```

use std::time::Duration;

use handfast::Service;
use handfast::engine::simulation::{Setup, Simulation};
use handfast::tcp::{Config, CookieMode};
use handfast::wire::{Emit, Flags, FlowKey4, LinkHeader, Options, PacketKey, Seq, write_segment};
use nix::time::{ClockId, clock_gettime};

const BATCH: u32 = 64;
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 1];
const THEIRS: [u8; 6] = [2, 0, 0, 0, 0, 2];

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    for (name, cookies) in [("from state", CookieMode::Never), ("by cookie", CookieMode::Always)] {
        let spent = answer(count, cookies);
        println!(
            "SYN to SYN-ACK {name}: {:.1} ns each, {count} of them",
            spent.as_nanos() as f64 / f64::from(count)
        );
    }
}

/// Processor time to answer `count` SYNs of different connections.
fn answer(count: u32, cookies: CookieMode) -> Duration {
    let config = Config { cookies, ..Config::default() };
    let setup = Setup { config, capacity: count, prefault: true, ..Setup::default() };
    let owned = "198.18.1.1:80".parse().expect("an address");
    let mut simulation = Simulation::new(setup, &[(owned, Box::new(|| Service::Hold.user()))]);
    let mut frame = [0; 128];
    let mut spent = Duration::ZERO;
    for first in (0..count).step_by(BATCH as usize) {
        for number in first..(first + BATCH).min(count) {
            let len = syn(&mut frame, number);
            assert!(simulation.inject(&frame[..len]));
        }
        let before = processor_time();
        simulation.run();
        spent += processor_time() - before;
        let mut answers = 0;
        simulation.collect_all(|_| answers += 1);
        assert_eq!(answers, BATCH.min(count - first));
    }
    spent
}

fn syn(frame: &mut [u8], number: u32) -> usize {
    let [_, high, middle, low] = number.to_be_bytes();
    // From the server's point of view the client is remote; here it is the other way round.
    let key = FlowKey4 {
        remote: [198, 18, 1, 1],
        local: [10, 77, high, middle],
        remote_port: 80,
        local_port: 1024 + u16::from(low),
    };
    let link = LinkHeader::untagged(OURS, THEIRS, FlowKey4::ETHERTYPE);
    frame[..14].copy_from_slice(link.as_bytes());
    let options = Options { mss: Some(1460), ..Options::default() };
    let emit = Emit {
        seq: Seq(number.wrapping_mul(2_654_435_761)),
        flags: Flags::SYN,
        window: 64_240,
        options,
        ..Emit::default()
    };
    write_segment(frame, 14, &key, &emit, &[]).expect("room")
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}
