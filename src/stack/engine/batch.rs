//! What the phases of a poll hand on to one another: arrays of received segments, and of connections with
//! output; and what came of an event.

use super::link_cache::LinkEntry;
use super::port::BATCH;
use crate::observe::Closed;
use crate::table::Slot;
use crate::tcp::{State, TimerOp};
use crate::wire::{Flags, Segment, TuplePrf, TxSegment};

/// One address family's share of a batch. Room is made once.
pub(super) struct Batch<K, F> {
    /// Parsed segments on their way through look-up and TCP.
    pub segments: Vec<RxSegment<K>>,
    /// By segment: the frame it lies in.
    pub frames: Vec<F>,
    /// Connections with a segment to send once the whole batch has been processed (MUST-58, MUST-59).
    pub replies: Replies<K, F>,
}

pub(super) type Replies<K, F> = Vec<PendingTx<K, ReplyFrame<F>>>;

pub(super) struct RxSegment<K> {
    pub segment: Segment<K>,
    pub prf: TuplePrf,
    /// Where its connection most likely is.
    pub candidate: Option<Slot>,
}

/// A connection of this core, and the keyed function of its 4-tuple.
#[derive(Clone, Copy)]
pub(super) struct ConnRef<K> {
    pub slot: Slot,
    pub key: K,
    pub prf: TuplePrf,
}

/// A connection with output: in the received frame that it replies to, or in a new one (`()`).
#[derive(Clone, Copy)]
pub(super) struct PendingTx<K, F = ()> {
    pub conn: ConnRef<K>,
    pub frame: F,
}

/// The received frame that a reply is sent in.
pub(super) struct ReplyFrame<F> {
    pub frame: F,
    pub link_len: u8,
}

/// The RST to a peer whose connection gave way, and its link header: the entry may be another
/// neighbour's by the time it is sent.
pub(super) struct PendingReset<K> {
    pub key: K,
    pub link: Option<LinkEntry>,
    pub reset: TxSegment,
}

/// What came of an event other than a received segment.
pub(super) struct EventEffects {
    pub before: State,
    pub listener: u16,
    /// The state in which the connection is.
    pub state: State,
    pub timer: TimerOp,
    pub ended: Option<Closed>,
}

impl<K> RxSegment<K> {
    /// Whether it is a SYN that may start a connection: without ACK, RST and FIN.
    #[inline]
    pub(super) fn is_syn(&self) -> bool {
        const DECISIVE: u8 = Flags::SYN.0 | Flags::ACK.0 | Flags::RST.0 | Flags::FIN.0;
        self.segment.info.flags.0 & DECISIVE == Flags::SYN.0
    }
}

impl<K, F> Batch<K, F> {
    pub(super) fn new() -> Batch<K, F> {
        Batch {
            segments: Vec::with_capacity(2 * BATCH),
            frames: Vec::with_capacity(2 * BATCH),
            replies: Vec::with_capacity(2 * BATCH),
        }
    }
}
