//! The data that the phases of a poll pass on: arrays of received segments, and of connections with output;
//! and the effects of an event.

use super::core::Core;
use super::link_cache::{BatchLink, LinkEntry, OTHER_LINK};
use super::port::{BATCH, Port};
use crate::observe::{Closed, DropReason};
use crate::table::Slot;
use crate::tcp::{State, TimerOp};
use crate::wire::{Flags, FlowKey, FlowKey4, FlowKey6, PacketKey, RxHeader, Segment, TuplePrf, TxSegment};

/// The segments of one address family in a batch: at most two batches, for which memory is allocated once.
pub(super) struct Batch<K: FlowKey, F> {
    pub records: Box<[RxRecord<K>]>,
    /// The number of records in use.
    pub len: usize,
    /// By record: its 4-tuple, then the keyed function's value for it.
    pub blocks: Box<[K::Blocks]>,
    /// The link header that most of its frames have.
    pub link: BatchLink,
    /// By record: its frame.
    pub frames: Vec<F>,
    /// Connections with a segment to send once the whole batch has been processed (MUST-58, MUST-59).
    pub replies: Replies<K, F>,
}

/// Segments that are still to be processed, in their order.
pub(super) struct Segments<'a, K, F> {
    records: std::slice::Iter<'a, RxRecord<K>>,
    frames: std::vec::Drain<'a, F>,
}

impl<'a, K, F> Segments<'a, K, F> {
    /// The control bits of the next segment.
    #[inline(always)]
    pub(super) fn flags(&self) -> Option<Flags> {
        self.records.as_slice().first().map(|rx| rx.header.flags)
    }

    /// Takes the next segment if its control bits are wanted.
    #[inline(always)]
    pub(super) fn next_if(&mut self, wanted: impl Fn(Flags) -> bool) -> Option<(&'a RxRecord<K>, F)> {
        if !wanted(self.flags()?) {
            return None;
        }
        self.records.next().zip(self.frames.next())
    }
}

/// Connections with output, and the received frames in which it is sent.
pub(super) struct Replies<K, F> {
    conns: Vec<(ConnRef<K>, u8)>,
    frames: Vec<F>,
}

impl<K, F> Replies<K, F> {
    fn new() -> Replies<K, F> {
        Replies { conns: Vec::with_capacity(2 * BATCH), frames: Vec::with_capacity(2 * BATCH) }
    }

    /// Lists a connection that was just marked as QUEUED: its output is sent in this frame, after a link
    /// header of `link_len` bytes.
    #[inline(always)]
    pub(super) fn push(&mut self, conn: ConnRef<K>, frame: F, link_len: u8) {
        self.conns.push((conn, link_len));
        self.frames.push(frame);
    }

    /// Each connection with its frame and the length of the frame's link header, bytes.
    #[inline(always)]
    pub(super) fn iter(&mut self) -> impl Iterator<Item = (&ConnRef<K>, F, u8)> {
        let pairs = self.conns.iter().zip(self.frames.drain(..));
        pairs.map(|((conn, link_len), frame)| (conn, frame, *link_len))
    }

    pub(super) fn clear(&mut self) {
        self.conns.clear();
    }
}

/// A received segment: one cache line for IPv4, two for IPv6. Parsing writes `header`, hashing `prf`, the
/// look-up `candidate`; input and replies read all three.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct RxRecord<K> {
    pub header: RxHeader<K>,
    pub prf: TuplePrf,
    /// The slot that most likely holds its connection. [`NO_SLOT`] without one, and for a SYN, which is not
    /// looked up before its turn.
    pub candidate: Slot,
    /// The link cache's entry of the frame's link header, if that is the batch's; or [`OTHER_LINK`].
    pub link: u16,
}

const _: () = assert!(size_of::<RxRecord<FlowKey4>>() == 64 && size_of::<RxRecord<FlowKey6>>() == 128);

/// A received segment as the general path reads it.
pub(super) struct RxSegment<K> {
    pub segment: Segment<K>,
    pub prf: TuplePrf,
    /// The slot that most likely holds its connection, or [`NO_SLOT`].
    pub candidate: Slot,
}

/// No slot of any core.
pub(super) const NO_SLOT: Slot = Slot(u32::MAX);

/// A connection of this core, and the keyed function of its 4-tuple.
#[derive(Clone, Copy)]
pub(super) struct ConnRef<K> {
    pub slot: Slot,
    pub key: K,
    pub prf: TuplePrf,
}

/// The RST to a peer whose connection gave way, and its link header: the entry may be another
/// neighbour's by the time it is sent.
pub(super) struct PendingReset<K> {
    pub key: K,
    pub link: Option<LinkEntry>,
    pub reset: TxSegment,
}

/// The effects of an event other than a received segment.
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

impl<K: PacketKey> RxRecord<K> {
    fn of(segment: &Segment<K>) -> RxRecord<K> {
        RxRecord {
            header: RxHeader::of(segment),
            prf: TuplePrf::default(),
            candidate: NO_SLOT,
            link: OTHER_LINK,
        }
    }

    /// The segment as the general path reads it.
    #[inline]
    pub(super) fn segment(&self) -> RxSegment<K> {
        let &RxRecord { ref header, prf, candidate, .. } = self;
        RxSegment { segment: header.segment(), prf, candidate }
    }

    /// Its connection.
    #[inline(always)]
    pub(super) fn conn(&self) -> ConnRef<K> {
        ConnRef { slot: self.candidate, key: self.header.key, prf: self.prf }
    }
}

impl<K: PacketKey, F> Batch<K, F> {
    /// Adds any other segment. False: there is no room.
    pub(super) fn add(&mut self, segment: &Segment<K>) -> bool {
        let Some(record) = self.records.get_mut(self.len) else { return false };
        *record = RxRecord::of(segment);
        self.len += 1;
        true
    }

    /// Adds any other segment and its frame.
    pub(super) fn queue<P: Port<Frame = F>>(
        &mut self,
        core: &Core,
        port: &mut P,
        frame: F,
        segment: &Segment<K>,
    ) {
        if self.add(segment) {
            self.frames.push(frame);
        } else {
            // No poll takes more than two batches.
            core.counters.dropped(DropReason::NoFrame);
            port.release(frame);
        }
    }

    /// The records of this batch.
    #[inline(always)]
    pub(super) fn records(&mut self) -> &mut [RxRecord<K>] {
        self.records.get_mut(..self.len).unwrap_or_default()
    }

    /// Takes all segments, each with its frame, out of the batch; and the list of replies.
    #[inline(always)]
    pub(super) fn take(&mut self) -> (Segments<'_, K, F>, &mut Replies<K, F>) {
        let Batch { records, len, frames, replies, .. } = self;
        let records = records.get(..std::mem::take(len)).unwrap_or_default();
        (Segments { records: records.iter(), frames: frames.drain(..) }, replies)
    }

    pub(super) fn new() -> Batch<K, F> {
        Batch {
            records: vec![
                RxRecord {
                    header: RxHeader::default(),
                    prf: TuplePrf::default(),
                    candidate: NO_SLOT,
                    link: OTHER_LINK,
                };
                2 * BATCH
            ]
            .into(),
            len: 0,
            link: BatchLink::NONE,
            blocks: vec![K::default().to_blocks(); 2 * BATCH].into(),
            frames: Vec::with_capacity(2 * BATCH),
            replies: Replies::new(),
        }
    }
}
