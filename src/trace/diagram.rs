//! From what happened to what is drawn: one row for each thing that a textbook would draw.

use std::collections::HashMap;
use std::time::Duration;

use super::{Direction, Event, Mirror, Record, Side, Silent, State, why};
use crate::wire::{Flags, SegmentInfo};
use order::{Order, Sequence};

pub(super) mod order;

/// The rows of a sequence diagram, in the order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagram {
    /// Before the first row.
    pub client: Option<State>,
    pub server: Option<State>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Since the first row.
    pub at: Duration,
    /// How long nothing came before it, where that is part of the story.
    pub wait: Option<Duration>,
    pub what: What,
    /// After this row.
    pub client: State,
    /// After this row.
    pub server: State,
    /// One sentence, where it matters.
    pub why: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Segment(Arrow),
    Told(Side, Silent),
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
    pub payload_len: u16,
    /// Not the first copy.
    pub again: bool,
}

/// How much of a segment's way a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    Whole,
    Lost,
    /// It leaves; another row shows the arrival.
    Leaves,
    /// It arrives; another row showed it leaving.
    Arrives,
    /// It arrives, and came from neither end.
    Appears,
}

/// What the segments do not say.
#[derive(Clone, Debug)]
pub struct Knowledge {
    /// Shorter silences are no part of the story.
    pub least_wait: Duration,
    /// The server answers SYNs by cookie.
    pub cookies: bool,
    /// Own sentences in place of the usual ones, by segment, for the row in which it leaves (or the
    /// only one), or the row in which it arrives.
    pub notes: Vec<Note>,
}

impl Default for Knowledge {
    /// The shortest time-out in use, that of Linux, is 0.2 s.
    fn default() -> Knowledge {
        Knowledge { least_wait: Duration::from_millis(150), cookies: false, notes: Vec::new() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    pub segment: usize,
    pub arrives: bool,
    pub text: &'static str,
}

impl Diagram {
    pub fn of(record: &Record, knowledge: &Knowledge) -> Diagram {
        let mirror = start(record);
        let mirror = if knowledge.cookies { mirror.with_cookies() } else { mirror };
        let (client, server) = (Some(mirror.client()), Some(mirror.server()));
        let mut drawing = Drawing {
            record,
            knowledge,
            mirror,
            copies: HashMap::new(),
            sequence: Sequence::default(),
            said: Vec::new(),
        };
        let mut rows: Vec<Row> = Vec::new();
        let mut moments = record.moments.iter().peekable();
        let first = record.moments.first().map_or(Duration::ZERO, |moment| moment.at);
        let mut last = first;
        while let Some(moment) = moments.next() {
            let next = moments.peek().map(|next| next.event);
            let (mut what, both) = drawing.what(moment.event, next);
            let before = (drawing.mirror.client(), drawing.mirror.server());
            let wait = drawing.wait(&what, moment.at, last);
            let order = drawing.order(&what);
            drawing.take(&mut what);
            let row = Row {
                at: moment.at.saturating_sub(first),
                wait,
                what,
                client: drawing.mirror.client(),
                server: drawing.mirror.server(),
                why: None,
            };
            let why = drawing.why(&row, before, rows.last(), order);
            rows.push(Row { why, ..row });
            last = if both { moments.next().map_or(moment.at, |end| end.at) } else { moment.at };
        }
        Diagram { client, server, rows }
    }
}

impl Diagram {
    /// The same, had a handshake two segments: the server is ESTABLISHED by the SYN alone, and what
    /// the client would say in a third is never said.
    pub fn in_two_ways(mut self) -> Diagram {
        let objects = |row: &Row| matches!(&row.what, What::Segment(arrow) if arrow.flags.has(Flags::RST));
        let end = self.rows.iter().position(objects).unwrap_or(self.rows.len());
        self.rows.truncate(end);
        for row in self.rows.iter_mut().filter(|row| row.server == State::SynReceived) {
            row.server = State::Established;
        }
        self
    }
}

/// The states at the beginning, as far as what follows tells.
fn start(record: &Record) -> Mirror {
    let Some((direction, first)) = record.segments.first() else { return Mirror::default() };
    if !first.flags.has(Flags::SYN) && !first.flags.has(Flags::RST) {
        return Mirror::midway(*direction, first);
    }
    let answer = record.segments.iter().find(|(direction, _)| *direction == Direction::ToClient);
    // Who listens answers with SYN and ACK; who has nobody listening, with a RST; and a SYN alone is
    // no answer.
    let listens =
        answer.is_none_or(|(_, segment)| segment.flags.has(Flags::SYN) && segment.flags.has(Flags::ACK));
    Mirror::starting(State::Closed, if listens { State::Listen } else { State::Closed })
}

struct Drawing<'a> {
    record: &'a Record,
    knowledge: &'a Knowledge,
    mirror: Mirror,
    /// When a segment last left: by direction, sequence number, its flags and length.
    copies: HashMap<(bool, u32, u8, u16), Duration>,
    sequence: Sequence,
    /// Every sentence is said once.
    said: Vec<String>,
}

impl Drawing<'_> {
    /// What this row shows, and whether that includes the next event.
    fn what(&self, event: Event, next: Option<Event>) -> (What, bool) {
        let (number, path, both) = match (event, next) {
            (Event::Told(side, what), _) => return (What::Told(side, what), false),
            (Event::Left(number), Some(Event::Arrived(same))) if number == same => {
                (number, Path::Whole, true)
            }
            (Event::Left(number), Some(Event::Lost(same))) if number == same => (number, Path::Lost, true),
            (Event::Left(number), _) => (number, Path::Leaves, false),
            (Event::Lost(number), _) => (number, Path::Lost, false),
            (Event::Arrived(number), _) if self.has_left(number) => (number, Path::Arrives, false),
            (Event::Arrived(number), _) => (number, Path::Appears, false),
        };
        (What::Segment(self.arrow(number, path)), both)
    }

    fn has_left(&self, number: usize) -> bool {
        self.record.moments.iter().any(|moment| moment.event == Event::Left(number))
    }

    fn segment(&self, number: usize) -> Option<&(Direction, SegmentInfo)> {
        self.record.segments.get(number)
    }

    fn arrow(&self, number: usize, path: Path) -> Arrow {
        let (direction, segment) = self.segment(number).copied().unwrap_or((Direction::ToServer, EMPTY));
        let again = path != Path::Arrives && self.copies.contains_key(&copy(direction, &segment));
        Arrow {
            number,
            direction,
            path,
            flags: segment.flags,
            seq: 0,
            ack: None,
            payload_len: segment.payload_len,
            again,
        }
    }

    /// The silence, if it is long; before a retransmission the time since the last copy.
    fn wait(&mut self, what: &What, at: Duration, last: Duration) -> Option<Duration> {
        let mut since = last;
        if let What::Segment(Arrow { number, path: Path::Whole | Path::Lost | Path::Leaves, .. }) = what {
            let (direction, segment) = self.segment(*number).copied()?;
            if segment.seq_len() > 0 {
                let before = self.copies.insert(copy(direction, &segment), at);
                since = before.unwrap_or(since);
            }
        }
        (at.saturating_sub(last) >= self.knowledge.least_wait).then(|| at.saturating_sub(since))
    }

    /// How a segment that leaves stands to those before it.
    fn order(&mut self, what: &What) -> Order {
        match what {
            What::Segment(Arrow { number, path: Path::Whole | Path::Lost | Path::Leaves, again, .. }) => {
                let Some((direction, segment)) = self.segment(*number).copied() else { return Order::Next };
                self.sequence.place(direction, &segment, *again)
            }
            _ => Order::Next,
        }
    }

    /// Lets the mirror see it, and counts its numbers as the mirror does then.
    fn take(&mut self, what: &mut What) {
        let arrow = match what {
            What::Told(side, what) => return self.mirror.told(*side, *what),
            What::Segment(arrow) => arrow,
        };
        let Some((direction, segment)) = self.segment(arrow.number).copied() else { return };
        if matches!(arrow.path, Path::Whole | Path::Lost | Path::Leaves) {
            self.mirror.departs(direction, &segment);
        }
        if matches!(arrow.path, Path::Whole | Path::Arrives | Path::Appears) {
            self.mirror.arrives(direction, &segment);
        }
        (arrow.seq, arrow.ack) = self.mirror.relative(direction, &segment);
    }

    /// A sentence that was not said yet.
    fn why(
        &mut self,
        row: &Row,
        before: (State, State),
        previous: Option<&Row>,
        order: Order,
    ) -> Option<String> {
        let note = match &row.what {
            What::Segment(arrow) => {
                let arrives = arrow.path == Path::Arrives;
                let fits = |note: &&Note| note.segment == arrow.number && note.arrives == arrives;
                self.knowledge.notes.iter().find(fits)
            }
            What::Told(..) => None,
        };
        let text = match note {
            Some(note) => note.text.to_owned(),
            None => why::sentence(row, before, previous, order, self.knowledge.cookies)?,
        };
        if text.is_empty() || self.said.contains(&text) {
            return None;
        }
        self.said.push(text.clone());
        Some(text)
    }
}

const EMPTY: SegmentInfo = SegmentInfo {
    seq: crate::wire::Seq(0),
    ack: crate::wire::Seq(0),
    flags: Flags(0),
    window: 0,
    payload_len: 0,
    options: crate::wire::Options { mss: None, window_scale: None, sack_permitted: false, timestamps: None },
};

/// What a retransmission has in common with the first copy. An ACK may join a FIN or data, but makes
/// a SYN another segment.
fn copy(direction: Direction, segment: &SegmentInfo) -> (bool, u32, u8, u16) {
    let mut kind = segment.flags.0 & Flags::SYN.with(Flags::FIN).with(Flags::RST).0;
    if segment.flags.has(Flags::SYN) {
        kind |= segment.flags.0 & Flags::ACK.0;
    }
    (direction == Direction::ToServer, segment.seq.0, kind, segment.payload_len)
}

#[cfg(test)]
mod tests;
