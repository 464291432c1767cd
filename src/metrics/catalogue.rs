//! The list of all metrics; names, units and suffixes follow Prometheus' conventions.

use handfast_stack::engine::{CoreSnapshot, KernelSnapshot, Named, QueueSnapshot};

/// The type of a metric in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the program's start.
    Counter,
    Gauge,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

const CORE: &[&str] = &["core"];
const QUEUE: &[&str] = &["device", "queue", "core"];

/// A metric of one value per core.
pub(super) type PerCore = (Metric, fn(&CoreSnapshot) -> u64);
/// A metric of one value per queue.
pub(super) type PerQueue = (Metric, fn(&QueueSnapshot) -> u64);
/// A metric of one value per core and name.
pub(super) type PerName = (Metric, fn(&CoreSnapshot) -> &Named);

pub(super) const BUILD: Metric =
    gauge("handfast_build_info", &["version"], "Always 1; the program's version is a label.");
pub(super) const UPTIME: Metric = gauge("handfast_uptime_seconds", &[], "Time since the cores were started.");
pub(super) const CORES: Metric =
    gauge("handfast_core_info", &["core", "cpu"], "Always 1; which processor each core's loop is pinned to.");
pub(super) const DEVICES: Metric = gauge(
    "handfast_device_info",
    &["device", "driver", "mode", "copy"],
    "Always 1; how each interface is used: XDP mode (generic or native), and copy or zero-copy.",
);
pub(super) const LIMIT: Metric = gauge(
    "handfast_connections_limit",
    &[],
    "Connection slots of each address family, all cores together (--max-connections).",
);

pub(super) const PER_CORE: &[PerCore] = &[
    (counter("handfast_frames_received_total", CORE, "Frames taken from the receive rings."), |c| {
        c.frames_in
    }),
    (counter("handfast_frames_sent_total", CORE, "Frames given to the queues to send."), |c| c.frames_out),
    (counter("handfast_batches_total", CORE, "Iterations of the loop that had work."), |c| c.batches),
    (counter("handfast_syns_received_total", CORE, "SYNs for a listener."), |c| c.syns),
    (counter("handfast_syn_acks_sent_total", CORE, "First SYN-ACKs of connections that have a slot."), |c| {
        c.syn_acks
    }),
    (
        counter(
            "handfast_syn_ack_cookies_sent_total",
            CORE,
            "SYN-ACKs with a cookie, for which no state is kept.",
        ),
        |c| c.syn_acks_cookie,
    ),
    (counter("handfast_syn_ack_retransmissions_total", CORE, "SYN-ACKs retransmitted."), |c| {
        c.syn_ack_retransmissions
    }),
    (counter("handfast_opens_total", CORE, "Connections opened by this side: first SYNs."), |c| c.opens),
    (counter("handfast_syn_retransmissions_total", CORE, "SYNs retransmitted."), |c| c.syn_retransmissions),
    (
        counter(
            "handfast_connections_established_total",
            CORE,
            "Connections that reached ESTABLISHED, from either side.",
        ),
        |c| c.established,
    ),
    (
        counter(
            "handfast_connections_established_by_cookie_total",
            CORE,
            "Established connections that were created by the ACK of a cookie.",
        ),
        |c| c.established_by_cookie,
    ),
    (counter("handfast_retransmissions_total", CORE, "Segments with data or FIN retransmitted."), |c| {
        c.retransmissions
    }),
    (
        counter("handfast_keepalives_sent_total", CORE, "Keep-alives sent to idle peers (RFC 9293 3.8.4)."),
        |c| c.keepalives,
    ),
    (
        counter("handfast_window_probes_sent_total", CORE, "Probes of closed windows (RFC 9293 3.8.6.1)."),
        |c| c.window_probes,
    ),
    (gauge("handfast_send_buffers", CORE, "Send buffers in use."), |c| c.send_buffers),
    (gauge("handfast_send_buffers_limit", CORE, "Total number of send buffers (--send-buffers)."), |c| {
        c.send_buffers_limit
    }),
    (gauge("handfast_send_buffers_short", CORE, "1 while send buffers are short, else 0."), |c| {
        u64::from(c.send_buffers_short_ms > 0)
    }),
    (
        counter("handfast_send_buffer_shortages_total", CORE, "Number of times send buffers became short."),
        |c| c.send_buffer_shortages,
    ),
    (counter("handfast_challenge_acks_sent_total", CORE, "Challenge ACKs (RFC 5961)."), |c| c.challenge_acks),
    (
        counter(
            "handfast_timestamps_missing_total",
            CORE,
            "Segments accepted without the negotiated timestamps.",
        ),
        |c| c.timestamps_missing,
    ),
    (counter("handfast_resets_sent_total", CORE, "RST segments sent."), |c| c.resets_sent),
    (
        counter(
            "handfast_arp_replies_sent_total",
            CORE,
            "ARP replies for addresses that only handfast uses.",
        ),
        |c| c.arp_replies,
    ),
    (
        counter(
            "handfast_neighbour_advertisements_sent_total",
            CORE,
            "Neighbour advertisements for addresses that only handfast uses.",
        ),
        |c| c.neighbour_adverts,
    ),
    (counter("handfast_echo_replies_sent_total", CORE, "Echo replies (ping)."), |c| c.echo_replies),
    (
        counter(
            "handfast_stop_notices_sent_total",
            CORE,
            "Connections that were ended with a RST or FIN when the program stopped.",
        ),
        |c| c.stop_notices,
    ),
    (
        counter(
            "handfast_connections_left_open_total",
            CORE,
            "Connections that were left open, without a RST or FIN, when the program stopped.",
        ),
        |c| c.left_open,
    ),
    (
        counter(
            "handfast_icmp_unreachables_sent_total",
            CORE,
            "ICMP errors sent for packets of a protocol that this address does not support.",
        ),
        |c| c.icmp_unreachables_sent,
    ),
    (
        counter(
            "handfast_announcements_sent_total",
            CORE,
            "Gratuitous ARP and unsolicited neighbour advertisements.",
        ),
        |c| c.announcements,
    ),
    (
        counter(
            "handfast_icmp_errors_received_total",
            CORE,
            "ICMP errors for our segments that were not acknowledged yet.",
        ),
        |c| c.icmp_errors,
    ),
    (
        counter(
            "handfast_segments_forwarded_out_total",
            CORE,
            "Segments forwarded to the core that owns their connection.",
        ),
        |c| c.forwarded_out,
    ),
    (
        counter(
            "handfast_segments_forwarded_in_total",
            CORE,
            "Segments forwarded by other cores to this one.",
        ),
        |c| c.forwarded_in,
    ),
    (
        counter(
            "handfast_frames_relayed_out_total",
            CORE,
            "Frames relayed to a core with a queue of their interface, to be sent there.",
        ),
        |c| c.relayed_out,
    ),
    (
        counter(
            "handfast_frames_relayed_in_total",
            CORE,
            "Frames relayed by other cores to this one and sent on its queues.",
        ),
        |c| c.relayed_in,
    ),
    (
        counter(
            "handfast_frames_lost_total",
            CORE,
            "Frames without an owner: must stay 0, any other value is a bug.",
        ),
        |c| c.frames_lost,
    ),
];

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
type Event = (&'static str, &'static str, fn(&KernelSnapshot) -> u64);
/// Each event, with its meaning.
pub(super) const EVENTS: &[Event] = &[
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
    "Frames by the steering program's verdict: to a socket, on to the kernel (pass), or dropped.",
);

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
const OF_CORES: [Metric; 4] = [IDLE, SHORTAGE, STAGE, CONNECTIONS];
const OF_DEVICES: [Metric; 2] = [KERNEL, STEERING];
/// Metrics of `handfast bench`.
const OF_BENCH: [Metric; 5] = [ATTEMPTED, ESTABLISHED, COMPLETED, FAILED, IN_FLIGHT];

/// Every metric, in the order of a scrape.
pub fn all() -> Vec<Metric> {
    groups().into_iter().flat_map(|(_, metrics)| metrics).collect()
}

/// All metrics, by title in the documentation.
pub(super) fn groups() -> [(&'static str, Vec<Metric>); 4] {
    let cores = PER_CORE.iter().map(|(metric, _)| *metric).chain(OF_CORES);
    let queues = PER_QUEUE.iter().map(|(metric, _)| *metric).chain(OF_DEVICES);
    [
        ("The program", GENERAL.to_vec()),
        ("Cores", cores.chain(PER_NAME.iter().map(|(metric, _)| *metric)).collect()),
        ("Queues and interfaces", queues.collect()),
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
            assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}: {help}");
        }
    }
}
