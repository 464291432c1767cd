use std::time::Duration;

use super::direction::{Direction, Side};
use super::segment::Segment;

/// A change of state without a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalEvent {
    /// The user called CLOSE (RFC 9293 3.10.4).
    Close,
    /// TIME-WAIT ended after twice the maximum segment lifetime (RFC 9293 3.4.2).
    TwoMsl,
}

impl LocalEvent {
    /// The name in the RFC's figures.
    pub(super) const fn label(self) -> &'static str {
        match self {
            LocalEvent::Close => "(CLOSE)",
            LocalEvent::TwoMsl => "(2 MSL)",
        }
    }
}

/// The segments of one connection, and when each was sent, received or lost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    pub segments: Vec<(Direction, Segment)>,
    pub moments: Vec<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since an arbitrary fixed point.
    pub at: Duration,
    pub event: Event,
}

/// An event; the number is that of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Sent(usize),
    /// Without [`Event::Sent`] before: not sent by either end.
    Received(usize),
    Lost(usize),
    Local(Side, LocalEvent),
}

impl Record {
    /// Adds a segment without an event. Returns its number.
    pub fn add(&mut self, direction: Direction, segment: Segment) -> usize {
        self.segments.push((direction, segment));
        self.segments.len() - 1
    }

    /// Adds an event.
    pub fn push(&mut self, at: Duration, event: Event) {
        self.moments.push(Moment { at, event });
    }

    /// Adds a segment that is sent and received at once, as seen at one point of the wire.
    pub fn push_delivered(&mut self, at: Duration, direction: Direction, segment: Segment) {
        let number = self.add(direction, segment);
        self.push(at, Event::Sent(number));
        self.push(at, Event::Received(number));
    }

    /// Returns the number of segments that were received or lost.
    pub fn completed(&self) -> usize {
        let completes = |moment: &&Moment| matches!(moment.event, Event::Received(_) | Event::Lost(_));
        self.moments.iter().filter(completes).count()
    }
}
