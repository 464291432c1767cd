use super::port::BATCH;
use crate::table::{Found, Slot};
use crate::wire::{Flags, Segment};

/// One address family's share of a batch, between the phases of a turn. Room is made once.
pub(super) struct Batch<K, F> {
    /// Parsed segments on their way through look-up and TCP.
    pub segments: Vec<Arrived<K>>,
    /// By segment: the frame it lies in.
    pub frames: Vec<F>,
    /// Connections that owe a segment when all of the batch has arrived (MUST-58, MUST-59).
    pub debts: Vec<Debt<K, F>>,
}

pub(super) struct Arrived<K> {
    pub segment: Segment<K>,
    pub hash: u32,
    pub found: Option<Found>,
}

impl<K> Arrived<K> {
    /// Whether it is a SYN, most likely the first of its connection.
    #[inline]
    pub(super) fn starts(&self) -> bool {
        let flags = self.segment.info.flags;
        flags.has(Flags::SYN) && !flags.has(Flags::ACK)
    }
}

/// A connection, and the frame its segment will go back in.
pub(super) struct Debt<K, F> {
    pub slot: Slot,
    pub key: K,
    pub hash: u32,
    pub frame: F,
    pub link_len: u8,
}

impl<K, F> Batch<K, F> {
    pub(super) fn new() -> Batch<K, F> {
        Batch {
            segments: Vec::with_capacity(2 * BATCH),
            frames: Vec::with_capacity(2 * BATCH),
            debts: Vec::with_capacity(2 * BATCH),
        }
    }
}
