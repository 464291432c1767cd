//! A stack's counts that no two are equal of, without a stack.

use std::time::Duration;

use handfast_load::{Failure, Totals};
use handfast_stack::engine::stack::{ActiveTier, Effective, EffectiveDevice, TierSnapshot};
use handfast_stack::engine::{
    CoreSnapshot, KernelSnapshot, Named, Polling, Priority, QueueSnapshot, Snapshot, SteeringSnapshot,
};
use handfast_stack::observe::{CLOSED, DROP_REASONS, STAGES};
use handfast_stack::xdp::{Mode, VERDICTS};

/// The largest count that a scrape has without loss.
pub const LARGEST: u64 = (1 << 53) - 1;
/// A name that has to be escaped; the kernel allows it.
pub const DEVICE: &str = r#"h"f\0"#;

pub fn active() -> Effective {
    let device = EffectiveDevice {
        name: DEVICE.to_owned(),
        driver: "veth".to_owned(),
        mode: Mode::Generic,
        zero_copy: false,
        zero_copy_queues: Vec::new(),
        queues: 1,
        frame_size: 2048,
        umem_bytes: 8 << 20,
        tx_budget: 32,
        hugepages: false,
        cookie_tier: ActiveTier::Ebpf,
    };
    Effective {
        devices: vec![device],
        cpus: vec![3, 1],
        polling: Polling::Busy,
        priority: Priority::Inherited,
        max_connections: 1024,
        table_bytes: 1 << 20,
        notes: Vec::new(),
    }
}

fn named(names: impl Iterator<Item = &'static str>, first: u64) -> Named {
    Named(names.map(Into::into).zip(first..).collect())
}

fn core(base: u64) -> CoreSnapshot {
    CoreSnapshot {
        frames_in: LARGEST,
        connections: base + 60,
        half_open: 20,
        time_wait: 30,
        idle_ns: 1_500_000_000,
        stages_ns: named(STAGES.iter().map(|stage| stage.name()), 1_000_000_000),
        closed: named(CLOSED.iter().map(|how| how.name()), base),
        drops: named(DROP_REASONS.iter().map(|reason| reason.name()), base + 1000),
        ..CoreSnapshot::default()
    }
}

pub fn snapshot() -> Snapshot {
    let queue = QueueSnapshot {
        device: DEVICE.to_owned(),
        received: 11,
        kernel: Some(KernelSnapshot { rx_ring_full: 12, ..KernelSnapshot::default() }),
        ..QueueSnapshot::default()
    };
    let verdicts = named(VERDICTS.iter().map(|verdict| verdict.name()), 500);
    Snapshot {
        cores: vec![core(0), core(100)],
        queues: vec![queue],
        cookie_tier: TierSnapshot { verifying: true, listeners: 2, begun: 5, ended: 3 },
        steering: vec![SteeringSnapshot { device: DEVICE.to_owned(), verdicts, unreadable: None }],
        ..Snapshot::default()
    }
}

pub fn page(snapshot: &Snapshot, bench: bool) -> String {
    let totals = Totals { attempted: 9, failed: [1; Failure::ALL.len()], ..Totals::default() };
    let uptime = Duration::from_millis(1500);
    let page = handfast_metrics::text(&active(), snapshot, bench.then_some(&totals), uptime);
    String::from_utf8(page).expect("UTF-8")
}
