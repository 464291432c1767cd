//! From what happened to what is drawn: one row for each thing that a textbook would draw.

use std::time::Duration;

use super::{Direction, LocalEvent, Side, State};
use handfast_stack::wire::Flags;

mod builder;
pub(super) mod order;
pub(super) mod window;

/// The rows of a sequence diagram, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// Before the first row.
    pub client: Option<State>,
    pub server: Option<State>,
    pub rows: Vec<Row>,
    /// So many one after the other.
    pub connections: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since the first row.
    pub at: Duration,
    /// How long nothing came before it, where that is part of the story.
    pub wait: Option<Duration>,
    pub kind: RowKind,
    /// After this row.
    pub client: State,
    /// After this row.
    pub server: State,
    /// Another connection between the same ports begins with it.
    pub begins: bool,
    /// One sentence, where it matters.
    pub annotation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    Segment(Arrow),
    Local(Side, LocalEvent),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Of the segment: the row in which it leaves and the one in which it arrives have the same.
    pub number: usize,
    pub direction: Direction,
    pub path: Path,
    pub flags: Flags,
    /// Counted from the sender's first sequence number.
    pub seq: u32,
    /// Counted from the receiver's first sequence number. `None` without ACK.
    pub ack: Option<u32>,
    /// Octets of payload.
    pub payload_len: u32,
    /// Not the first copy.
    pub retransmitted: bool,
    /// Its numbers are those of an older connection, so that they do not count from this one's.
    pub older: bool,
    /// Of a capture.
    pub window: Option<Window>,
    /// What is to be named of it, each time.
    pub labels: Vec<String>,
}

/// How much its sender has room for, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub bytes: u32,
    /// False: as sent, because the SYNs with the shift count were not captured.
    pub scaled: bool,
}

/// How much of a segment's way a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// Sent and received in this row.
    Delivered,
    Lost,
    /// Sent; another row shows the arrival.
    Pending,
    /// Received; an earlier row shows it sent.
    Received,
    /// Received, but sent by neither end.
    Injected,
}

/// What the segments do not say.
#[derive(Clone, Debug)]
pub struct DiagramOptions {
    /// Shorter silences are no part of the story.
    pub min_wait: Duration,
    /// The record is a capture: what was taken at one place, perhaps not all of it.
    pub capture: bool,
    /// The server answers SYNs by cookie.
    pub cookies: bool,
    /// Own sentences in place of the usual ones, by segment, for the row in which it leaves (or the
    /// only one), or the row in which it arrives.
    pub notes: Vec<Note>,
}

impl Default for DiagramOptions {
    /// The shortest time-out in use, that of Linux, is 0.2 s.
    fn default() -> DiagramOptions {
        DiagramOptions {
            min_wait: Duration::from_millis(150),
            capture: false,
            cookies: false,
            notes: Vec::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    pub segment: usize,
    pub arrives: bool,
    pub text: &'static str,
}

impl Diagram {
    /// Whether there is such a row.
    pub fn has(&self, fits: impl Fn(&Row) -> bool) -> bool {
        self.rows.iter().any(fits)
    }

    /// Its rows alone, without an explanation of any.
    pub fn without_annotations(mut self) -> Diagram {
        self.rows.iter_mut().for_each(|row| row.annotation = None);
        self
    }

    /// The same, had a handshake two segments: the server is ESTABLISHED by the SYN alone, and what
    /// the client would say in a third is never said.
    pub fn in_two_ways(mut self) -> Diagram {
        let objects = |row: &Row| matches!(&row.kind, RowKind::Segment(arrow) if arrow.flags.has(Flags::RST));
        let end = self.rows.iter().position(objects).unwrap_or(self.rows.len());
        self.rows.truncate(end);
        for row in self.rows.iter_mut().filter(|row| row.server == State::SynReceived) {
            row.server = State::Established;
        }
        self
    }
}

#[cfg(test)]
mod tests;
