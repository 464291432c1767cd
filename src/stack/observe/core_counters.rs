use super::{Counter, DROP_REASONS, DropReason, StageTimes};

/// How a connection left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Closed {
    /// The peer closed first, our FIN was acknowledged (LAST-ACK).
    Passive,
    /// We closed first and entered TIME-WAIT from FIN-WAIT-2.
    Active,
    /// Both FINs crossed (CLOSING), then TIME-WAIT.
    Simultaneous,
    /// An exact RST.
    ResetByPeer,
    /// The service aborted it.
    Aborted,
    /// Data came after the service had closed.
    DataAfterClose,
    /// The ACK of our SYN-ACK never came.
    HandshakeTimeout,
    /// The peer reset a half-open connection, or a SYN sent it back to LISTEN.
    HandshakeReset,
    /// Data or FIN was never acknowledged (R2).
    RetransmitTimeout,
    /// The peer's FIN never came.
    FinWait2Timeout,
    /// 2 MSL passed. (The connection was counted when it entered TIME-WAIT.)
    TimeWaitEnded,
    /// A newer SYN ended TIME-WAIT (RFC 6191).
    TimeWaitReused,
    /// TIME-WAIT's budget was full: the oldest went.
    TimeWaitEvicted,
    /// A RST at RCV.NXT ended TIME-WAIT: the peer's answer to a challenge (RFC 9293 3.10.7.4, RFC 5961).
    TimeWaitReset,
    /// `--fault reset`.
    FaultReset,
    /// Our SYN, and all its repetitions, were never answered.
    ConnectTimeout,
    /// The peer answered our SYN with a RST.
    ConnectRefused,
    /// An ICMP error said of our SYN that the peer is unreachable.
    Unreachable,
    /// The program ended and reset it.
    Stopped,
    /// The peer's window held data back for too long, without any progress.
    PersistTimeout,
    /// Send buffers ran out: without progress for longest, it gave way.
    StallEvicted,
    /// Keep-alives were not answered.
    KeepaliveTimeout,
    /// No data went either way for the idle time-out.
    IdleTimeout,
    /// Slots ran out: idle for longest, it gave way.
    IdleEvicted,
}

/// Every [`Closed`], with its name in reports.
pub const CLOSED: [(Closed, &str); 24] = [
    (Closed::Passive, "passive"),
    (Closed::Active, "active"),
    (Closed::Simultaneous, "simultaneous"),
    (Closed::ResetByPeer, "reset_by_peer"),
    (Closed::Aborted, "aborted"),
    (Closed::DataAfterClose, "data_after_close"),
    (Closed::HandshakeTimeout, "handshake_timeout"),
    (Closed::HandshakeReset, "handshake_reset"),
    (Closed::RetransmitTimeout, "retransmit_timeout"),
    (Closed::FinWait2Timeout, "fin_wait_2_timeout"),
    (Closed::TimeWaitEnded, "time_wait_ended"),
    (Closed::TimeWaitReused, "time_wait_reused"),
    (Closed::TimeWaitEvicted, "time_wait_evicted"),
    (Closed::TimeWaitReset, "time_wait_reset"),
    (Closed::FaultReset, "fault_reset"),
    (Closed::ConnectTimeout, "connect_timeout"),
    (Closed::ConnectRefused, "connect_refused"),
    (Closed::Unreachable, "unreachable"),
    (Closed::Stopped, "stopped"),
    (Closed::PersistTimeout, "persist_timeout"),
    (Closed::StallEvicted, "stall_evicted"),
    (Closed::KeepaliveTimeout, "keepalive_timeout"),
    (Closed::IdleTimeout, "idle_timeout"),
    (Closed::IdleEvicted, "idle_evicted"),
];

/// One core's counters. On lines of their own: the reporter reads them, nobody else writes.
#[derive(Debug)]
#[repr(align(128))]
pub struct CoreCounters {
    pub frames_in: Counter,
    pub frames_out: Counter,
    pub batches: Counter,
    pub syns: Counter,
    /// First SYN-ACKs of connections that have a slot.
    pub syn_acks: Counter,
    pub syn_acks_cookie: Counter,
    pub syn_ack_retransmissions: Counter,
    /// Connections opened from this side: first SYNs.
    pub opens: Counter,
    pub syn_retransmissions: Counter,
    pub established: Counter,
    /// Of `established`: those from a cookie.
    pub established_by_cookie: Counter,
    /// Of data and FIN.
    pub retransmissions: Counter,
    /// Empty segments that ask an idle peer for a sign of life (RFC 9293 3.8.4).
    pub keepalives: Counter,
    /// The same of a peer whose window is closed (RFC 9293 3.8.6.1).
    pub window_probes: Counter,
    pub challenge_acks: Counter,
    /// Segments taken although they leave out the timestamps that were agreed on.
    pub timestamps_missing: Counter,
    pub resets_sent: Counter,
    pub arp_replies: Counter,
    pub neighbour_adverts: Counter,
    pub echo_replies: Counter,
    /// Connections whose peer was sent a RST or FIN because the program ended.
    pub stop_notices: Counter,
    /// Connections whose peer the program's end left without either.
    pub left_open: Counter,
    /// ICMP errors about packets of other protocols than TCP.
    pub icmp_unreachables_sent: Counter,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announcements: Counter,
    /// ICMP errors about segments that we had sent and that were still unacknowledged.
    pub icmp_errors: Counter,
    /// Segments handed to the core that owns their connection.
    pub forwarded_out: Counter,
    pub forwarded_in: Counter,
    /// Frames handed to a core that has a queue of their interface, to be sent there.
    pub relayed_out: Counter,
    /// Frames of other cores' connections sent by this core's queues.
    pub relayed_in: Counter,
    /// Gauges.
    pub half_open: Counter,
    pub connections: Counter,
    pub time_wait: Counter,
    /// Send buffers in use, how many there are, and the most that ever were in use.
    pub send_buffers: Counter,
    pub send_buffers_limit: Counter,
    pub send_buffers_most: Counter,
    /// Times that send buffers were short, and milliseconds of it that are over.
    pub send_buffer_shortages: Counter,
    pub send_buffer_shortage_ms: Counter,
    /// Milliseconds for which they have been short now; 0: they are not.
    pub send_buffers_short_ms: Counter,
    /// Nanoseconds in which the core's loop had nothing to do and nobody else wanted the core.
    pub idle_ns: Counter,
    /// Frames nobody owns: must stay 0.
    pub frames_lost: Counter,
    /// Where the time goes, if accounting is on.
    pub stages: StageTimes,
    pub closed: [Counter; CLOSED.len()],
    pub drops: [Counter; DROP_REASONS.len()],
}

impl CoreCounters {
    /// Counts a drop under its name.
    #[inline]
    pub fn dropped(&self, reason: DropReason) {
        self.drops[reason as usize].bump();
    }
}

impl Default for CoreCounters {
    fn default() -> CoreCounters {
        let zero = Counter::default;
        CoreCounters {
            frames_in: zero(),
            frames_out: zero(),
            batches: zero(),
            syns: zero(),
            syn_acks: zero(),
            syn_acks_cookie: zero(),
            syn_ack_retransmissions: zero(),
            opens: zero(),
            syn_retransmissions: zero(),
            established: zero(),
            established_by_cookie: zero(),
            retransmissions: zero(),
            keepalives: zero(),
            window_probes: zero(),
            challenge_acks: zero(),
            timestamps_missing: zero(),
            resets_sent: zero(),
            arp_replies: zero(),
            neighbour_adverts: zero(),
            echo_replies: zero(),
            stop_notices: zero(),
            left_open: zero(),
            icmp_unreachables_sent: zero(),
            announcements: zero(),
            icmp_errors: zero(),
            forwarded_out: zero(),
            forwarded_in: zero(),
            relayed_out: zero(),
            relayed_in: zero(),
            half_open: zero(),
            connections: zero(),
            time_wait: zero(),
            send_buffers: zero(),
            send_buffers_limit: zero(),
            send_buffers_most: zero(),
            send_buffer_shortages: zero(),
            send_buffer_shortage_ms: zero(),
            send_buffers_short_ms: zero(),
            idle_ns: zero(),
            stages: StageTimes::default(),
            frames_lost: zero(),
            closed: std::array::from_fn(|_| zero()),
            drops: std::array::from_fn(|_| zero()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_close_indexes_its_own_counter() {
        for (index, (how, _)) in CLOSED.iter().enumerate() {
            assert_eq!(*how as usize, index);
        }
    }
}
