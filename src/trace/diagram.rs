//! The rows of a ladder diagram: one for each segment or local event, as in textbooks.

use std::time::Duration;

use super::{Direction, LocalEvent, Side, State};
use handfast_stack::wire::Flags;

mod builder;
pub(super) mod order;
pub(super) mod window;

/// A ladder diagram: rows in chronological order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// The state before the first row.
    pub client: Option<State>,
    pub server: Option<State>,
    pub rows: Vec<Row>,
    /// Number of consecutive connections.
    pub connections: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since the first row.
    pub at: Duration,
    /// The pause before it, if it is long enough to matter.
    pub wait: Option<Duration>,
    pub kind: RowKind,
    /// The state after this row.
    pub client: State,
    /// The state after this row.
    pub server: State,
    /// The first row of another connection between the same ports.
    pub begins: bool,
    /// An explanation, where one is needed.
    pub annotation: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    Segment(Arrow),
    Local(Side, LocalEvent),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// Number of the segment; its sending and its arrival have the same.
    pub number: usize,
    pub direction: Direction,
    pub path: Path,
    pub flags: Flags,
    /// Relative to the sender's first sequence number.
    pub seq: u32,
    /// Relative to the receiver's first sequence number. `None` without ACK.
    pub ack: Option<u32>,
    /// Bytes.
    pub payload_len: u32,
    /// A retransmission.
    pub retransmitted: bool,
    /// Its numbers belong to an older connection, so they are not relative to this one's.
    pub older: bool,
    /// Only in captures.
    pub window: Option<Window>,
    /// Labels of the segment, such as `zero window`.
    pub labels: Vec<String>,
}

/// The receive window of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub bytes: u32,
    /// False: unscaled, because the SYNs with the shift count were not captured.
    pub scaled: bool,
}

/// The part of a segment's path that a row shows.
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

/// Options of a diagram.
#[derive(Clone, Debug)]
pub struct DiagramOptions {
    /// Shorter pauses are not shown.
    pub min_wait: Duration,
    /// The record is from a capture at one point, and may be incomplete.
    pub capture: bool,
    /// The server uses SYN cookies.
    pub cookies: bool,
    /// Explanations that replace the generated ones, by segment, for its only or its first row, or for the row of
    /// its arrival.
    pub notes: Vec<Note>,
}

impl Default for DiagramOptions {
    /// Below the minimum retransmission timeout in use: 0.2 s on Linux.
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
    /// Whether a row matches.
    pub fn has(&self, matches: impl Fn(&Row) -> bool) -> bool {
        self.rows.iter().any(matches)
    }

    /// Removes all explanations.
    pub fn without_annotations(mut self) -> Diagram {
        self.rows.iter_mut().for_each(|row| row.annotation = None);
        self
    }

    /// The same as if a handshake had two segments: the server is ESTABLISHED after the SYN, and the client's third
    /// segment is missing.
    pub fn in_two_ways(mut self) -> Diagram {
        let is_reset =
            |row: &Row| matches!(&row.kind, RowKind::Segment(arrow) if arrow.flags.has(Flags::RST));
        let end = self.rows.iter().position(is_reset).unwrap_or(self.rows.len());
        self.rows.truncate(end);
        for row in self.rows.iter_mut().filter(|row| row.server == State::SynReceived) {
            row.server = State::Established;
        }
        self
    }
}

#[cfg(test)]
mod tests;
