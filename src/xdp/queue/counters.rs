/// What a queue counts itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    pub received: u64,
    /// Handed to the transmit ring.
    pub transmitted: u64,
    /// System calls made to send.
    pub wakeups: u64,
    /// Wake-ups that moved nothing (EAGAIN, EBUSY, ENOBUFS): tried again at the next flush.
    pub wakeup_stalls: u64,
    /// Wake-ups while the interface was down.
    pub link_down: u64,
    /// Flushes that left frames behind because the transmit ring was full.
    pub tx_ring_full: u64,
    /// Descriptors from the kernel that named no frame it had, or lay outside of one.
    pub bad_descriptors: u64,
    /// Frames given to `transmit` with an impossible length, or to a queue that is not theirs.
    pub misused: u64,
}

/// What the kernel counts for a socket (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Dropped for other reasons, such as a frame that is too long.
    pub rx_dropped: u64,
    pub rx_invalid_descs: u64,
    pub tx_invalid_descs: u64,
    pub rx_ring_full: u64,
    pub rx_fill_ring_empty: u64,
    pub tx_ring_empty: u64,
}
