//! The order of segments by sequence number, at the point of capture.

use std::collections::VecDeque;

use crate::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// Order of a segment relative to those before it in its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// In order.
    Expected,
    /// After a gap of `missing` bytes.
    Gap { missing: u32 },
    /// Fills a gap, and is not a copy.
    FillsGap,
    /// Overlaps earlier segments, fills no gap, and is not a copy.
    Overlap,
    /// A duplicate ACK: the same number as the last one, while data is in flight (RFC 5681 2).
    DuplicateAck,
    /// A retransmission requested by duplicate ACKs.
    FastRetransmit,
}

/// The sequence numbers seen in both directions.
#[derive(Default)]
pub(super) struct Sequence {
    up: SeenNumbers,
    down: SeenNumbers,
}

/// Maximum number of gaps tracked.
const MAX_HOLES: usize = 64;

#[derive(Default)]
struct SeenNumbers {
    /// The number after the highest one seen.
    end: Option<Seq>,
    /// The last gaps before the end: first number, and number after the last.
    holes: VecDeque<(Seq, Seq)>,
    /// The last acknowledgement, with its window.
    acknowledged: Option<(Seq, Option<u16>)>,
    /// Number of its duplicates.
    repeats: u32,
}

impl Sequence {
    /// Classifies the next segment. `retransmitted`: it is a copy.
    pub(super) fn place(&mut self, direction: Direction, segment: &Segment, retransmitted: bool) -> Order {
        let (own, peer) = match direction {
            Direction::ToServer => (&mut self.up, &mut self.down),
            Direction::ToClient => (&mut self.down, &mut self.up),
        };
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            return Order::Expected;
        }
        if flags.has(Flags::SYN) && !retransmitted {
            // A new connection on the same 4-tuple.
            *own = SeenNumbers::default();
        }
        let repeats = flags.has(Flags::ACK) && peer.acknowledge(segment);
        if segment.seq_len() == 0 {
            return if repeats { Order::DuplicateAck } else { Order::Expected };
        }
        own.send(segment, retransmitted)
    }
}

impl SeenNumbers {
    fn send(&mut self, segment: &Segment, retransmitted: bool) -> Order {
        let behind = segment.seq + segment.seq_len();
        let Some(end) = self.end else {
            self.end = Some(behind);
            return Order::Expected;
        };
        if end.before(behind) {
            self.end = Some(behind);
        }
        let asked =
            self.repeats > 0 && self.acknowledged.is_some_and(|(ack, _)| ack.at_or_before(segment.seq));
        match retransmitted {
            true if asked => Order::FastRetransmit,
            true => Order::Expected,
            false if end.before(segment.seq) => {
                if self.holes.len() == MAX_HOLES {
                    self.holes.pop_front();
                }
                self.holes.push_back((end, segment.seq));
                Order::Gap { missing: segment.seq.since(end) }
            }
            // Acknowledged data is not missing: a keep-alive, for instance (RFC 9293 3.8.4).
            false if self.acknowledged.is_some_and(|(ack, _)| behind.at_or_before(ack)) => Order::Expected,
            false if segment.seq.before(end) => {
                let missing = |(from, to): &(Seq, Seq)| from.before(behind) && segment.seq.before(*to);
                if self.holes.iter().any(missing) { Order::FillsGap } else { Order::Overlap }
            }
            false => Order::Expected,
        }
    }

    /// Takes the acknowledgement of a segment of the peer. Returns true for a duplicate.
    fn acknowledge(&mut self, by: &Segment) -> bool {
        let under_way = self.end.is_some_and(|end| by.ack.before(end));
        let same = self.acknowledged == Some((by.ack, by.window));
        let repeats = same && under_way && by.seq_len() == 0;
        self.repeats = if repeats { self.repeats + 1 } else { 0 };
        self.acknowledged = Some((by.ack, by.window));
        repeats
    }
}
