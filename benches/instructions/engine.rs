//! One core with 64 k established connections, on a port in memory. Per connection, the engine's
//! turns alone: the other end's frames are made and looked at outside of what is counted.

use std::ops::Range;

use handfast_stack::engine::CoreConfig;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::service::Service;
use handfast_stack::tcp::{Config, ConnectionHandler, CookieMode};
use handfast_stack::wire::{
    Flags, FlowKey4, LinkHeader, PacketKey, Seq, TcpOptions, TxSegment, write_segment,
};

use super::{Path, only_this_is_counted};

pub const PATHS: &[Path] = &[
    ("engine/syn-ack", || one_core().count(&[SYN])),
    ("engine/syn-ack-cookie", || Bench::new(cookies(), DISCARD).count(&[SYN])),
    ("engine/handshake", || one_core().count(&[SYN, ACK])),
    ("engine/handshake-2-cores", || Bench::new(two_cores(), DISCARD).count(&[SYN, ACK])),
    ("engine/handshake-stages-on", || Bench::new(accounting(), DISCARD).count(&[SYN, ACK])),
    ("engine/handshake-reset", || one_core().count(&[SYN, ACK, RST])),
    ("engine/lifecycle", || one_core().count(&[SYN, ACK, FIN, LAST_ACK])),
    ("engine/lifecycle-we-close", || {
        Bench::new(Setup::default(), CLOSE).count(&[SYN, ACK_GETS_FIN, LAST_FIN])
    }),
    ("engine/expire-time-wait", expiring),
];

/// Connections before anything is counted, and those that are counted.
const LIVE: u32 = 1 << 16;
const COUNTED: u32 = 1 << 14;
/// Segments of a turn.
const BATCH: u32 = 64;
/// Ports of the services.
const DISCARD: u16 = 80;
const CLOSE: u16 = 81;
/// Milliseconds: longer than TIME-WAIT.
const LONG: u32 = 300_000;

/// What a peer sends: flags, how far its sequence number and ours have come, and whether we answer.
struct Step {
    flags: Flags,
    theirs: u32,
    acked: u32,
    answers: u32,
}

const SYN: Step = Step { flags: Flags::SYN, theirs: 0, acked: 0, answers: 1 };
const ACK: Step = Step { flags: Flags::ACK, theirs: 1, acked: 1, answers: 0 };
const FIN: Step = Step { flags: Flags::ACK.with(Flags::FIN), theirs: 1, acked: 1, answers: 1 };
const LAST_ACK: Step = Step { flags: Flags::ACK, theirs: 2, acked: 2, answers: 0 };
/// Of a connection that we close first.
const ACK_GETS_FIN: Step = Step { flags: Flags::ACK, theirs: 1, acked: 1, answers: 1 };
const LAST_FIN: Step = Step { flags: Flags::ACK.with(Flags::FIN), theirs: 1, acked: 2, answers: 1 };
const RST: Step = Step { flags: Flags::RST, theirs: 1, acked: 0, answers: 0 };

fn one_core() -> Bench {
    Bench::new(Setup::default(), DISCARD)
}

fn cookies() -> Setup {
    Setup { config: Config { cookies: CookieMode::Always, ..Config::default() }, ..Setup::default() }
}

/// The table as several cores share it.
fn two_cores() -> Setup {
    Setup { cores: 2, ..Setup::default() }
}

fn accounting() -> Setup {
    Setup { bounds: CoreConfig { account_stages: true, ..CoreConfig::default() }, ..Setup::default() }
}

/// TIME-WAITs that end: their timers, and taking the connections out.
fn expiring() -> u64 {
    let mut bench = Bench::new(Setup::default(), CLOSE);
    bench.take(LIVE..LIVE + COUNTED, &[SYN, ACK_GETS_FIN, LAST_FIN], false);
    assert_eq!(bench.simulation.connections(), (LIVE + COUNTED) as usize);
    only_this_is_counted(&mut || bench.simulation.advance_ms(LONG));
    assert_eq!(bench.simulation.connections(), LIVE as usize, "TIME-WAIT is over");
    u64::from(COUNTED)
}

struct Bench {
    simulation: Simulation,
    /// Of the connections that are counted.
    port: u16,
}

impl Bench {
    /// One core of `setup`, with connections that stay.
    fn new(setup: Setup, port: u16) -> Bench {
        let setup = Setup { capacity: LIVE + COUNTED, ..setup };
        let service = |port: u16, service: Service| {
            let owned = format!("198.18.1.1:{port}").parse().expect("an address and a port");
            let user: Box<dyn Fn() -> Box<dyn ConnectionHandler>> = Box::new(move || service.user());
            (owned, user)
        };
        let services = [service(DISCARD, Service::Discard), service(CLOSE, Service::Close)];
        let simulation = Simulation::new(setup, &services).split().swap_remove(0);
        let mut bench = Bench { simulation, port: DISCARD };
        bench.take(0..LIVE, &[SYN, ACK], false);
        assert_eq!(bench.simulation.connections(), LIVE as usize);
        bench.port = port;
        bench
    }

    fn count(mut self, steps: &[Step]) -> u64 {
        self.take(LIVE..LIVE + COUNTED, steps, true);
        u64::from(COUNTED)
    }

    /// Takes connections through some steps, a batch at a time.
    fn take(&mut self, numbers: Range<u32>, steps: &[Step], counted: bool) {
        for first in numbers.step_by(BATCH as usize) {
            let mut ours = [Seq(0); BATCH as usize];
            for step in steps {
                for (number, ours) in (first..).zip(&ours) {
                    let (frame, len) = self.frame(number, step, *ours);
                    assert!(self.simulation.inject(&frame[..len]), "a free frame");
                }
                self.turn(counted);
                let answers = self.answers(step, &mut ours);
                assert_eq!(answers, step.answers * BATCH, "answers to {:?}", step.flags);
            }
        }
    }

    fn turn(&mut self, counted: bool) {
        let mut turn = || assert!(self.simulation.poll() > 0);
        if counted { only_this_is_counted(&mut turn) } else { turn() }
    }

    /// How many answers there were. Our ISNs, out of the answers to SYNs, go into `ours`.
    fn answers(&mut self, step: &Step, ours: &mut [Seq]) -> u32 {
        let mut answers = 0;
        self.simulation.collect_all(|answer| {
            if step.flags.has(Flags::SYN) {
                // The sequence number, behind 14 octets of link header, 20 of IPv4 and the ports.
                let isn = answer[38..42].try_into().expect("four octets");
                ours[answers as usize] = Seq(u32::from_be_bytes(isn));
            }
            answers += 1;
        });
        answers
    }

    /// A segment of connection `number`, and its length.
    fn frame(&self, number: u32, step: &Step, ours: Seq) -> ([u8; 128], usize) {
        let [_, high, middle, low] = (number >> 10).to_be_bytes();
        // From our point of view the client is remote; here it is the other way round.
        let key = FlowKey4 {
            remote: [198, 18, 1, 1],
            local: [10, high, middle, low],
            remote_port: self.port,
            local_port: 1024 + (number & 0x3ff) as u16,
        };
        let options = TcpOptions { mss: step.flags.has(Flags::SYN).then_some(1460), ..TcpOptions::default() };
        let seq = Seq(number.wrapping_mul(0x9e37_79b1)) + step.theirs;
        let emit = TxSegment { seq, ack: ours + step.acked, flags: step.flags, window: 64_240, options };
        let mut frame = [0; 128];
        let link = LinkHeader::untagged([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], FlowKey4::ETHERTYPE);
        frame[..14].copy_from_slice(link.as_bytes());
        let len = write_segment(&mut frame, 14, &key, &emit, &[]).expect("room in the frame");
        (frame, len)
    }
}
