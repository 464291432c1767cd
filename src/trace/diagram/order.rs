//! Whether segments come in the order of their numbers, as one who stands by sees it.

use std::collections::VecDeque;

use crate::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// How a segment stands to those before it in its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing is to be said of it.
    InOrder,
    /// So many octets before it have not been seen.
    Gap { missing: u32 },
    /// It begins before what has been seen, and is no copy.
    FillsGap,
    /// It begins before what has been seen, none of it was missing, and it is no copy.
    Overlap,
    /// A duplicate acknowledgement: nothing but the number of the last one, while more is under way (RFC
    /// 5681 2).
    DuplicateAck,
    /// A copy that duplicate acknowledgements have asked for.
    FastRetransmit,
}

/// What has been seen of both directions.
#[derive(Default)]
pub(super) struct Sequence {
    up: Way,
    down: Way,
}

/// Holes that are remembered: so many are not filled at once.
const MAX_HOLES: usize = 64;

#[derive(Default)]
struct Way {
    /// Behind all that was seen.
    end: Option<Seq>,
    /// What was not seen before the end: from, and behind. The last ones.
    holes: VecDeque<(Seq, Seq)>,
    /// The last acknowledgement of it, with its window.
    acknowledged: Option<(Seq, Option<u16>)>,
    /// Duplicates of that.
    repeats: u32,
}

impl Sequence {
    /// Of the next segment. `again`: it is a copy.
    pub(super) fn place(&mut self, direction: Direction, segment: &Segment, retransmitted: bool) -> Order {
        let (own, peer) = match direction {
            Direction::ToServer => (&mut self.up, &mut self.down),
            Direction::ToClient => (&mut self.down, &mut self.up),
        };
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            return Order::InOrder;
        }
        if flags.has(Flags::SYN) && !retransmitted {
            // A new connection on the same 4-tuple counts anew.
            *own = Way::default();
        }
        let repeats = flags.has(Flags::ACK) && peer.acknowledge(segment);
        if segment.seq_len() == 0 {
            return if repeats { Order::DuplicateAck } else { Order::InOrder };
        }
        own.send(segment, retransmitted)
    }
}

impl Way {
    fn send(&mut self, segment: &Segment, retransmitted: bool) -> Order {
        let behind = segment.seq + segment.seq_len();
        let Some(end) = self.end else {
            self.end = Some(behind);
            return Order::InOrder;
        };
        if end.before(behind) {
            self.end = Some(behind);
        }
        let asked =
            self.repeats > 0 && self.acknowledged.is_some_and(|(ack, _)| ack.at_or_before(segment.seq));
        match retransmitted {
            true if asked => Order::FastRetransmit,
            true => Order::InOrder,
            false if end.before(segment.seq) => {
                if self.holes.len() == MAX_HOLES {
                    self.holes.pop_front();
                }
                self.holes.push_back((end, segment.seq));
                Order::Gap { missing: segment.seq.since(end) }
            }
            // What has been acknowledged is not missing: a keep-alive, for one (RFC 9293 3.8.4).
            false if self.acknowledged.is_some_and(|(ack, _)| behind.at_or_before(ack)) => Order::InOrder,
            false if segment.seq.before(end) => {
                let missing = |(from, to): &(Seq, Seq)| from.before(behind) && segment.seq.before(*to);
                if self.holes.iter().any(missing) { Order::FillsGap } else { Order::Overlap }
            }
            false => Order::InOrder,
        }
    }

    /// By this segment of the peer's. True: by a duplicate.
    fn acknowledge(&mut self, by: &Segment) -> bool {
        let under_way = self.end.is_some_and(|end| by.ack.before(end));
        let same = self.acknowledged == Some((by.ack, by.window));
        let repeats = same && under_way && by.seq_len() == 0;
        self.repeats = if repeats { self.repeats + 1 } else { 0 };
        self.acknowledged = Some((by.ack, by.window));
        repeats
    }
}
