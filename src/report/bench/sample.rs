//! Made-up runs, for tests.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;

use super::cpu::{CpuSample, Ticks};
use super::{Lag, Load, Loop, Measured, NetworkPath, Results, Run, Second, Traffic, Waited};
use handfast_stack::engine::stack::{ActiveTier, Effective, EffectiveDevice};
use handfast_stack::engine::{Polling, Priority};
use handfast_stack::xdp::Mode;

pub(crate) fn active() -> Effective {
    let device = EffectiveDevice {
        name: "hf-c".into(),
        driver: "veth".into(),
        mode: Mode::Generic,
        zero_copy: false,
        zero_copy_queues: vec![0],
        queues: 1,
        frame_size: 2048,
        umem_bytes: 8 << 20,
        tx_budget: 512,
        hugepages: false,
        cookie_tier: ActiveTier::None,
    };
    Effective {
        devices: vec![device],
        cpus: vec![0],
        polling: Polling::Adaptive,
        priority: Priority::Inherited,
        max_connections: 65_536,
        table_bytes: 8 << 20,
        notes: vec!["no hugepages <b>here</b>".into()],
    }
}

pub(crate) fn run() -> Run {
    Run {
        workload: "lifecycle".into(),
        options: BTreeMap::from([("closer".into(), "client".into()), ("msl".into(), "1 s".into())]),
        load: Load {
            concurrency: Some(512),
            warmup_s: 1.0,
            tuples: 36_280,
            tuples_per_second: Some(604.67),
            ..Load::default()
        },
        target: "198.18.255.1:80".into(),
        command: "handfast bench --dev hf-c \"198.18.255.1:80\" --workload lifecycle".into(),
        started_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_250),
        notes: Vec::new(),
    }
}

pub(crate) fn open_loop(asked: f64) -> Run {
    let load = Load {
        kind: Loop::Open,
        rate: Some(asked),
        arrivals: Some("poisson".into()),
        ramp_s: 2.0,
        ..Load::default()
    };
    Run { load, ..run() }
}

/// `per_second` completed in each of `seconds`, at a time that no other factor has.
pub(crate) fn measured(seconds: u64, per_second: u64) -> Measured {
    let completed = seconds * per_second;
    let histogram = |factor: u64| {
        let mut histogram = Histogram::new_with_bounds(1, 300_000_000, 3).expect("bounds are right");
        (0..completed.min(5000))
            .for_each(|n| histogram.saturating_record(factor * (100 + n % 97 * (n % 11))));
        histogram
    };
    Measured {
        duration_s: seconds as f64,
        opening_s: seconds as f64,
        series: (0..seconds)
            .map(|_| Second { completed: per_second, established: per_second, failed: 0, in_flight: 512 })
            .collect(),
        attempted: completed + 37,
        established: completed + 35,
        completed,
        in_flight: 30,
        failed: BTreeMap::from([("reset".into(), 5), ("connect-timeout".into(), 2)]),
        http_statuses: BTreeMap::new(),
        connect_us: histogram(1),
        completion_us: histogram(3),
        traffic: Traffic {
            packets_received: 3 * completed,
            packets_sent: 3 * completed + 11,
            retransmissions: 13,
            data_retransmissions: 5,
            drops: BTreeMap::from([("paws".into(), 17)]),
        },
        path: path(),
        lag: None,
        waited: Waited::default(),
        cpu: samples(seconds, 20),
        idle: None,
    }
}

/// The target is on the link, and the sources are routed.
pub(crate) fn path() -> NetworkPath {
    NetworkPath {
        local: Some("198.18.0.1".into()),
        router: None,
        on_link: Vec::new(),
        off_link: vec!["10.78.0.0/16".into()],
        sources: 65_536,
        mac_requests: 0,
        received: Some(1000),
    }
}

/// Two cores, `idle` of 100 ticks a second idle on the first.
pub(crate) fn samples(seconds: u64, idle: u64) -> Vec<CpuSample> {
    let at = |second: u64| {
        let busy = 100 - idle;
        let (user, softirq) = (busy * second / 5, busy * second / 2);
        let first = Ticks {
            user,
            softirq,
            system: busy * second - user - softirq,
            idle: idle * second,
            ..Ticks::default()
        };
        let second = Ticks { system: 7 * second, idle: 93 * second, ..Ticks::default() };
        CpuSample { cores: BTreeMap::from([(0, first), (1, second)]) }
    };
    (0..=seconds).map(at).collect()
}

pub(crate) fn lag(mean: f64) -> Option<Lag> {
    Some(Lag { mean, p50: mean as u64, max: 10 * mean as u64 })
}

pub(crate) fn results() -> Results {
    Results::new(&run(), &active(), &measured(8, 123_456))
}

/// With few different times.
pub(crate) fn small() -> Results {
    Results::new(&run(), &active(), &measured(4, 5))
}
