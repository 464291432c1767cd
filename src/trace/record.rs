use std::time::Duration;

use super::{Direction, Segment};

/// One of the two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// What changes a state, and no segment shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalEvent {
    /// The user has called CLOSE (RFC 9293 3.10.4).
    Close,
    /// Twice the maximum segment lifetime has passed (RFC 9293 3.4.2).
    TwoMsl,
}

impl LocalEvent {
    /// As the RFC's figures write it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            LocalEvent::Close => "(CLOSE)",
            LocalEvent::TwoMsl => "(2 MSL)",
        }
    }
}

/// One connection as it happened: what left, what arrived, what was lost, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub segments: Vec<(Direction, Segment)>,
    pub moments: Vec<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since any fixed point.
    pub at: Duration,
    pub event: Event,
}

/// The number is that of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Sent(usize),
    /// Without [`Event::Sent`] before: out of the network, from nobody we watch.
    Received(usize),
    Lost(usize),
    Local(Side, LocalEvent),
}

impl Record {
    /// A segment that nothing has happened to yet; its number.
    pub fn add(&mut self, direction: Direction, segment: Segment) -> usize {
        self.segments.push((direction, segment));
        self.segments.len() - 1
    }

    pub fn happens(&mut self, at: Duration, event: Event) {
        self.moments.push(Moment { at, event });
    }

    /// A segment that nobody held up: as one point of the wire sees it.
    pub fn passes(&mut self, at: Duration, direction: Direction, segment: Segment) {
        let number = self.add(direction, segment);
        self.happens(at, Event::Sent(number));
        self.happens(at, Event::Received(number));
    }

    /// Segments that have come to their end, one way or the other.
    pub fn settled(&self) -> usize {
        let settles = |moment: &&Moment| matches!(moment.event, Event::Received(_) | Event::Lost(_));
        self.moments.iter().filter(settles).count()
    }
}
