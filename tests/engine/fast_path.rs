//! For any segment in any state, the fast path and the general path do the same, byte for
//! byte. Two simulations with the same secrets and services get the same frames, batch by batch; one takes the
//! general path alone. After each batch the test compares all visible state: frames sent, in
//! their order, all counters, calls of the services, connections, timers.
//!
//! A case follows from its seed. Where one fails, the test drops steps and segments as long as it still
//! fails, and prints the rest. `HF_SEED=... HF_CASES=1` repeats one; `HF_CASES` sets the number of cases.

use std::fmt::Write;

use handfast_stack::engine::FaultInjection;
use handfast_stack::wire::{Packet, ParseConfig, TupleSecret, parse};

mod frame;
mod mutation;
mod peer;
mod random;
mod service;
mod setting;
mod twins;

use frame::Sent;
use mutation::mutate;
use peer::{Moment, Peer};
use random::Random;
use setting::{PORTS, Setting, kind};
use twins::Twins;

/// Cases of the suite: about 40,000 segments.
const CASES: u64 = 300;
/// Cases of the long run: more than ten million segments.
const MANY_CASES: u64 = 80_000;
/// Of a hundred segments, those that are mutated, where many are.
const MUTATED: u64 = 20;

/// An event and a batch, each by its seed.
#[derive(Clone, Debug)]
struct Step {
    seed: u64,
    segments: Vec<u64>,
}

/// Counts of the general path: a property of idle cores would be empty.
#[derive(Clone, Copy, Debug, Default)]
struct Reached {
    segments: u64,
    sent: u64,
    syn_acks: u64,
    cookies: u64,
    established: u64,
    closed: u64,
}

fn steps(seed: u64) -> Vec<Step> {
    let random = &mut Random::new(!seed);
    let step = |random: &mut Random| {
        let most = random.pick(&[1, 4, 8, 16, 64]);
        let count = 1 + random.below(most);
        Step { seed: random.next(), segments: (0..count).map(|_| random.next()).collect() }
    };
    (0..1 + random.below(40)).map(|_| step(random)).collect()
}

struct Run {
    setting: Setting,
    twins: Twins,
    peers: Vec<Peer>,
    secret: TupleSecret,
    /// Of a hundred segments, those that are mutated.
    mutated: u64,
    /// Of a hundred batches in which every peer waits for an answer, those that end there.
    ends_early: u64,
}

impl Run {
    fn new(seed: u64) -> Run {
        let setting = Setting::new(seed);
        let random = &mut Random::new(setting.seed);
        let peers = (0..setting.peers).map(|number| Peer::new(number, &setting, random)).collect();
        let (twins, secret) = (Twins::new(&setting), TupleSecret::fixed(setting.seed));
        // Without errors, connections live long.
        let (mutated, ends_early) = random.pick(&[(0, 100), (MUTATED / 4, 90), (MUTATED, 60), (MUTATED, 0)]);
        Run { setting, twins, peers, secret, mutated, ends_early }
    }

    /// The event before a batch: time passes, or other rules come into force.
    fn before(&mut self, random: &mut Random) {
        match random.below(20) {
            0..8 => {}
            8..18 => self.twins.advance_ms(random.pick(&[1, 5, 30, 400, 999, 1000, 3000, 70_000])),
            18 => self.twins.suspend_ms(random.pick(&[0, 200, 7000, 30 * 86_400_000])),
            _ => {
                let kept = |random: &mut Random| random.percent(80);
                let mut rules = self.setting.rules.clone();
                rules.retain(|_| kept(random));
                if let Some(port) = PORTS.iter().find(|port| rules.iter().all(|rule| rule.0 != **port)) {
                    rules.push((*port, kind(random)));
                }
                let fault = if random.percent(10) { self.setting.fault } else { FaultInjection::default() };
                self.twins.listen(&rules, fault);
                self.setting.rules = rules;
            }
        }
    }

    /// The next segment, and the core at which it arrives: of a connection most often the same one.
    fn segment(&mut self, seed: u64) -> (Sent, usize) {
        let random = &mut Random::new(seed);
        let now = self.twins.general().now();
        let moment = Moment { millis: now.millis(), isn_tick: now.isn_tick(), secret: &self.secret };
        let mut who = random.below(self.peers.len());
        for _ in 0..8 {
            if self.peers[who].waits {
                who = random.below(self.peers.len());
            }
        }
        let core = if random.percent(90) { who } else { who + 1 } % self.setting.cores;
        let peer = &mut self.peers[who];
        if !random.percent(self.mutated) {
            return (peer.next(random, &moment), core);
        }
        let before = peer.clone();
        let mut sent = peer.next(random, &moment);
        mutate(&mut sent, random);
        // Most often a link has done that, and the peer sends it again.
        if random.percent(75) {
            *peer = before;
        }
        (sent, core)
    }

    fn compare(&mut self) -> Result<u64, String> {
        let tuples: Vec<_> = self.peers.iter().map(Peer::ends).collect();
        let sent = self.twins.compare(&tuples)?;
        for frame in sent {
            let (port, info) = match parse(frame, &ParseConfig::default()) {
                Ok(Packet::Tcp4(segment)) => (segment.key.local_port, segment.info),
                Ok(Packet::Tcp6(segment)) => (segment.key.local_port, segment.info),
                _ => continue,
            };
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.ends().2[0] == port) {
                peer.hear(&info);
            }
        }
        Ok(sent.len() as u64)
    }

    /// Carries the steps out. `Err`: the place and the difference.
    fn run(
        &mut self,
        steps: &[Step],
        reached: &mut Reached,
        mut told: Option<&mut String>,
    ) -> Result<(), String> {
        for (number, step) in steps.iter().enumerate() {
            let random = &mut Random::new(step.seed);
            let at = |error| format!("step {number}: {error}");
            self.before(random);
            reached.sent += self.compare().map_err(|error| at(format!("before the batch: {error}")))?;
            self.peers.iter_mut().for_each(Peer::settle);
            for seed in &step.segments {
                if self.peers.iter().all(|peer| peer.waits) && random.percent(self.ends_early) {
                    break;
                }
                let (sent, core) = self.segment(*seed);
                if let Some(told) = &mut told {
                    let now = self.twins.general().now();
                    writeln!(told, "step {number}, {now:?}, core {core}: {sent:?}").expect("a text");
                }
                if !self.twins.inject(core, &sent.bytes()).map_err(at)? {
                    break;
                }
                reached.segments += 1;
            }
            self.twins.run();
            reached.sent += self.compare().map_err(at)?;
        }
        self.twins.advance_ms(70_000);
        self.compare().map_err(|error| format!("70 s after the last batch: {error}"))?;
        self.twins.stop();
        self.compare().map_err(|error| format!("after the end: {error}"))?;
        for core in 0..self.setting.cores {
            let counters = self.twins.general().counters(core);
            reached.syn_acks += counters.syn_acks.value();
            reached.cookies += counters.syn_acks_cookie.value();
            reached.established += counters.established.value();
            reached.closed += counters.closed.iter().map(|count| count.value()).sum::<u64>();
        }
        Ok(())
    }
}

fn fails(seed: u64, steps: &[Step]) -> bool {
    Run::new(seed).run(steps, &mut Reached::default(), None).is_err()
}

/// Removes each step and segment without which the case still fails.
fn shrink(seed: u64, mut steps: Vec<Step>) -> Vec<Step> {
    loop {
        let before = steps.len() + steps.iter().map(|step| step.segments.len()).sum::<usize>();
        for at in (0..steps.len()).rev() {
            let mut fewer = steps.clone();
            fewer.remove(at);
            if fails(seed, &fewer) {
                steps = fewer;
            }
        }
        for at in 0..steps.len() {
            for segment in (0..steps[at].segments.len()).rev() {
                let mut fewer = steps.clone();
                fewer[at].segments.remove(segment);
                if fails(seed, &fewer) {
                    steps = fewer;
                }
            }
        }
        if steps.len() + steps.iter().map(|step| step.segments.len()).sum::<usize>() == before {
            return steps;
        }
    }
}

/// Names the case where the engine panics.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("HF_SEED={}", self.0);
        }
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn run_cases(cases: u64) -> Reached {
    let first = number("HF_SEED", 1);
    let mut reached = Reached::default();
    for seed in first..first + number("HF_CASES", cases) {
        let _named = Named(seed);
        let steps = steps(seed);
        if Run::new(seed).run(&steps, &mut reached, None).is_err() {
            let steps = shrink(seed, steps);
            let (mut run, mut told) = (Run::new(seed), String::new());
            let error = run.run(&steps, &mut Reached::default(), Some(&mut told)).expect_err("as before");
            panic!("seed {seed}: {:#?}\n{told}{error}", Setting::new(seed));
        }
    }
    reached
}

#[test]
fn both_ways_do_the_same() {
    let reached = run_cases(CASES);
    let Reached { segments, sent, syn_acks, cookies, established, closed } = reached;
    let enough = [sent, syn_acks, cookies, established, closed].iter().all(|count| *count > segments / 100);
    assert!(std::env::var("HF_CASES").is_ok() || enough && segments > 30_000, "{reached:?}");
}

/// `cargo test --release -p handfast-stack --test engine fast_path -- --ignored --nocapture`: some minutes.
#[test]
#[ignore = "ten million segments take minutes"]
fn both_ways_do_the_same_at_length() {
    println!("{:?}", run_cases(MANY_CASES));
}
