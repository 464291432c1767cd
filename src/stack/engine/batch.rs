use super::core::Core;
use super::flows::Flows;
use super::port::BATCH;
use crate::table::{Shard, Slot};
use crate::tcp::Tcb;
use crate::wire::{FastParse, Flags, FlowKey, FlowKey4, HashSecret, PacketKey, ParseConfig, Segment};

/// One address family's share of a batch, between the phases of a poll. Room is made once.
pub(super) struct Batch<K, F> {
    /// Parsed segments on their way through look-up and TCP.
    pub segments: Vec<RxSegment<K>>,
    /// By segment: the frame it lies in.
    pub frames: Vec<F>,
    /// Connections with a segment to send once the whole batch has been processed (MUST-58, MUST-59).
    pub replies: Vec<PendingReply<K, F>>,
}

pub(super) struct RxSegment<K> {
    pub segment: Segment<K>,
    pub hash: u32,
    /// Where its connection most likely is.
    pub candidate: Option<Slot>,
}

impl<K> RxSegment<K> {
    /// Whether it is a SYN that may start a connection: without ACK, RST and FIN.
    #[inline]
    pub(super) fn is_syn(&self) -> bool {
        const DECISIVE: u8 = Flags::SYN.0 | Flags::ACK.0 | Flags::RST.0 | Flags::FIN.0;
        self.segment.info.flags.0 & DECISIVE == Flags::SYN.0
    }
}

/// A connection with output, and the received frame its segment is sent in.
pub(super) struct PendingReply<K, F> {
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
            replies: Vec::with_capacity(2 * BATCH),
        }
    }
}

/// Parses and queues the common segment; false: it is another. Out of line, so that its numbers
/// stay in registers.
#[inline(never)]
pub(super) fn queue_common(
    bytes: &[u8],
    policy: &ParseConfig,
    secret: &HashSecret,
    shard: &Shard<FlowKey4, Tcb>,
    segments: &mut Vec<RxSegment<FlowKey4>>,
) -> bool {
    let Some(common) = FastParse::parse(bytes, policy) else { return false };
    let hash = FlowKey::hash(common.key(), secret);
    shard.prefetch(hash);
    segments.push(RxSegment { segment: common.without_options(), hash, candidate: None });
    if !segments.last_mut().is_some_and(|rx| common.parse_options(&mut rx.segment)) {
        segments.pop();
        return false;
    }
    true
}

/// Queues any other segment.
#[inline]
pub(super) fn queue<K: PacketKey, F>(
    core: &Core,
    flows: &Flows<K>,
    batch: &mut Batch<K, F>,
    frame: F,
    segment: Segment<K>,
) {
    let hash = FlowKey::hash(&segment.key, &core.shared.secrets.hash);
    flows.shard.prefetch(hash);
    batch.segments.push(RxSegment { segment, hash, candidate: None });
    batch.frames.push(frame);
}
