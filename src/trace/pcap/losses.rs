//! Losses after the point of capture, inferred from retransmissions.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::{Direction, Event, Record, Segment};
use handfast_stack::wire::{Flags, Seq};

/// A later copy was sent after a timeout: Linux waits at least 0.2 s. An earlier one may be the same packet,
/// captured twice.
const MIN_RTO: Duration = Duration::from_millis(150);

/// Marks lost segments, and returns their number:
///
/// - a segment retransmitted before it was acknowledged, after a timeout or after a duplicate ACK (RFC 5681 3.2),
///   perhaps with SACK blocks (RFC 2018);
/// - the ACK of a SYN or FIN that was retransmitted long after that ACK.
///
/// A spurious timeout of a delayed segment cannot be told from a loss. Without captured segments of the peer nothing
/// is marked; neither is data that the peer did not take because its window was closed.
pub(super) fn infer(record: &mut Record) -> usize {
    let seen = |way| record.segments.iter().any(|(direction, _)| *direction == way);
    if !(seen(Direction::ToServer) && seen(Direction::ToClient)) {
        return 0;
    }
    let mut search = Search { lost: vec![false; record.segments.len()], ..Search::default() };
    for moment in &record.moments {
        if let Event::Sent(number) = moment.event {
            search.see(record, number, moment.at);
        }
    }
    for moment in &mut record.moments {
        if let Event::Received(number) = moment.event
            && search.lost.get(number) == Some(&true)
        {
            moment.event = Event::Lost(number);
        }
    }
    search.lost.iter().filter(|lost| **lost).count()
}

#[derive(Default)]
struct Search {
    /// By segment.
    lost: Vec<bool>,
    /// By direction.
    ways: [SentSegments; 2],
    /// Time of each segment.
    times: Vec<Duration>,
}

/// The segments of one direction.
#[derive(Default)]
struct SentSegments {
    sent: Vec<Sent>,
    /// Indices in `sent` of unacknowledged segments, in order.
    open: VecDeque<usize>,
    /// Index of the last copy.
    copies: HashMap<(Seq, Seq), usize>,
    /// The peer's window is closed.
    full: bool,
    /// The number of the peer's last segment.
    last_of_peer: Option<usize>,
    /// The last acknowledgement, and the segment that repeated it while data was unacknowledged.
    duplicate_ack: Option<(Seq, Option<usize>)>,
}

/// A segment that occupies sequence numbers.
struct Sent {
    number: usize,
    end: Seq,
    /// The segment that acknowledged it first.
    acknowledged: Option<usize>,
}

impl Search {
    fn see(&mut self, record: &Record, number: usize, at: Duration) {
        let Some((direction, segment)) = record.segments.get(number) else { return };
        self.times.resize(number + 1, at);
        let (own, peer) = self.ways(*direction);
        peer.last_of_peer = Some(number);
        if segment.flags.has(Flags::ACK) {
            peer.acknowledge(segment, number);
            if !segment.flags.has(Flags::RST) {
                peer.full = segment.window == Some(0);
            }
        }
        if segment.seq_len() == 0 {
            return;
        }
        let end = segment.seq + segment.seq_len();
        if let Some(sent) = own.copies.get(&(segment.seq, end)).and_then(|place| own.sent.get(*place)) {
            let (number, acknowledged) = (sent.number, sent.acknowledged);
            let requested =
                own.duplicate_ack.is_some_and(|(ack, by)| ack.at_or_before(segment.seq) && by > Some(number));
            // A side that doubts a SYN has received it (RFC 5961 4.2).
            let doubted = segment.opens() && own.last_of_peer > Some(number);
            if !own.full && !doubted {
                self.retransmitted(record, (number, segment), acknowledged, at, requested);
            }
        } else if segment.flags.has(Flags::SYN) {
            // Another connection between the same ports: what the last one left open stays so.
            (own.open, own.duplicate_ack) = (VecDeque::new(), None);
        }
        let (own, _) = self.ways(*direction);
        own.copies.insert((segment.seq, end), own.sent.len());
        own.open.push_back(own.sent.len());
        own.sent.push(Sent { number, end, acknowledged: None });
    }

    /// Of the sender, of the receiver.
    fn ways(&mut self, direction: Direction) -> (&mut SentSegments, &mut SentSegments) {
        let [up, down] = &mut self.ways;
        match direction {
            Direction::ToServer => (up, down),
            Direction::ToClient => (down, up),
        }
    }

    fn retransmitted(
        &mut self,
        record: &Record,
        (first, segment): (usize, &Segment),
        acknowledged: Option<usize>,
        at: Duration,
        requested: bool,
    ) {
        let since =
            |number: usize| self.times.get(number).map_or(Duration::ZERO, |then| at.saturating_sub(*then));
        match acknowledged {
            None if requested || since(first) >= MIN_RTO => self.lose(first),
            Some(ack) if since(ack) >= MIN_RTO && segment.flags.0 & END.0 != 0 => {
                self.lose_acks(record, ack, segment);
            }
            _ => {}
        }
    }

    /// Marks all ACKs of the segment from `first` on, unless one of them certainly arrived.
    fn lose_acks(&mut self, record: &Record, first: usize, segment: &Segment) {
        let end = segment.seq + segment.seq_len();
        let Some((way, _)) = record.segments.get(first) else { return };
        let acks: Vec<usize> = (first..self.times.len())
            .filter(|number| {
                let it = record.segments.get(*number);
                it.is_some_and(|(direction, it)| {
                    direction == way && it.flags.has(Flags::ACK) && end.at_or_before(it.ack)
                })
            })
            .collect();
        let pure_ack = |number: &usize| record.segments.get(*number).is_some_and(|(_, it)| it.seq_len() == 0);
        if acks.iter().all(|number| pure_ack(number) || self.lost.get(*number) == Some(&true)) {
            acks.into_iter().for_each(|number| self.lose(number));
        }
    }

    fn lose(&mut self, number: usize) {
        if let Some(lost) = self.lost.get_mut(number) {
            *lost = true;
        }
    }
}

/// Segments whose ACK changes a state.
const END: Flags = Flags::SYN.with(Flags::FIN);

impl SentSegments {
    /// Takes the acknowledgement of this segment of the peer.
    fn acknowledge(&mut self, by: &Segment, number: usize) {
        self.duplicate_ack = match self.duplicate_ack {
            Some((ack, _)) if ack == by.ack && by.seq_len() == 0 && !self.open.is_empty() => {
                Some((ack, Some(number)))
            }
            _ => Some((by.ack, None)),
        };
        while let Some(sent) = self.open.front().and_then(|place| self.sent.get_mut(*place)) {
            if by.ack.before(sent.end) {
                break;
            }
            sent.acknowledged = Some(number);
            self.open.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
