//! The cookie tier, for the files `tier_*`: a program with a tier, and the stack that it must agree with.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use handfast_stack::observe::CoreCounters;
use handfast_stack::tcp::{self, Config, Context, Cookies, SendBuffers, Time, TimerOp, on_syn_with_cookie};
use handfast_stack::wire::flow_hash::FlowHashKey;
use handfast_stack::wire::{
    EndpointRange, PacketKey, ParseConfig, Segment, TupleSecret, TxSegment, ethernet, write_segment,
};
use handfast_stack::xdp::{Program, SteeringRule, Tier, TierConfig, TierDevice, Transmit, VERDICTS, Verdict};

use crate::kernel::{action_of, addresses, run_with_output, xdp_socket};

pub const LISTENER: u16 = 3;
pub const WINDOW: u16 = 0xabcd;
pub const SECRET: (u64, u64) = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
pub const PERIOD_S: u64 = 64;
/// The period in which tests begin, ten seconds after its start.
pub const PERIOD: u64 = 100;
pub const FLOW_KEY: [u64; 3] = [0x0123_4567_89ab_cdef, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
pub const TIMESTAMP_OFFSET: u32 = 0xfff0_1234;
const MSS: [u16; 2] = [1460, 1440];

pub fn config() -> TierConfig {
    TierConfig {
        flow_key: FlowHashKey::new(FLOW_KEY),
        filter_lines: 1 << 12,
        timestamp_offset: TIMESTAMP_OFFSET,
        mss: MSS,
        min_mss: tcp::MIN_MSS,
        unproven_per_second: 0,
        syn_limit: 0,
        syn_burst: 0,
        epoch_ns: epoch_of(PERIOD),
    }
}

/// CLOCK_MONOTONIC, nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

/// The epoch of a clock that is in this period now, ten seconds after its start.
pub fn epoch_of(period: u64) -> u64 {
    monotonic_ns().wrapping_sub((period * PERIOD_S + 10) * 1_000_000_000)
}

/// The key of a period.
pub fn period_key(period: u64) -> (u64, u64) {
    Cookies::new(SECRET).key_of(period)
}

pub fn rule(owned: &str, listener: impl Into<Option<u16>>) -> SteeringRule {
    SteeringRule { owned: owned.parse::<EndpointRange>().unwrap(), listener: listener.into() }
}

/// A program with a tier, attached nowhere.
pub struct TierBench {
    pub program: Program,
    pub tier: Arc<Tier>,
    pub epoch_ns: u64,
    pub parse: ParseConfig,
    last: Vec<u64>,
    _socket: OwnedFd,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    /// The frame as the program has left it.
    pub frame: Vec<u8>,
    /// The stack's clock before and after the run.
    pub times: [Time; 2],
}

impl TierBench {
    /// With one listener in cookie mode for each of the rules, ready.
    pub fn new(config: &TierConfig, rules: &[SteeringRule], local: &[&str]) -> TierBench {
        let tier = Tier::new(config).unwrap();
        let program = Program::load_with(rules, &addresses(local), Some(&tier)).unwrap();
        let socket = xdp_socket();
        program.set_socket(0, socket.as_fd()).unwrap();
        let period = monotonic_ns().wrapping_sub(config.epoch_ns) / 1_000_000_000 / PERIOD_S;
        for period in period.saturating_sub(1)..period + 3 {
            tier.set_key(period, period_key(period));
        }
        for listener in rules.iter().filter_map(|rule| rule.listener) {
            assert!(tier.set_listener(listener, true, WINDOW));
        }
        tier.set_ready(true);
        let parse = ParseConfig::default();
        let bench =
            TierBench { program, tier, epoch_ns: config.epoch_ns, parse, last: Vec::new(), _socket: socket };
        bench.with_parse(ParseConfig::default())
    }

    /// Everything is answered at 10.0.0.0/24 and 2001:db8::/64, and anywhere else at port 80.
    pub fn usual() -> TierBench {
        let rules = [rule("0.0.0.0/0:80-90", LISTENER), rule("[::]/0:80-90", LISTENER)];
        TierBench::new(&config(), &rules, &[])
    }

    /// The interface of program and stack has these settings.
    pub fn with_parse(mut self, parse: ParseConfig) -> TierBench {
        self.program.set_tier_device(&TierDevice {
            transmit: Transmit::Tx,
            accepts_partial: parse.accept_partial_checksum,
            mac: parse.mac,
            broadcasts: parse.subnets.iter().map(ipnet::Ipv4Net::broadcast).collect(),
        });
        self.parse = parse;
        self
    }

    pub fn set_epoch(&mut self, epoch_ns: u64) {
        self.epoch_ns = epoch_ns;
        self.tier.set_epoch_ns(epoch_ns);
    }

    pub fn now(&self) -> Time {
        Time { micros: monotonic_ns().wrapping_sub(self.epoch_ns) / 1000 }
    }

    /// Runs the program on a frame. The action must be that of the verdict, which is counted once; and only
    /// an answer changes the frame.
    pub fn run(&mut self, frame: &[u8]) -> Outcome {
        if self.last.is_empty() {
            self.last = self.counts();
        }
        let before = self.now();
        let (action, after) = run_with_output(&self.program, frame);
        let times = [before, self.now()];
        let counts = self.counts();
        let changed: Vec<usize> = (0..counts.len()).filter(|&v| counts[v] != self.last[v]).collect();
        assert_eq!(changed.len(), 1, "one frame, one count");
        assert_eq!(counts[changed[0]], self.last[changed[0]] + 1, "one frame, one count");
        let verdict = VERDICTS[changed[0]];
        self.last = counts;
        assert_eq!(action, action_of(verdict), "{verdict:?}");
        assert!(verdict.is_tx() || after == frame, "{verdict:?} has changed the frame");
        Outcome { verdict, frame: after, times }
    }

    pub fn verdict(&mut self, frame: &[u8]) -> Verdict {
        self.run(frame).verdict
    }

    fn counts(&self) -> Vec<u64> {
        let counts = self.program.counters().unwrap();
        VERDICTS.iter().map(|&verdict| counts.sum(verdict)).collect()
    }
}

/// The stack's side.
pub struct Reference {
    config: Config,
    buffers: SendBuffers,
    counters: CoreCounters,
    secret: TupleSecret,
    pub cookies: Cookies,
}

impl Reference {
    pub fn new() -> Reference {
        let config = Config { mss4: MSS[0], mss6: MSS[1], ..Config::default() };
        Reference {
            buffers: SendBuffers::new(1, [1, 2], config.congestion),
            config,
            counters: CoreCounters::default(),
            secret: TupleSecret::fixed(1),
            cookies: Cookies::new(SECRET),
        }
    }

    /// The SYN-ACK to a SYN.
    pub fn syn_ack<K: PacketKey>(&mut self, segment: &Segment<K>, now: Time) -> TxSegment {
        let cx = Context {
            now,
            config: &self.config,
            buffers: &mut self.buffers,
            counters: &self.counters,
            prf: None,
            timestamp_offset: TIMESTAMP_OFFSET,
            secret: &self.secret,
            endpoints: &segment.key,
            number: 0,
            timer: TimerOp::Keep,
            ended: None,
        };
        on_syn_with_cookie(&segment.key, &segment.info, WINDOW, &mut self.cookies, &cx)
    }

    /// The frame of the SYN-ACK, as the stack writes it over the frame of the SYN.
    pub fn reply<K: PacketKey>(&mut self, frame: &[u8], segment: &Segment<K>, now: Time) -> Vec<u8> {
        let syn_ack = self.syn_ack(segment, now);
        let mut reply = frame.to_vec();
        reply.resize(frame.len() + 64, 0);
        ethernet::swap_addresses(&mut reply);
        let len = write_segment(&mut reply, usize::from(segment.link_len), &segment.key, &syn_ack, &[]);
        reply.truncate(len.unwrap());
        reply
    }
}

/// SplitMix64: tests repeat.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len() as u64) as usize]
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
