use crate::wire::{Flags, SegmentInfo, Seq, TxSegment};

/// The RST that answers a segment of no connection (RFC 9293 3.10.7.1): SEG.ACK if it has one,
/// else 0 with an acknowledgement of all it carries. Never called for a RST.
#[inline]
pub(super) fn stateless(segment: &SegmentInfo) -> TxSegment {
    if segment.flags.has(Flags::ACK) {
        TxSegment { seq: segment.ack, flags: Flags::RST, ..TxSegment::default() }
    } else {
        TxSegment {
            seq: Seq(0),
            ack: segment.seq + segment.seq_len(),
            flags: Flags::RST.with(Flags::ACK),
            ..TxSegment::default()
        }
    }
}
