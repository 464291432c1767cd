//! How a connection refers to its send buffer, its timer and its neighbours in the list of that timer.

/// A send buffer, or none. Zero is none, so that a new connection has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(transparent)]
pub struct BufferId(pub(super) u32);

impl BufferId {
    /// No buffer, as a new connection has.
    pub const NONE: BufferId = BufferId(0);

    #[inline]
    pub(super) fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// What a connection's timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, zerocopy::FromZeros)]
#[repr(u8)]
pub enum Timer {
    /// Nothing: no timer runs.
    #[default]
    None = 0,
    /// The answer to our SYN.
    Syn,
    /// The ACK of our SYN-ACK.
    SynAck,
    /// The time to send the first SYN-ACK, delayed by fault injection.
    SynAckDelay,
    /// The ACK of data or FIN (RFC 6298).
    Retransmit,
    /// The peer's window to open (RFC 9293 3.8.6.1).
    Persist,
    /// The peer's FIN in FIN-WAIT-2.
    FinWait2,
    /// The end of 2 MSL.
    TimeWait,
    /// A free frame for pending output.
    Frame,
}

/// No neighbour in a list of timers.
pub const NO_LINK: u32 = u32::MAX;

/// Neighbours in the engine's lists of timers: slots, or the mark of a list's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, zerocopy::FromZeros)]
#[repr(C)]
pub struct TimerLinks {
    /// The slot before this one, or the mark of the list's end.
    pub prev: u32,
    /// The slot after this one, or the mark of the list's end.
    pub next: u32,
}
