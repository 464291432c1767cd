//! The input of a report: the setting of a run and its counts.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hdrhistogram::Histogram;
use serde_json::Value;

use super::NetworkPath;
use super::cpu::CpuSample;
use super::figures::{Lag, Load, Second, Waited};
use handfast_stack::engine::{CoreSnapshot, KernelSnapshot, QueueSnapshot, Snapshot};

/// The setting of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The name: `lifecycle`, `handshake`, …
    pub workload: String,
    /// Other settings by name: the closer, the MSL, the seed, the sources, …
    pub options: BTreeMap<String, Value>,
    pub load: Load,
    /// Address and port.
    pub target: String,
    /// The command line.
    pub command: String,
    /// When the measured time began.
    pub started_at: SystemTime,
    /// Notes for the reader, one sentence each.
    pub notes: Vec<String>,
}

/// The counts of the measured time: after warm-up and ramp-up, before ramp-down and drain.
#[derive(Clone, Debug)]
pub struct Measured {
    pub duration_s: f64,
    /// The part in which connections were opened; for held ones, until the last was established.
    pub opening_s: f64,
    /// One entry for each whole second of `duration_s`; the rest is left out of the rates.
    pub series: Vec<Second>,
    pub attempted: u64,
    /// Attempted connections whose handshake completed.
    pub established: u64,
    /// Attempted connections that completed the workload.
    pub completed: u64,
    /// Attempted connections that had neither completed nor failed when the run ended.
    pub in_flight: u64,
    /// Attempted connections that failed, by reason.
    pub failed: BTreeMap<String, u64>,
    /// Those that failed by a wrong HTTP status, by status.
    pub http_statuses: BTreeMap<String, u64>,
    /// Microseconds from the intended start to ESTABLISHED.
    pub connect_us: Histogram<u64>,
    /// Microseconds from the intended start to the end.
    pub completion_us: Histogram<u64>,
    pub traffic: Traffic,
    /// With the packets received over it in the whole run.
    pub path: NetworkPath,
    /// The lag of an open loop.
    pub lag: Option<Lag>,
    pub waited: Waited,
    /// At the start, each second, and at the end.
    pub cpu: Vec<CpuSample>,
    /// Idle share of the client's loops, without time that other threads used the core: the minimum of the
    /// cores. `None` if it was not measured.
    pub idle: Option<f64>,
}

/// Packets and drops in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub packets_received: u64,
    pub packets_sent: u64,
    /// Segments retransmitted: SYN, data, FIN.
    pub retransmissions: u64,
    /// Of these: data and FIN.
    pub data_retransmissions: u64,
    /// By name, without zeros.
    pub drops: BTreeMap<String, u64>,
}

impl Traffic {
    /// The traffic between two snapshots.
    pub fn between(before: &Snapshot, after: &Snapshot) -> Traffic {
        let (was, is) = (before.total(), after.total());
        let mut drops = BTreeMap::new();
        let mut add = |name: &str, count: u64| {
            if count > 0 {
                *drops.entry(name.to_owned()).or_default() += count;
            }
        };
        for (name, count) in is.drops.seen() {
            add(name, count.saturating_sub(was.drops.named(name)));
        }
        let (was_dropped, is_dropped) = (queue_drops(before), queue_drops(after));
        for ((name, count), (_, earlier)) in is_dropped.into_iter().zip(was_dropped) {
            add(name, count.saturating_sub(earlier));
        }
        add("frames_lost", is.frames_lost.saturating_sub(was.frames_lost));
        Traffic {
            packets_received: is.frames_in.saturating_sub(was.frames_in),
            packets_sent: is.frames_out.saturating_sub(was.frames_out),
            retransmissions: resent(&is).saturating_sub(resent(&was)),
            data_retransmissions: is.retransmissions.saturating_sub(was.retransmissions),
            drops,
        }
    }
}

/// The drops of queues by name, since they were opened.
fn queue_drops(of: &Snapshot) -> [(&'static str, u64); 8] {
    let sum = |count: fn(&QueueSnapshot) -> u64| of.queues.iter().map(count).sum();
    let kernel = |count: fn(&KernelSnapshot) -> u64| {
        of.queues.iter().filter_map(|queue| queue.kernel.as_ref()).map(count).sum()
    };
    [
        ("tx_ring_full", sum(|queue| queue.tx_ring_full)),
        ("bad_descriptors", sum(|queue| queue.bad_descriptors)),
        ("split", sum(|queue| queue.split)),
        ("link_down", sum(|queue| queue.link_down)),
        ("kernel_rx_dropped", kernel(KernelSnapshot::dropped_otherwise)),
        ("kernel_rx_ring_full", kernel(|is| is.rx_ring_full)),
        ("kernel_fill_ring_empty", kernel(KernelSnapshot::lost_for_no_frame)),
        ("kernel_tx_invalid", kernel(|is| is.tx_invalid_descs)),
    ]
}

/// Retransmitted SYNs, SYN-ACKs, data and FINs.
fn resent(of: &CoreSnapshot) -> u64 {
    of.syn_retransmissions + of.syn_ack_retransmissions + of.retransmissions
}

/// [`Measured::idle`] between two snapshots: the minimum of the cores.
pub fn idle(before: &Snapshot, after: &Snapshot, duration_s: f64) -> Option<f64> {
    let shares = before.cores.iter().zip(&after.cores).map(|(was, is)| {
        let seconds = is.idle_ns.saturating_sub(was.idle_ns) as f64 / 1e9;
        seconds / duration_s
    });
    shares.filter(|share| share.is_finite()).min_by(f64::total_cmp).map(|share| share.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use handfast_stack::engine::Named;

    fn snapshot(frames: u64, paws: u64) -> Snapshot {
        let core = CoreSnapshot {
            frames_in: frames,
            frames_out: 2 * frames,
            retransmissions: paws,
            drops: Named(vec![("paws".into(), paws), ("no_frame".into(), 4)]),
            ..CoreSnapshot::default()
        };
        Snapshot { cores: vec![core.clone(), core], ..Snapshot::default() }
    }

    /// With a queue whose rings were full and empty this often. A frame dropped for an empty fill ring counts
    /// twice.
    fn with_queue(snapshot: Snapshot, rx_ring_full: u64, rx_fill_ring_empty: u64) -> Snapshot {
        let rx_dropped = rx_fill_ring_empty;
        let kernel =
            KernelSnapshot { rx_ring_full, rx_fill_ring_empty, rx_dropped, ..KernelSnapshot::default() };
        let queue = QueueSnapshot { kernel: Some(kernel), ..QueueSnapshot::default() };
        Snapshot { queues: vec![queue], ..snapshot }
    }

    #[test]
    fn traffic_is_the_difference_and_names_only_what_happened() {
        let (before, after) = (with_queue(snapshot(10, 2), 2, 1), with_queue(snapshot(110, 5), 6, 9));
        let traffic = Traffic::between(&before, &after);
        assert_eq!((traffic.packets_received, traffic.packets_sent), (200, 400));
        assert_eq!((traffic.retransmissions, traffic.data_retransmissions), (6, 6));
        let drops: Vec<_> = traffic.drops.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(drops, [("kernel_fill_ring_empty", 8), ("kernel_rx_ring_full", 4), ("paws", 6)]);
    }

    #[test]
    fn the_idle_share_is_that_of_the_busiest_core() {
        let at = |times: &[u64]| {
            let cores = times.iter().map(|&idle_ns| CoreSnapshot { idle_ns, ..CoreSnapshot::default() });
            Snapshot { cores: cores.collect(), ..Snapshot::default() }
        };
        let (before, after) = (at(&[1_000_000_000, 0]), at(&[2_000_000_000, 3_000_000_000]));
        assert_eq!(idle(&before, &after, 4.0), Some(0.25));
        assert_eq!(idle(&before, &after, 0.5), Some(1.0));
        assert_eq!(idle(&at(&[]), &at(&[]), 4.0), None);
        assert_eq!(idle(&before, &before, 0.0), None);
    }
}
