use super::{CLOSED, Counter, Counters, DROP_REASONS, DropReason, STAGES};

/// Every count of a core, declared once: name; kind; its metric without `handfast_`; one sentence.
/// A new line here is a field of [`CoreCounters`], of the snapshot, of the JSON and a metric. `part`:
/// a gauge that other metrics are made of.
macro_rules! core_counters {
    ($with:ident) => {
        $with! {
            frames_in, Counter, "frames_received_total", "Frames taken from the receive rings.";
            frames_out, Counter, "frames_sent_total", "Frames given to the queues to send.";
            batches, Counter, "batches_total", "Iterations of the loop that had work.";
            syns, Counter, "syns_received_total", "SYNs for a listener.";
            syn_acks, Counter, "syn_acks_sent_total", "First SYN-ACKs of connections that have a slot.";
            syn_acks_cookie, Counter, "syn_ack_cookies_sent_total",
                "SYN-ACKs with a cookie, for which no state is kept.";
            cookie_modes_begun, Counter, "cookie_modes_begun_total",
                "Number of times a listener began to answer SYNs by cookie because of its half-open connections.";
            cookie_modes_ended, Counter, "cookie_modes_ended_total",
                "Number of times a listener kept state for SYNs again.";
            syn_ack_retransmissions, Counter, "syn_ack_retransmissions_total", "SYN-ACKs retransmitted.";
            opens, Counter, "opens_total", "Connections opened by this side: first SYNs.";
            syn_retransmissions, Counter, "syn_retransmissions_total", "SYNs retransmitted.";
            established, Counter, "connections_established_total",
                "Connections that reached ESTABLISHED, from either side.";
            established_by_cookie, Counter, "connections_established_by_cookie_total",
                "Established connections that were created by the ACK of a cookie.";
            retransmissions, Counter, "retransmissions_total", "Segments with data or FIN retransmitted.";
            keepalives, Counter, "keepalives_sent_total", "Keep-alives sent to idle peers (RFC 9293 3.8.4).";
            window_probes, Counter, "window_probes_sent_total",
                "Probes of closed windows (RFC 9293 3.8.6.1).";
            challenge_acks, Counter, "challenge_acks_sent_total", "Challenge ACKs (RFC 5961).";
            timestamps_missing, Counter, "timestamps_missing_total",
                "Segments accepted without the negotiated timestamps.";
            resets_sent, Counter, "resets_sent_total", "RST segments sent.";
            arp_replies, Counter, "arp_replies_sent_total",
                "ARP replies for addresses that only handfast uses.";
            neighbour_adverts, Counter, "neighbour_advertisements_sent_total",
                "Neighbour advertisements for addresses that only handfast uses.";
            echo_replies, Counter, "echo_replies_sent_total", "Echo replies (ping).";
            stop_notices, Counter, "stop_notices_sent_total",
                "Connections that were ended with a RST or FIN when the program stopped.";
            left_open, Counter, "connections_left_open_total",
                "Connections that were left open, without a RST or FIN, when the program stopped.";
            icmp_unreachables_sent, Counter, "icmp_unreachables_sent_total",
                "ICMP errors sent for packets of a protocol that this address does not support.";
            announcements, Counter, "announcements_sent_total",
                "Gratuitous ARP and unsolicited neighbour advertisements.";
            icmp_errors, Counter, "icmp_errors_received_total",
                "ICMP errors for our segments that were not acknowledged yet.";
            forwarded_out, Counter, "segments_forwarded_out_total",
                "Segments forwarded to the core that owns their connection.";
            forwarded_in, Counter, "segments_forwarded_in_total",
                "Segments forwarded by other cores to this one.";
            relayed_out, Counter, "frames_relayed_out_total",
                "Frames relayed to a core with a queue of their interface, to be sent there.";
            relayed_in, Counter, "frames_relayed_in_total",
                "Frames relayed by other cores to this one and sent on its queues.";
            half_open, Part, "", "Connections in SYN-RECEIVED.";
            cookie_listeners, Gauge, "cookie_listeners",
                "Listeners that answer SYNs by cookie because of their half-open connections.";
            connections, Part, "", "Connections that have a slot.";
            time_wait, Part, "", "Connections in TIME-WAIT.";
            send_buffers, Gauge, "send_buffers", "Send buffers in use.";
            send_buffers_limit, Gauge, "send_buffers_limit", "Total number of send buffers.";
            send_buffers_max, Gauge, "send_buffers_max", "The most send buffers that were ever in use.";
            send_buffer_shortages, Counter, "send_buffer_shortages_total",
                "Number of times send buffers became short.";
            send_buffer_shortage_ms, Part, "", "Milliseconds of the shortages of send buffers that are over.";
            send_buffers_short_ms, Part, "", "Milliseconds since send buffers became short; 0: they are not.";
            idle_ns, Part, "",
                "Nanoseconds in which the core's loop had no work and the core was not taken from it.";
            frames_lost, Counter, "frames_lost_total",
                "Frames without an owner: must stay 0, any other value is a bug.";
        }
    };
}
pub(crate) use core_counters;

/// How a count behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterKind {
    /// Only grows, from 0 at the program's start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Shown by metrics that are made of several counts, never alone.
    Part,
}

/// What a count is called and means.
#[derive(Clone, Copy, Debug)]
pub struct CounterInfo {
    /// The field of [`CoreCounters`] and of the JSON.
    pub name: &'static str,
    /// How it behaves.
    pub kind: CounterKind,
    /// Its metric; a part has none of its own.
    pub metric: &'static str,
    /// One sentence.
    pub help: &'static str,
}

macro_rules! define {
    ($($name:ident, $kind:ident, $metric:literal, $help:literal;)*) => {
        /// One core's counters. On cache lines of their own: the core alone writes them, reporters read.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct CoreCounters {
            $(#[doc = $help] pub $name: Counter,)*
            /// Nanoseconds by stage, in the order of [`STAGES`], of iterations that had work; all 0 unless
            /// accounting is on.
            pub stages: Counters<{ STAGES.len() }>,
            /// Connections by how they ended, in the order of [`CLOSED`].
            pub closed: Counters<{ CLOSED.len() }>,
            /// Dropped frames by reason, in the order of [`DROP_REASONS`].
            pub drops: Counters<{ DROP_REASONS.len() }>,
        }

        /// Every count of a core, in the order of [`CoreCounters`]' fields.
        pub const CORE_COUNTERS: &[CounterInfo] = &[$(CounterInfo {
            name: stringify!($name),
            kind: CounterKind::$kind,
            metric: concat!("handfast_", $metric),
            help: $help,
        },)*];
    };
}
core_counters!(define);

impl CoreCounters {
    /// Counts a dropped frame.
    #[inline]
    pub fn dropped(&self, reason: DropReason) {
        self.drops[reason as usize].bump();
    }
}
