//! A program that does not exist, at any second of its life.

use std::collections::BTreeMap;

use handfast_control::{BenchStatus, ControlStatus, LatencyStatus, Status};
use handfast_report::{ActiveReport, DeviceReport};
use handfast_stack::engine::stack::TierSnapshot;
use handfast_stack::engine::{
    CoreSnapshot, KernelSnapshot, Named, QueueSnapshot, Snapshot, SteeringSnapshot,
};
use handfast_top::Model;

/// Connections a second and core, at its steadiest.
const RATE: u64 = 15_000;

/// Counts of a core after some seconds: they rise, and rest every eighth second.
pub fn core(seconds: u64) -> CoreSnapshot {
    let done: u64 =
        (0..seconds).map(|second| if second % 8 == 7 { RATE / 3 } else { RATE + 200 * second }).sum();
    CoreSnapshot {
        frames_in: 5 * done,
        frames_out: 4 * done,
        batches: done / 5,
        syns: done + 40 * seconds,
        syn_acks: done,
        established: done,
        opens: done,
        connections: 500,
        half_open: 20,
        time_wait: 80,
        idle_ns: seconds * 380_000_000,
        closed: named(&[
            ("passive", 0),
            ("active", done - 3 * seconds),
            ("reset_by_peer", 3 * seconds),
            ("time_wait_ended", done / 2),
        ]),
        drops: named(&[
            ("not_for_us", 4),
            ("source_address", 0),
            ("tcp_partial_checksum", 1_000 * seconds),
            ("listen_rst", 40 * seconds),
            ("paws", 3),
        ]),
        ..CoreSnapshot::default()
    }
}

pub fn named(counts: &[(&'static str, u64)]) -> Named {
    Named(counts.iter().map(|(name, count)| ((*name).into(), *count)).collect())
}

fn queue(number: u32, core: &CoreSnapshot) -> QueueSnapshot {
    QueueSnapshot {
        device: "enp3s0f0".into(),
        queue: number,
        core: number as usize,
        received: core.frames_in,
        transmitted: core.frames_out,
        wakeups: core.frames_out / 16,
        tx_ring_full: 2,
        kernel: Some(KernelSnapshot { rx_ring_full: u64::from(number) * 1_234, ..KernelSnapshot::default() }),
        ..QueueSnapshot::default()
    }
}

fn steering(frames: u64) -> SteeringSnapshot {
    let verdicts = [
        ("pass_other", 0),
        ("pass_not_owned", 312),
        ("pass_protocol", 0),
        ("socket_tcp", frames - 20),
        ("socket_arp", 20),
        ("drop_truncated", 1),
    ];
    SteeringSnapshot { device: "enp3s0f0".into(), verdicts: named(&verdicts), unreadable: None }
}

/// A responder with these cores after some seconds.
pub fn responder(cores: u32, seconds: u64) -> Status {
    let each: Vec<CoreSnapshot> = (0..cores).map(|_| core(seconds)).collect();
    let queues = each.iter().zip(0..).map(|(core, number)| queue(number, core)).collect();
    let frames: u64 = each.iter().map(|core| core.frames_in).sum();
    let detail =
        Snapshot { cores: each, queues, steering: vec![steering(frames + 21)], ..Snapshot::default() };
    let device = DeviceReport {
        name: "enp3s0f0".into(),
        driver: "ice".into(),
        mode: "native".into(),
        zero_copy: true,
        zero_copy_queues: (0..cores).collect(),
        queues: cores,
        tx_budget: 512,
        frame_size: 4096,
        umem_bytes: 16 << 20,
        cookie_tier: None,
        cookie_tier_reason: None,
    };
    Status {
        schema: "handfast-status/1".into(),
        program: "respond".into(),
        handfast: "0.1.0".into(),
        pid: 4711,
        user: "root".into(),
        started_at: "2023-11-14T22:13:20.000Z".into(),
        uptime_s: seconds as f64,
        active: ActiveReport {
            devices: vec![device],
            cpus: (0..cores as usize).collect(),
            polling: "busy".into(),
            priority: "inherited".into(),
            max_connections: 1_000_000,
            table_bytes: 1 << 27,
            notes: Vec::new(),
        },
        listeners: vec!["198.18.1.0/24:80=http".into(), "[2001:db8:18::1:0]/112:7=echo".into()],
        total: detail.total(),
        detail,
        states: None,
        bench: None,
        control: ControlStatus::default(),
    }
}

/// A responder under a flood of SYNs, which the eBPF program answers for one of its listeners.
pub fn flooded(seconds: u64) -> Status {
    let mut status = responder(2, seconds);
    let answered = 512_000 * seconds;
    for (name, count) in [("tx_syn_ack", answered), ("socket_proven", 40 * seconds), ("drop_syn_limit", 7)] {
        status.detail.steering[0].verdicts.0.push((name.into(), count));
    }
    status.detail.cookie_tier = TierSnapshot { verifying: true, listeners: 1, begun: 2, ended: 1 };
    status.detail.cores.iter_mut().for_each(|core| core.syn_acks_cookie = 60 * seconds);
    status.active.devices[0].cookie_tier = Some("ebpf".into());
    status.total = status.detail.total();
    status
}

/// A benchmark with one core after some seconds.
pub fn bench(seconds: u64) -> Status {
    let status = responder(1, seconds);
    let latency = |p50| LatencyStatus { count: 120_000, p50, p99: 4 * p50, p999: 9 * p50, max: 1_003_000 };
    let bench = BenchStatus {
        workload: "lifecycle".into(),
        target: "198.18.1.1:80".into(),
        stage: "measured".into(),
        attempted: status.total.opens + 64,
        established: status.total.established,
        completed: status.total.established,
        failed: 3 * seconds,
        in_flight: 64,
        connect_us: Some(latency(212)),
        completion_us: (seconds > 3).then(|| latency(431)),
    };
    Status { program: "bench".into(), listeners: Vec::new(), bench: Some(bench), ..status }
}

pub fn states() -> BTreeMap<String, u64> {
    let states = [("SYN-RECEIVED", 40), ("ESTABLISHED", 800), ("LAST-ACK", 12), ("TIME-WAIT", 160)];
    states.map(|(name, count)| (name.to_owned(), count)).into()
}

/// The view after some seconds, with one status a second.
pub fn watched(seconds: u64, status: impl Fn(u64) -> Status) -> Model {
    let mut model = Model::new(status(1));
    model.count(states());
    (2..=seconds).for_each(|second| model.take(status(second)));
    model
}
