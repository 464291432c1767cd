//! The setting of a case: configuration, listeners, peers. All from one seed.

use handfast_stack::engine::simulation::{Service as Owned, Setup};
use handfast_stack::engine::{CoreConfig, FaultInjection};
use handfast_stack::service::{SERVICES, Service};
use handfast_stack::tcp::{Config, CookieMode, IdleLimits, Time, WhenFull};
use handfast_stack::wire::{EndpointRange, ParseConfig};

use super::random::Random;
use super::service::{Kind, Log, maker};
use crate::client::SERVER_MAC;

/// Ports that may have a listener. The first two share a place in the cache of listeners, and so does
/// [`CLOSED_PORT`].
pub const PORTS: [u16; 3] = [80, 88, 81];
pub const CLOSED_PORT: u16 = 96;

/// A port of both families and its service.
pub type Rule = (u16, Kind);

#[derive(Clone, Debug)]
pub struct Setting {
    pub seed: u64,
    pub config: Config,
    pub bounds: CoreConfig,
    pub policy: ParseConfig,
    pub fault: FaultInjection,
    pub capacity: u32,
    pub cores: usize,
    pub frames: u32,
    pub start_ms: u64,
    pub rules: Vec<Rule>,
    pub peers: usize,
    /// Of a hundred peers, those over IPv6.
    pub ipv6: u64,
}

impl Setting {
    pub fn new(seed: u64) -> Setting {
        let random = &mut Random::new(seed);
        let subnets = ["192.0.2.0/24", "192.0.2.8/29", "198.51.100.0/30"];
        let policy = ParseConfig {
            mac: random.percent(80).then_some(SERVER_MAC),
            subnets: subnets[..random.below(4)].iter().map(|subnet| subnet.parse().unwrap()).collect(),
            accept_partial_checksum: random.percent(25),
        };
        let fault = match random.below(24) {
            0 => FaultInjection { drop: 0.3, reset: 0.2, delay_ms: 0 },
            1 => FaultInjection { drop: 0.1, reset: 0.0, delay_ms: 30 },
            _ => FaultInjection::default(),
        };
        let rules = PORTS[..1 + random.below(3)].iter().map(|port| (*port, kind(random))).collect();
        Setting {
            seed: random.next(),
            config: config(random),
            bounds: CoreConfig {
                half_open_bound: random.pick(&[1, 2, 3, 100, 100]),
                time_wait_budget: random.pick(&[1, 2, 100]),
                send_buffers: random.pick(&[0, 1, 2, 64]),
                rst_rate: random.pick(&[1, 10_000, 10_000, 10_000]),
                no_arp: random.percent(10),
                ..CoreConfig::default()
            },
            policy,
            fault,
            capacity: random.pick(&[1, 2, 4, 16, 16, 16, 16, 16]),
            cores: if random.percent(15) { 2 } else { 1 },
            // Hardly more than a batch, or plenty.
            frames: random.pick(&[66, 80, 256]),
            start_ms: random.pick(&[1_000_000, (1 << 32) - 5000, (1 << 31) - 3000]),
            rules,
            peers: 2 + random.below(7),
            ipv6: random.pick(&[0, 0, 50, 100]),
        }
    }

    pub fn setup(&self, fast_path: bool) -> Setup {
        Setup {
            config: self.config.clone(),
            bounds: CoreConfig { fast_path, ..self.bounds.clone() },
            policy: self.policy.clone(),
            fault: self.fault,
            capacity: self.capacity,
            cores: self.cores,
            frames: self.frames,
            seed: self.seed,
            start: Time::from_millis(self.start_ms),
            ..Setup::default()
        }
    }

    pub fn services(&self, log: &Log) -> Vec<Owned> {
        let owned = |rule: &Rule| ends(rule.0).map(|end| (end, maker(rule.1, log)));
        self.rules.iter().flat_map(owned).collect()
    }
}

/// The ends that a rule owns.
pub fn ends(port: u16) -> [EndpointRange; 2] {
    [format!("192.0.2.1:{port}"), format!("[2001:db8::1]:{port}")].map(|end| end.parse().unwrap())
}

pub fn kind(random: &mut Random) -> Kind {
    const LIMITS: IdleLimits = IdleLimits { keepalive_ms: 3000, timeout_ms: 20_000 };
    match random.below(10) {
        0..3 => Kind::Of(Service::Discard),
        3..6 => Kind::Of(random.pick(&SERVICES)),
        6..9 => Kind::Moody(random.pick(&[u16::MAX, u16::MAX, 3000, 1000, 1, 0])),
        _ => Kind::Limited(random.pick(&SERVICES), LIMITS),
    }
}

const COOKIES: [CookieMode; 6] = [
    CookieMode::Never,
    CookieMode::Never,
    CookieMode::Auto,
    CookieMode::Auto,
    CookieMode::Auto,
    CookieMode::Always,
];

fn config(random: &mut Random) -> Config {
    let idle = match random.below(4) {
        0 => IdleLimits { keepalive_ms: 1000, timeout_ms: 0 },
        1 => IdleLimits { keepalive_ms: 0, timeout_ms: 5000 },
        2 => IdleLimits { keepalive_ms: 2000, timeout_ms: 30_000 },
        _ => IdleLimits::default(),
    };
    Config {
        mss4: random.pick(&[1460, 1460, 536, 20]),
        mss6: random.pick(&[1440, 1440, 1220, 20]),
        cookies: random.pick(&COOKIES),
        when_full: random.pick(&[WhenFull::Reset, WhenFull::Drop]),
        strict_timestamps: random.percent(25),
        keepalive_interval_ms: random.pick(&[500, 10_000]),
        msl_ms: random.pick(&[30_000, 100]),
        syn_ack_retries: random.pick(&[2, 0]),
        retries: random.pick(&[7, 1]),
        persist_timeout_ms: random.pick(&[0, 3000]),
        idle,
        ..Config::default()
    }
}
