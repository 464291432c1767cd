use std::collections::VecDeque;
use std::time::Duration;

use super::Tcp;
use super::losses::infer;
use crate::{Direction, Record, Segment};

/// The beginning of what passed between two ends.
#[derive(Debug)]
pub struct Recorded {
    pub record: Record,
    /// Segments in it that did not arrive, as far as the others tell.
    pub lost: usize,
    /// Segments that come after it.
    pub more: u64,
    /// Segments that were captured twice, and are in the record once.
    pub doubled: u64,
}

/// A copy that comes so soon may be the same packet at another interface; a sender waits longer: Linux
/// for 0.2 s at least before it sends again.
const MAX_DUPLICATE_DELAY: Duration = Duration::from_millis(150);
/// Segments among which a copy is looked for.
const DUPLICATE_WINDOW: usize = 256;

/// Takes the segments of one pair of ends as they come.
#[derive(Debug)]
pub(super) struct Recording {
    max_segments: usize,
    record: Record,
    more: u64,
    doubled: u64,
    recent: VecDeque<Recent>,
    /// Of each direction, the identification of the last packet, and whether they differ.
    ids: [(Option<u16>, bool); 2],
    /// How often each packet was captured, as far as those show that cannot have been sent so often.
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
    pub fn new(max_segments: usize) -> Recording {
        let (record, recent) = (Record::default(), VecDeque::new());
        Recording { max_segments, record, more: 0, doubled: 0, recent, ids: [(None, false); 2], times: 1 }
    }

    pub fn take(&mut self, at: Duration, direction: Direction, tcp: &Tcp) {
        if self.record.segments.len() >= self.max_segments {
            self.more += 1;
            return;
        }
        self.note_id(direction, tcp.id);
        if self.is_double(at, direction, tcp) {
            self.doubled += 1;
            return;
        }
        if self.recent.len() == DUPLICATE_WINDOW {
            self.recent.pop_front();
        }
        let Tcp { segment, id, .. } = *tcp;
        self.recent.push_back(Recent { at, direction, segment, id, times: 1 });
        self.record.passes(at, direction, segment);
    }

    fn note_id(&mut self, direction: Direction, id: Option<u16>) {
        if let Some((last, differ)) = self.ids.get_mut(direction as usize) {
            *differ |= last.is_some() && id.is_some() && *last != id;
            *last = id.or(*last);
        }
    }

    /// The same packet again, from another interface or a mirror port: alike in every field, soon, and with
    /// the same identification. Where that says nothing (IPv6, or always the same), what acknowledges only
    /// may as well be a duplicate ACK (RFC 5681 2), unless other segments are doubled, too; and data that was
    /// asked for by such may have been sent again at once.
    fn is_double(&mut self, at: Duration, direction: Direction, tcp: &Tcp) -> bool {
        let differ = self.ids.get(direction as usize).is_some_and(|(_, differ)| *differ);
        let alike = |recent: &Recent| {
            recent.direction == direction
                && recent.segment == tcp.segment
                && recent.id == tcp.id
                && at.abs_diff(recent.at) < MAX_DUPLICATE_DELAY
        };
        let Some(place) = self.recent.iter().rposition(alike) else { return false };
        let certain = differ && tcp.id.is_some_and(|id| id != 0);
        let bare = tcp.segment.seq_len() == 0;
        let asked = self.times == 1 && !bare && self.asked(place, direction, &tcp.segment);
        let max = if bare { self.times } else { u32::MAX };
        let Some(recent) = self.recent.get_mut(place) else { return false };
        let double = certain || !asked && recent.times < max;
        if double {
            recent.times += 1;
            if !bare {
                self.times = self.times.max(recent.times);
            }
        }
        double
    }

    /// Since then the peer has asked for it by a duplicate ACK, or by a block behind it (RFC 2018).
    fn asked(&self, place: usize, direction: Direction, segment: &Segment) -> bool {
        let mut last = None;
        self.recent.iter().skip(place + 1).filter(|recent| recent.direction != direction).any(|recent| {
            let ack = recent.segment.acknowledges();
            let repeats = ack.is_some() && last == ack && ack == Some(segment.seq);
            last = ack;
            repeats || ack == Some(segment.seq) && !recent.segment.sack.blocks().is_empty()
        })
    }

    /// The other way round: what looked like the client is the server.
    pub fn turn(&mut self) {
        for (direction, _) in &mut self.record.segments {
            *direction = direction.opposite();
        }
        for recent in &mut self.recent {
            recent.direction = recent.direction.opposite();
        }
        self.ids.swap(0, 1);
    }

    pub fn finish(mut self) -> Recorded {
        let lost = infer(&mut self.record);
        Recorded { record: self.record, lost, more: self.more, doubled: self.doubled }
    }
}
