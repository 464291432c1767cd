//! The segments that follow each segment of a capture.

use crate::split::is_foreign;
use crate::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// The segments after a segment.
#[derive(Clone, Copy, Default)]
pub(super) struct Following<'a> {
    /// The next one in the other direction.
    pub next: Option<&'a Segment>,
    /// Sequence numbers of the next SYN in each direction.
    pub syns: [Option<Seq>; 2],
    /// Acknowledgement numbers of the next SYN-ACK in each direction.
    pub syn_acks: [Option<Seq>; 2],
}

pub(super) fn following(segments: &[(Direction, Segment)]) -> Vec<Following<'_>> {
    let (mut up, mut down, mut syns, mut syn_acks) = (None, None, [None; 2], [None; 2]);
    let mut following = Vec::with_capacity(segments.len());
    for (direction, segment) in segments.iter().rev() {
        let (own, peer) = if *direction == Direction::ToServer { (&mut up, &down) } else { (&mut down, &up) };
        following.push(Following { next: *peer, syns, syn_acks });
        *own = Some(segment);
        if segment.opens()
            && let Some(seq) = syns.get_mut(*direction as usize)
        {
            *seq = Some(segment.seq);
        }
        if segment.is_syn_ack()
            && let Some(ack) = syn_acks.get_mut(*direction as usize)
        {
            *ack = Some(segment.ack);
        }
    }
    following.reverse();
    following
}

impl Following<'_> {
    /// Whether the SYN is retransmitted, or its sender answers this segment with a RST: no connection was
    /// established by it.
    pub(super) fn awaits_reply(&self, isn: Seq, segment: &Segment) -> bool {
        let is_reset = |next: &Segment| {
            let resets = next.flags.has(Flags::RST) && !next.flags.has(Flags::ACK);
            resets && next.seq == segment.ack && is_foreign(isn, segment.ack)
        };
        self.syns.contains(&Some(isn)) || self.next.is_some_and(is_reset)
    }
}
