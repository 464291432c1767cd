//! The load generator on the engine, against the engine: two stacks back to back in virtual time.

use std::sync::Arc;
use std::time::Duration;

use handfast_load::{
    Arrivals, Closer, Control, Failure, Load, Plan, Probes, ResponseKind, RunStage, SourceArg, Tally,
    Workload,
};
use handfast_stack::engine::FaultInjection;
use handfast_stack::engine::simulation::{Setup, Simulation};
use handfast_stack::observe::Closed;
use handfast_stack::service::Service;
use handfast_stack::tcp::{Config, ConnectionHandler};
use handfast_stack::wire::{Mac, ParseConfig};

const NEAR: Mac = [2, 0, 0, 0, 0, 1];
const FAR: Mac = [2, 0, 0, 0, 0, 2];

/// A generator's stack and a responder's, and the wire between them.
struct Pair {
    control: Arc<Control>,
    near: Simulation,
    far: Simulation,
    frames: u64,
    cores: usize,
}

fn side(mac: Mac, gateway: Mac, cores: usize) -> Setup {
    let policy = ParseConfig { mac: Some(mac), ..ParseConfig::default() };
    let config = Config { msl_ms: 50, ..Config::default() };
    Setup { policy, gateway, config, cores, capacity: 8192, frames: 2048, ..Setup::default() }
}

fn far(service: Service, fault: FaultInjection) -> Simulation {
    let user = move || -> Box<dyn Fn() -> Box<dyn ConnectionHandler>> { Box::new(move || service.user()) };
    let rules = ["192.0.2.9:80", "[2001:db8::9]:80"].map(|rule| (rule.parse().unwrap(), user()));
    Simulation::new(Setup { fault, ..side(FAR, NEAR, 1) }, &rules)
}

impl Pair {
    fn new(plan: Plan, cores: usize, far: Simulation) -> Pair {
        assert_eq!(plan.check(cores as u32), Ok(vec![]));
        let sources = plan.sources.iter().map(|source| source.owned()).collect();
        let control = Control::new(plan);
        let made = control.clone();
        let caller: handfast_stack::engine::OpenerFactory =
            Box::new(move |core, cores| Box::new(made.generator(core, cores)));
        let setup = Setup { opener: Some(caller), sources, ..side(NEAR, FAR, cores) };
        let near = Simulation::new(setup, &[]);
        control.begin().unwrap();
        Pair { control, near, far, frames: 0, cores }
    }

    /// Carries frames until neither side sends any, or for as many legs as fit into a millisecond: in a
    /// closed loop on a wire that takes no time, one connection's end is the next one's beginning.
    fn exchange(&mut self) {
        for _ in 0..20 {
            self.near.poll();
            self.far.run();
            let before = self.frames;
            while let Some(frame) = self.near.collect() {
                self.frames += 1;
                assert!(self.far.inject(&frame));
            }
            while let Some(frame) = self.far.collect() {
                self.frames += 1;
                // Any core: it forwards segments to the core that owns the connection.
                let core = self.frames as usize % self.cores;
                assert!(self.near.inject_at(core, &frame));
            }
            if self.frames == before {
                return;
            }
        }
    }

    fn pass(&mut self, millis: u32) {
        for _ in 0..millis {
            self.near.advance_ms(1);
            self.far.advance_ms(1);
            self.exchange();
        }
    }

    fn run(&mut self) -> Tally {
        for _ in 0..60_000 {
            self.pass(1);
            if let Some(tally) = self.control.take() {
                assert_eq!(tally.attempted, tally.completed + tally.failed() + tally.in_flight);
                // Whatever there was, TIME-WAIT included, ends; no frame is lost.
                self.pass(200);
                assert_eq!((self.near.connections(), self.near.lost_frames()), (0, 0));
                assert_eq!(self.far.lost_frames(), 0);
                return tally;
            }
        }
        panic!("the run does not end: {:?}", self.control.progress());
    }

    fn ended(&self, how: Closed) -> u64 {
        self.far.counters(0).closed[how as usize].value()
    }
}

fn plan(workload: Workload) -> Plan {
    let sources = "192.0.2.64/28".parse::<SourceArg>().unwrap().resolve(None).unwrap();
    Plan {
        load: Load::Rate { per_second: 500, arrivals: Arrivals::Steady },
        duration: Some(Duration::from_secs(1)),
        reuse_after: Duration::from_millis(100),
        ..Plan::new("192.0.2.9:80".parse().unwrap(), sources, workload)
    }
}

const NO_FAULT: FaultInjection = FaultInjection { drop: 0.0, reset: 0.0, delay_ms: 0 };

// The figures of RFC 9293 have six for a lifecycle. A request adds data and its ACK; a server that
// closes sends its FIN along with the answer.
#[test]
fn every_workload_completes_in_as_many_packets_as_it_should() {
    let ping = Workload::Request { request: b"ping".to_vec(), response: ResponseKind::Segment };
    for (workload, service, packets, far_end) in [
        (Workload::Handshake, Service::Discard, 4, Closed::ResetByPeer),
        (Workload::Lifecycle { closer: Closer::Client }, Service::Discard, 6, Closed::Passive),
        (Workload::Lifecycle { closer: Closer::Server }, Service::Close, 6, Closed::Active),
        (ping, Service::Echo, 8, Closed::Passive),
        (Workload::http("192.0.2.9:80", "/"), Service::Http, 7, Closed::Active),
    ] {
        let name = workload.name();
        let mut pair = Pair::new(plan(workload), 1, far(service, NO_FAULT));
        let tally = pair.run();
        let failures: Vec<_> = tally.failures().collect();
        assert_eq!(
            (tally.attempted, tally.established, tally.completed),
            (500, 500, 500),
            "{name} {failures:?}"
        );
        assert_eq!(pair.ended(far_end), 500, "{name}");
        assert_eq!(pair.frames, packets * 500, "{name}");
    }
}

#[test]
fn ipv6_and_several_cores() {
    let sources = "2001:db8:1::/64".parse::<SourceArg>().unwrap().resolve(None).unwrap();
    let target = "[2001:db8::9]:80".parse().unwrap();
    let workload = Workload::Lifecycle { closer: Closer::Client };
    let plan = Plan { load: Load::Concurrency(20), ..Plan { target, sources, ..plan(workload) } };
    let mut pair = Pair::new(plan, 2, far(Service::Discard, NO_FAULT));
    let tally = pair.run();
    assert!(tally.completed > 1000 && tally.failed() == 0, "{:?}", tally.failures().collect::<Vec<_>>());
    assert!((0..2).all(|core| pair.near.counters(core).established.value() > 500), "both cores work");
}

#[test]
fn a_closed_port_refuses_every_connection() {
    let target = "192.0.2.9:81".parse().unwrap();
    let plan = Plan { target, ..plan(Workload::Handshake) };
    let tally = Pair::new(plan, 1, far(Service::Discard, NO_FAULT)).run();
    assert_eq!((tally.attempted, tally.failed_by(Failure::Refused)), (500, 500));
}

#[test]
fn faults_on_purpose_are_counted_as_the_server_counts_them() {
    let fault = FaultInjection { drop: 0.1, reset: 0.1, delay_ms: 0 };
    let mut pair =
        Pair::new(plan(Workload::Lifecycle { closer: Closer::Client }), 1, far(Service::Discard, fault));
    let tally = pair.run();
    assert!(tally.failed() > 20, "{:?}", tally.failures().collect::<Vec<_>>());
    assert_eq!(tally.failed_by(Failure::Refused), pair.ended(Closed::FaultReset));
    assert_eq!(tally.failed(), tally.failed_by(Failure::Refused), "what was dropped was sent again");
    // A SYN sent again comes a second later, and counts from its intended start.
    assert!(tally.connect.max() >= 990_000, "{}", tally.connect.max());
}

#[test]
fn a_target_that_answers_nothing_ends_in_time_outs() {
    let plan = Plan { timeout: Duration::from_millis(700), ..plan(Workload::Handshake) };
    let fault = FaultInjection { drop: 1.0, ..NO_FAULT };
    let tally = Pair::new(plan, 1, far(Service::Discard, fault)).run();
    assert_eq!((tally.attempted, tally.failed_by(Failure::ConnectTimeout)), (500, 500));
}

fn hold() -> Plan {
    Plan {
        connections: Some(2000),
        load: Load::Concurrency(200),
        probes: Probes { per_second: 20_000, ..Probes::default() },
        ..plan(Workload::Hold)
    }
}

#[test]
fn held_connections_answer_their_probes() {
    let mut pair = Pair::new(hold(), 1, far(Service::Hold, NO_FAULT));
    pair.pass(900);
    assert_eq!(
        (pair.control.progress().in_flight, pair.control.progress().stage),
        (2000, RunStage::Measured)
    );
    let tally = pair.run();
    assert_eq!((tally.established, tally.completed), (2000, 2000));
    assert_eq!(pair.ended(Closed::ResetByPeer), 2000, "and end by a RST");
}

#[test]
fn a_server_that_dies_in_the_middle_is_noticed_by_the_probes() {
    let mut pair = Pair::new(hold(), 1, far(Service::Hold, NO_FAULT));
    pair.pass(900);
    let now = pair.far.now();
    let user = || -> Box<dyn ConnectionHandler> { Service::Hold.user() };
    let rules: [handfast_stack::engine::simulation::Service; 1] =
        [("192.0.2.9:80".parse().unwrap(), Box::new(user))];
    // Back again, and it knows nothing: every probe draws a RST, as far as their rate goes.
    pair.far = Simulation::new(Setup { start: now, ..side(FAR, NEAR, 1) }, &rules);
    let tally = pair.run();
    assert_eq!((tally.established, tally.completed), (2000, 0));
    assert_eq!(tally.failed_by(Failure::Reset) + tally.failed_by(Failure::ProbeLost), 2000);
}

#[test]
fn a_stop_ends_everything_within_a_second() {
    let plan = Plan { duration: None, ..plan(Workload::Lifecycle { closer: Closer::Server }) };
    // This server never closes.
    let mut pair = Pair::new(plan, 1, far(Service::Discard, NO_FAULT));
    pair.pass(1000);
    pair.control.stop();
    pair.pass(2200);
    let tally = pair.control.take().expect("it is over");
    assert!(tally.in_flight > 450 && tally.completed + tally.failed() == 0, "{tally:?}");
    assert_eq!((pair.near.connections(), pair.far.connections()), (0, 0), "reset on both sides");
}
