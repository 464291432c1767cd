use std::collections::VecDeque;
use std::time::Duration;

use super::Tcp;
use super::losses::infer;
use crate::{Direction, Record, Segment};

/// The first segments of a connection.
#[derive(Debug)]
pub struct Recorded {
    pub record: Record,
    /// Segments in it that were lost, inferred from the others.
    pub lost: usize,
    /// Segments after it.
    pub more: u64,
    /// Segments captured twice; the record has them once.
    pub duplicates: u64,
}

/// A copy within this time may be the same packet at another interface; a sender retransmits later: Linux after
/// at least 0.2 s.
const MAX_DUPLICATE_DELAY: Duration = Duration::from_millis(150);
/// Recent segments that are searched for a duplicate.
const DUPLICATE_WINDOW: usize = 256;

/// Records the segments between two ends.
#[derive(Debug)]
pub(super) struct Recording {
    max_segments: usize,
    record: Record,
    more: u64,
    duplicates: u64,
    recent: VecDeque<Recent>,
    /// For each direction, the IPv4 identification of the last packet, and whether it changes.
    ids: [(Option<u16>, bool); 2],
    /// How often each packet was captured, known from packets that were certainly sent once.
    times: u32,
}

#[derive(Debug)]
struct Recent {
    at: Duration,
    direction: Direction,
    segment: Segment,
    id: Option<u16>,
    /// How often it was captured.
    times: u32,
}

impl Recording {
    pub(super) fn new(max_segments: usize) -> Recording {
        let (record, recent) = (Record::default(), VecDeque::new());
        Recording { max_segments, record, more: 0, duplicates: 0, recent, ids: [(None, false); 2], times: 1 }
    }

    pub(super) fn add(&mut self, at: Duration, direction: Direction, tcp: &Tcp) {
        if self.record.segments.len() >= self.max_segments {
            self.more += 1;
            return;
        }
        self.note_id(direction, tcp.id);
        if self.is_duplicate(at, direction, tcp) {
            self.duplicates += 1;
            return;
        }
        if self.recent.len() == DUPLICATE_WINDOW {
            self.recent.pop_front();
        }
        let Tcp { segment, id, .. } = *tcp;
        self.recent.push_back(Recent { at, direction, segment, id, times: 1 });
        self.record.push_delivered(at, direction, segment);
    }

    fn note_id(&mut self, direction: Direction, id: Option<u16>) {
        if let Some((last, differ)) = self.ids.get_mut(direction as usize) {
            *differ |= last.is_some() && id.is_some() && *last != id;
            *last = id.or(*last);
        }
    }

    /// Whether it is the same packet, captured at another interface or a mirror port: all fields equal, within
    /// [`MAX_DUPLICATE_DELAY`], and the same IPv4 identification. If that proves nothing (IPv6, or constant), a
    /// pure ACK may be a duplicate ACK (RFC 5681 2), unless other segments are duplicates too; and data requested
    /// by duplicate ACKs may be a retransmission.
    fn is_duplicate(&mut self, at: Duration, direction: Direction, tcp: &Tcp) -> bool {
        let changes = self.ids.get(direction as usize).is_some_and(|(_, changes)| *changes);
        let equal = |recent: &Recent| {
            recent.direction == direction
                && recent.segment == tcp.segment
                && recent.id == tcp.id
                && at.abs_diff(recent.at) < MAX_DUPLICATE_DELAY
        };
        let Some(place) = self.recent.iter().rposition(equal) else { return false };
        let certain = changes && tcp.id.is_some_and(|id| id != 0);
        let pure_ack = tcp.segment.seq_len() == 0;
        let requested = self.times == 1 && !pure_ack && self.is_requested(place, direction, &tcp.segment);
        let max = if pure_ack { self.times } else { u32::MAX };
        let Some(recent) = self.recent.get_mut(place) else { return false };
        let duplicate = certain || !requested && recent.times < max;
        if duplicate {
            recent.times += 1;
            if !pure_ack {
                self.times = self.times.max(recent.times);
            }
        }
        duplicate
    }

    /// Whether the peer has requested it since then, by a duplicate ACK or by a SACK block after it (RFC 2018).
    fn is_requested(&self, place: usize, direction: Direction, segment: &Segment) -> bool {
        let mut last = None;
        self.recent.iter().skip(place + 1).filter(|recent| recent.direction != direction).any(|recent| {
            let ack = recent.segment.acknowledges();
            let repeats = ack.is_some() && last == ack && ack == Some(segment.seq);
            last = ack;
            repeats || ack == Some(segment.seq) && !recent.segment.sack.blocks().is_empty()
        })
    }

    /// Exchanges client and server.
    pub(super) fn swap_ends(&mut self) {
        for (direction, _) in &mut self.record.segments {
            *direction = direction.opposite();
        }
        for recent in &mut self.recent {
            recent.direction = recent.direction.opposite();
        }
        self.ids.swap(0, 1);
    }

    pub(super) fn finish(mut self) -> Recorded {
        let lost = infer(&mut self.record);
        Recorded { record: self.record, lost, more: self.more, duplicates: self.duplicates }
    }
}
