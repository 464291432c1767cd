use super::named::named_enum;

named_enum! {
    /// How a connection ended.
    Closed,
    /// Every way to end, in the order of their discriminants.
    CLOSED;
    Passive, "passive", "The peer closed first, our FIN was acknowledged (LAST-ACK).";
    Active, "active", "We closed first and entered TIME-WAIT from FIN-WAIT-2.";
    Simultaneous, "simultaneous", "Both FINs crossed (CLOSING), then TIME-WAIT.";
    ResetByPeer, "reset_by_peer", "An exact RST.";
    Aborted, "aborted", "The service aborted it.";
    DataAfterClose, "data_after_close", "Data came after the service had closed.";
    HandshakeTimeout, "handshake_timeout", "The ACK of our SYN-ACK never came.";
    HandshakeReset, "handshake_reset", "The peer reset a half-open connection, or a SYN sent it back to LISTEN.";
    RetransmitTimeout, "retransmit_timeout", "Data or FIN was never acknowledged (R2).";
    FinWait2Timeout, "fin_wait_2_timeout", "The peer's FIN never came.";
    TimeWaitEnded, "time_wait_ended", "2 MSL passed. (The connection was counted when it entered TIME-WAIT.)";
    TimeWaitReused, "time_wait_reused", "A newer SYN ended TIME-WAIT (RFC 6191).";
    TimeWaitEvicted, "time_wait_evicted", "TIME-WAIT's budget was full: the oldest went.";
    TimeWaitReset, "time_wait_reset", "A RST at RCV.NXT ended TIME-WAIT: the peer's answer to a challenge (RFC 9293 3.10.7.4, RFC 5961).";
    FaultReset, "fault_reset", "Reset by fault injection.";
    ConnectTimeout, "connect_timeout", "Our SYN, and all its repetitions, were never answered.";
    ConnectRefused, "connect_refused", "The peer answered our SYN with a RST.";
    Unreachable, "unreachable", "An ICMP error said of our SYN that the peer is unreachable.";
    Stopped, "stopped", "The program ended and reset it.";
    PersistTimeout, "persist_timeout", "The peer's window held data back for too long, without any progress.";
    StallEvicted, "stall_evicted", "Send buffers ran out: without progress for longest, it gave way.";
    KeepaliveTimeout, "keepalive_timeout", "Keep-alives were not answered.";
    IdleTimeout, "idle_timeout", "No data went either way for the idle time-out.";
    IdleEvicted, "idle_evicted", "Slots ran out: idle for longest, it gave way.";
}
