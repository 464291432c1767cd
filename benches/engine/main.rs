//! The engine alone, on a port in memory: nanoseconds of processor time per SYN answered, from
//! state and by cookie, and per whole connection. What the generator costs is outside of the measured time.
//!
//! ```sh
//! cargo run --release --example engine -- 1000000 [cookie|state|lifecycle]
//! ```

use std::ops::Range;
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
    let only = std::env::args().nth(2);
    for (name, cookies, life) in [
        ("SYN to SYN-ACK from state", CookieMode::Never, false),
        ("SYN to SYN-ACK by cookie", CookieMode::Always, false),
        ("six-packet lifecycle", CookieMode::Never, true),
    ] {
        if only.as_ref().is_some_and(|only| !name.contains(only.as_str())) {
            continue;
        }
        let spent = run(count, cookies, life);
        println!("{name}: {:.1} ns each, {count} of them", spent.as_nanos() as f64 / f64::from(count));
    }
}

/// Processor time to answer `count` SYNs of different connections; `life`: and all that follows, up to
/// the last ACK of both closes.
fn run(count: u32, cookies: CookieMode, life: bool) -> Duration {
    let config = Config { cookies, ..Config::default() };
    let setup = Setup { config, capacity: count, prefault: true, ..Setup::default() };
    let owned = "198.18.1.1:80".parse().expect("an address");
    let mut simulation = Simulation::new(setup, &[(owned, Box::new(|| Service::Discard.user()))]);
    let mut spent = Duration::ZERO;
    for first in (0..count).step_by(BATCH as usize) {
        let numbers = first..(first + BATCH).min(count);
        let mut ours = vec![Seq(0); numbers.len()];
        for step in &STEPS[..if life { STEPS.len() } else { 1 }] {
            spent += exchange(&mut simulation, numbers.clone(), step, &mut ours);
        }
    }
    assert_eq!(simulation.connections() == 0, life || cookies == CookieMode::Always);
    spent
}

/// What the client sends: flags, how far its and our sequence numbers are, and whether we answer.
struct Step(Flags, u32, u32, bool);

const ACK: Flags = Flags::ACK;
const STEPS: [Step; 4] = [
    Step(Flags::SYN, 0, 0, true),
    Step(ACK, 1, 1, false),
    Step(ACK.with(Flags::FIN), 1, 1, true),
    Step(ACK, 2, 2, false),
];

/// One segment for every connection of a batch, and the time it takes.
fn exchange(simulation: &mut Simulation, numbers: Range<u32>, step: &Step, ours: &mut [Seq]) -> Duration {
    let &Step(flags, theirs, acked, answered) = step;
    let mut frame = [0; 128];
    for (number, isn) in numbers.clone().zip(&*ours) {
        let options = Options { mss: flags.has(Flags::SYN).then_some(1460), ..Options::default() };
        let seq = Seq(number.wrapping_mul(2_654_435_761)) + theirs;
        let emit = Emit { seq, ack: *isn + acked, flags, window: 64_240, options };
        let len = segment(&mut frame, number, &emit);
        assert!(simulation.inject(&frame[..len]));
    }
    let before = processor_time();
    simulation.run();
    let spent = processor_time() - before;
    let mut answers = 0;
    simulation.collect_all(|answer| {
        if flags.has(Flags::SYN) {
            ours[answers] = Seq(u32::from_be_bytes([answer[38], answer[39], answer[40], answer[41]]));
        }
        answers += 1;
    });
    assert_eq!(answers, if answered { numbers.len() } else { 0 });
    spent
}

fn segment(frame: &mut [u8], number: u32, emit: &Emit) -> usize {
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
    write_segment(frame, 14, &key, emit, &[]).expect("room")
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}
