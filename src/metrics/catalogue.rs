//! The list of all metrics; names, units and suffixes follow Prometheus' conventions.

use handfast_stack::engine::stack::TierSnapshot;
use handfast_stack::engine::{CoreSnapshot, KernelSnapshot, Named, QueueSnapshot};
use handfast_stack::observe::{CORE_COUNTERS, CounterInfo, CounterKind};

/// The type of a metric in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows, from 0 at the program's start.
    Counter,
    Gauge,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: MetricKind,
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const CORE: &[&str] = &["core"];
const QUEUE: &[&str] = &["device", "queue", "core"];

/// A metric of one value per queue.
pub(super) type PerQueue = (Metric, fn(&QueueSnapshot) -> u64);
/// A metric of one value of the cookie tier.
pub(super) type OfTier = (Metric, fn(&TierSnapshot) -> u64);
/// A metric of one value per core and name.
pub(super) type PerName = (Metric, fn(&CoreSnapshot) -> &Named);

pub(super) const BUILD: Metric =
    gauge("handfast_build_info", &["version"], "Always 1; the program's version is a label.");
pub(super) const UPTIME: Metric = gauge("handfast_uptime_seconds", &[], "Time since the cores were started.");
pub(super) const CORES: Metric =
    gauge("handfast_core_info", &["core", "cpu"], "Always 1; which processor each core's loop is pinned to.");
pub(super) const DEVICES: Metric = gauge(
    "handfast_device_info",
    &["device", "driver", "mode", "copy", "cookies"],
    "Always 1; how each interface is used: XDP mode (generic or native), copy or zero-copy, and who answers \
     SYNs by cookie at the start (ebpf, engine or none).",
);
pub(super) const LIMIT: Metric = gauge(
    "handfast_connections_limit",
    &[],
    "Connection slots of each address family, all cores together (--max-connections).",
);

/// The counts of a core that are metrics, by their index in [`CORE_COUNTERS`].
pub(super) fn per_core() -> impl Iterator<Item = (usize, Metric)> {
    let metric = |count: &CounterInfo| match count.kind {
        CounterKind::Counter => Some(counter(count.metric, CORE, count.help)),
        CounterKind::Gauge => Some(gauge(count.metric, CORE, count.help)),
        CounterKind::Part => None,
    };
    CORE_COUNTERS.iter().enumerate().filter_map(move |(index, count)| Some((index, metric(count)?)))
}

pub(super) const BUFFERS_SHORT: Metric =
    gauge("handfast_send_buffers_short", CORE, "1 while send buffers are short, else 0.");

pub(super) const IDLE: Metric = counter(
    "handfast_idle_seconds_total",
    CORE,
    "Time in which the core's loop had no work and no other thread used the core.",
);
pub(super) const SHORTAGE: Metric = counter(
    "handfast_send_buffer_shortage_seconds_total",
    CORE,
    "Time in which send buffers were short: connections without progress were evicted (stall_evicted).",
);
pub(super) const STAGE: Metric = counter(
    "handfast_stage_seconds_total",
    &["core", "stage"],
    "Time by stage of the loop, of iterations that had work; only if accounting is on.",
);
pub(super) const CONNECTIONS: Metric = gauge(
    "handfast_connections",
    &["core", "state"],
    "Connections that have a slot now: half_open is SYN-RECEIVED, time_wait is TIME-WAIT, open is every \
     other state, from SYN-SENT and ESTABLISHED to LAST-ACK.",
);

pub(super) const PER_NAME: &[PerName] = &[
    (
        counter(
            "handfast_connections_closed_total",
            &["core", "how"],
            "Connections closed, by cause; one that goes through TIME-WAIT counts when it enters it, and at its \
             end again as time_wait_ended, time_wait_reused, time_wait_evicted or time_wait_reset.",
        ),
        |core| &core.closed,
    ),
    (
        counter("handfast_drops_total", &["core", "reason"], "Frames not processed further, by reason."),
        |core| &core.drops,
    ),
];

pub(super) const PER_QUEUE: &[PerQueue] = &[
    (counter("handfast_queue_frames_received_total", QUEUE, "Frames received by the queue's socket."), |q| {
        q.received
    }),
    (counter("handfast_queue_frames_sent_total", QUEUE, "Frames put into the queue's transmit ring."), |q| {
        q.transmitted
    }),
    (counter("handfast_queue_wakeups_total", QUEUE, "System calls made to send."), |q| q.wakeups),
    (
        counter(
            "handfast_queue_wakeup_stalls_total",
            QUEUE,
            "Wake-ups that sent nothing (EAGAIN, EBUSY, ENOBUFS) and are retried.",
        ),
        |q| q.wakeup_stalls,
    ),
    (
        counter(
            "handfast_queue_transmit_ring_full_total",
            QUEUE,
            "Batches with frames left for the next one because the transmit ring was full.",
        ),
        |q| q.tx_ring_full,
    ),
    (counter("handfast_queue_link_down_total", QUEUE, "Wake-ups while the interface was down."), |q| {
        q.link_down
    }),
    (
        counter(
            "handfast_queue_bad_descriptors_total",
            QUEUE,
            "Invalid descriptors received from the kernel: must stay 0.",
        ),
        |q| q.bad_descriptors,
    ),
    (
        counter(
            "handfast_queue_split_total",
            QUEUE,
            "Descriptors of packets that the driver split over several frames: dropped, not reassembled.",
        ),
        |q| q.split,
    ),
];

pub(super) const KERNEL: Metric = counter(
    "handfast_queue_kernel_events_total",
    &["device", "queue", "core", "event"],
    "The kernel's counters for the queue's socket (XDP_STATISTICS).",
);
type KernelEvent = (&'static str, &'static str, fn(&KernelSnapshot) -> u64);
/// Each event, with its meaning.
pub(super) const EVENTS: &[KernelEvent] = &[
    (
        "rx_dropped",
        "Frames dropped for other reasons, such as no room in the fill ring or a frame too long.",
        |k| k.rx_dropped,
    ),
    ("rx_ring_full", "Frames dropped because the receive ring was full: the core was too slow.", |k| {
        k.rx_ring_full
    }),
    ("rx_fill_ring_empty", "Number of times the kernel had no frame to receive into.", |k| {
        k.rx_fill_ring_empty
    }),
    ("rx_invalid_descs", "Descriptors of the fill ring that the kernel rejected: must stay 0.", |k| {
        k.rx_invalid_descs
    }),
    ("tx_invalid_descs", "Descriptors of the transmit ring that the kernel rejected: must stay 0.", |k| {
        k.tx_invalid_descs
    }),
];

pub(super) const STEERING: Metric = counter(
    "handfast_steering_frames_total",
    &["device", "verdict"],
    "Frames by the steering program's verdict: to a socket, on to the kernel (pass), answered by the program \
     (tx), or dropped.",
);

/// The eBPF program's part in SYN cookies. Its answers are among [`STEERING`].
pub(super) const OF_TIER: &[OfTier] = &[
    (
        gauge(
            "handfast_cookie_tier_listeners",
            &[],
            "Listeners whose SYNs the eBPF program answers by cookie, on each interface where it can.",
        ),
        |tier| tier.listeners,
    ),
    (
        gauge(
            "handfast_cookie_tier_verifying",
            &[],
            "1 while the eBPF program verifies the cookies of ACKs without a connection, else 0.",
        ),
        |tier| u64::from(tier.verifying),
    ),
    (
        counter(
            "handfast_cookie_tier_begun_total",
            &[],
            "Number of times the eBPF program began to answer the SYNs of a listener.",
        ),
        |tier| tier.begun,
    ),
    (
        counter(
            "handfast_cookie_tier_ended_total",
            &[],
            "Number of times the eBPF program ceased to answer the SYNs of a listener.",
        ),
        |tier| tier.ended,
    ),
];

pub(super) const ATTEMPTED: Metric = counter(
    "handfast_bench_attempted_total",
    &[],
    "Connections opened, or due and not opened in time, measured or not, over all steps.",
);
pub(super) const ESTABLISHED: Metric = counter(
    "handfast_bench_established_total",
    &[],
    "Connections of the benchmark that reached ESTABLISHED.",
);
pub(super) const COMPLETED: Metric =
    counter("handfast_bench_completed_total", &[], "Connections that completed their workload.");
pub(super) const FAILED: Metric =
    counter("handfast_bench_failed_total", &["reason"], "Connections that failed, by reason.");
pub(super) const IN_FLIGHT: Metric =
    gauge("handfast_bench_in_flight", &[], "Connections of the benchmark in flight now.");

/// Metrics of every program.
const GENERAL: [Metric; 5] = [BUILD, UPTIME, CORES, DEVICES, LIMIT];
const OF_CORES: [Metric; 5] = [BUFFERS_SHORT, IDLE, SHORTAGE, STAGE, CONNECTIONS];
const OF_DEVICES: [Metric; 2] = [KERNEL, STEERING];
/// Metrics of `handfast bench`.
const OF_BENCH: [Metric; 5] = [ATTEMPTED, ESTABLISHED, COMPLETED, FAILED, IN_FLIGHT];

/// Every metric, in the order of a scrape.
pub fn all() -> Vec<Metric> {
    groups().into_iter().flat_map(|(_, metrics)| metrics).collect()
}

/// All metrics, by title in the documentation.
pub(super) fn groups() -> [(&'static str, Vec<Metric>); 5] {
    let cores = per_core().map(|(_, metric)| metric).chain(OF_CORES);
    let queues = PER_QUEUE.iter().map(|(metric, _)| *metric).chain(OF_DEVICES);
    [
        ("The program", GENERAL.to_vec()),
        ("Cores", cores.chain(PER_NAME.iter().map(|(metric, _)| *metric)).collect()),
        ("Queues and interfaces", queues.collect()),
        ("SYN cookies in the eBPF program", OF_TIER.iter().map(|(metric, _)| *metric).collect()),
        ("handfast bench", OF_BENCH.to_vec()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// <https://prometheus.io/docs/practices/naming/>
    #[test]
    fn names_follow_the_conventions() {
        let names: BTreeSet<_> = all().iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), all().len(), "a name is given twice");
        for Metric { name, kind, labels, help } in all() {
            assert!(name.starts_with("handfast_"), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(name.ends_with("_total"), kind == MetricKind::Counter, "{name}");
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}: {help}");
        }
    }
}
