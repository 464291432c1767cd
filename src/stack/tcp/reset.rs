use crate::wire::{Flags, SegmentInfo, Seq, TxSegment};

/// The RST that answers a segment without a connection (RFC 9293 3.10.7.1): its sequence number is SEG.ACK,
/// or 0 with an acknowledgement of the whole segment. Not called for a RST.
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
