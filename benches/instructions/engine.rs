//! One core with 64 k established connections, on a port in memory. Per connection, or per
//! segment of an established one, the engine's turns alone: the other end's frames are made and looked
//! at outside of what is counted.

use std::ops::Range;

use handfast_stack::engine::CoreConfig;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::observe::DROP_REASONS;
use handfast_stack::service::Service;
use handfast_stack::tcp::{Config, ConnectionHandler, CookieMode};

use super::peer::{ACK, ACK_GETS_FIN, Client, DATA, FIN, LAST_ACK, LAST_FIN, Peer, RST, SYN, Step, read};
use super::{Path, only_this_is_counted};

pub const PATHS: &[Path] = &[
    ("engine/syn-ack", || one_core(Client::MssOnly).count(&[SYN])),
    ("engine/syn-ack-linux", || one_core(Client::Linux).count(&[SYN])),
    ("engine/syn-ack-ipv6", || one_core(Client::Ipv6).count(&[SYN])),
    ("engine/syn-ack-neighbours", || one_core(Client::Neighbours).count(&[SYN])),
    ("engine/syn-ack-prefix", || one_core(Client::Prefix).count(&[SYN])),
    ("engine/syn-ack-vlan", || one_core(Client::Vlan).count(&[SYN])),
    ("engine/syn-ack-cookie", || Bench::new(cookies(), Client::MssOnly, DISCARD).count(&[SYN])),
    ("engine/syn-ack-cookie-linux", || Bench::new(cookies(), Client::Linux, DISCARD).count(&[SYN])),
    ("engine/handshake", || one_core(Client::MssOnly).count(HANDSHAKE)),
    ("engine/handshake-linux", || one_core(Client::Linux).count(HANDSHAKE)),
    ("engine/handshake-ipv6", || one_core(Client::Ipv6).count(HANDSHAKE)),
    ("engine/handshake-2-cores", || Bench::new(two_cores(), Client::MssOnly, DISCARD).count(HANDSHAKE)),
    ("engine/handshake-stages-on", || Bench::new(accounting(), Client::MssOnly, DISCARD).count(HANDSHAKE)),
    ("engine/handshake-reset", || one_core(Client::MssOnly).count(&[SYN, ACK, RST])),
    // In-order data with its ACK.
    ("engine/data-segment", || one_core(Client::MssOnly).count_after(HANDSHAKE, &[DATA])),
    ("engine/data-segment-linux", || one_core(Client::Linux).count_after(HANDSHAKE, &[DATA])),
    // It acknowledges nothing new and has no answer.
    ("engine/pure-ack", || one_core(Client::MssOnly).count_after(HANDSHAKE, &[ACK])),
    ("engine/pure-ack-linux", || one_core(Client::Linux).count_after(HANDSHAKE, &[ACK])),
    ("engine/lifecycle", || one_core(Client::MssOnly).count(LIFECYCLE)),
    ("engine/lifecycle-linux", || one_core(Client::Linux).count(LIFECYCLE)),
    ("engine/lifecycle-ipv6", || one_core(Client::Ipv6).count(LIFECYCLE)),
    ("engine/lifecycle-we-close", || we_close(Client::MssOnly).count(WE_CLOSE)),
    ("engine/lifecycle-we-close-linux", || we_close(Client::Linux).count(WE_CLOSE)),
    ("engine/expire-time-wait", expiring),
];

const HANDSHAKE: &[Step] = &[SYN, ACK];
const LIFECYCLE: &[Step] = &[SYN, ACK, FIN, LAST_ACK];
const WE_CLOSE: &[Step] = &[SYN, ACK_GETS_FIN, LAST_FIN];

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

fn one_core(client: Client) -> Bench {
    Bench::new(Setup::default(), client, DISCARD)
}

fn we_close(client: Client) -> Bench {
    Bench::new(Setup::default(), client, CLOSE)
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
    let mut bench = we_close(Client::MssOnly);
    bench.take(LIVE..LIVE + COUNTED, WE_CLOSE, &[]);
    assert_eq!(bench.simulation.connections(), (LIVE + COUNTED) as usize);
    only_this_is_counted(&mut || bench.simulation.advance_ms(LONG));
    assert_eq!(bench.simulation.connections(), LIVE as usize, "TIME-WAIT is over");
    u64::from(COUNTED)
}

struct Bench {
    simulation: Simulation,
    client: Client,
    /// Of the connections that are counted.
    port: u16,
}

impl Bench {
    /// One core of `setup`, with connections of the same kind of client that stay.
    fn new(setup: Setup, client: Client, port: u16) -> Bench {
        let setup = Setup { capacity: LIVE + COUNTED, ..setup };
        let service = |port: u16, service: Service| {
            let owned = format!("{}:{port}", client.server()).parse().expect("an address and a port");
            let user: Box<dyn Fn() -> Box<dyn ConnectionHandler>> = Box::new(move || service.user());
            (owned, user)
        };
        let services = [service(DISCARD, Service::Discard), service(CLOSE, Service::Close)];
        let simulation = Simulation::new(setup, &services).split().swap_remove(0);
        let mut bench = Bench { simulation, client, port: DISCARD };
        bench.take(0..LIVE, HANDSHAKE, &[]);
        assert_eq!(bench.simulation.connections(), LIVE as usize);
        bench.port = port;
        bench
    }

    fn count(self, steps: &[Step]) -> u64 {
        self.count_after(&[], steps)
    }

    /// Counts `steps` alone, of connections that have taken those `before`.
    fn count_after(mut self, before: &[Step], steps: &[Step]) -> u64 {
        self.take(LIVE..LIVE + COUNTED, before, steps);
        u64::from(COUNTED)
    }

    /// Takes connections through some steps, a batch at a time.
    fn take(&mut self, numbers: Range<u32>, uncounted: &[Step], counted: &[Step]) {
        for first in numbers.step_by(BATCH as usize) {
            let mut peers: [Peer; BATCH as usize] =
                std::array::from_fn(|at| Peer::new(first + at as u32, self.client, self.port));
            uncounted.iter().for_each(|step| self.step(&mut peers, step, |turn| turn()));
            counted.iter().for_each(|step| self.step(&mut peers, step, only_this_is_counted));
        }
        // A segment without an answer was not dropped either.
        let drops = &self.simulation.counters(0).drops;
        let dropped = DROP_REASONS.into_iter().find(|reason| drops[*reason as usize].value() > 0);
        assert_eq!(dropped, None);
    }

    /// A segment of each peer, one turn, and its answers.
    fn step(&mut self, peers: &mut [Peer], step: &Step, run: fn(&mut dyn FnMut())) {
        for peer in &mut *peers {
            let (frame, len) = peer.frame(step);
            assert!(self.simulation.inject(&frame[..len]), "a free frame");
        }
        run(&mut || assert!(self.simulation.poll() > 0));
        let mut answers = 0;
        self.simulation.collect_all(|answer| {
            let (number, info) = read(answer);
            peers[(number % BATCH) as usize].receive(step, &info);
            answers += 1;
        });
        assert_eq!(answers, step.answers * BATCH, "answers to {:?}", step.flags);
    }
}
