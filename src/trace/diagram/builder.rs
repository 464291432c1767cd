//! Builds a diagram row by row: segment, states after it, explanation.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::order::{Order, Sequence};
use super::window::{Remark, Windows};
use super::{Arrow, Diagram, DiagramOptions, Path, Row, RowKind};
use crate::evidence::{Evidence, Numbers, Place};
use crate::{Direction, Event, Mirror, Moment, Record, Segment, State, annotate};
use handfast_stack::wire::{Flags, Seq};

struct DiagramBuilder<'a> {
    record: &'a Record,
    options: &'a DiagramOptions,
    mirror: Mirror,
    /// Only for captures.
    evidence: Option<Evidence>,
    /// The connection of the last row.
    connection: Option<usize>,
    /// Time of the last copy of a segment, by direction, sequence number, flags and length.
    copies: HashMap<(bool, u32, u8, u32), Duration>,
    sequence: Sequence,
    windows: Windows,
    /// The segments sent so far.
    sent: HashSet<usize>,
    /// Explanations given so far: each is given once.
    given: HashSet<String>,
}

impl Diagram {
    pub fn of(record: &Record, knowledge: &DiagramOptions) -> Diagram {
        let mut builder = DiagramBuilder::new(record, knowledge);
        let (client, server) = builder.states();
        let mut rows: Vec<Row> = Vec::new();
        let mut moments = record.moments.iter().peekable();
        let first = record.moments.first().map_or(Duration::ZERO, |moment| moment.at);
        let mut last = first;
        while let Some(moment) = moments.next() {
            let next = moments.peek().map(|next| next.event);
            rows.push(builder.row(moment, next, last, rows.last(), first));
            let both = next.is_some_and(|next| joins(moment.event, next));
            last = if both { moments.next().map_or(moment.at, |end| end.at) } else { moment.at };
        }
        Diagram { client: Some(client), server: Some(server), rows, connections: builder.connections() }
    }
}

/// Whether both events are one row: a segment is sent, and received or lost at once.
fn joins(event: Event, next: Event) -> bool {
    match (event, next) {
        (Event::Sent(number), Event::Received(same) | Event::Lost(same)) => number == same,
        _ => false,
    }
}

impl<'a> DiagramBuilder<'a> {
    pub(crate) fn new(record: &'a Record, options: &'a DiagramOptions) -> DiagramBuilder<'a> {
        let evidence = options.capture.then(|| Evidence::of(&record.segments));
        let mirror = match &evidence {
            Some(_) => Mirror::starting(State::Unknown, State::Unknown),
            None => start(record),
        };
        let mut builder = DiagramBuilder {
            record,
            options,
            mirror: if options.cookies { mirror.with_cookies() } else { mirror },
            evidence,
            connection: None,
            copies: HashMap::new(),
            sequence: Sequence::default(),
            windows: Windows::default(),
            sent: HashSet::new(),
            given: HashSet::new(),
        };
        builder.begin(0);
        builder
    }

    pub(crate) fn states(&self) -> (State, State) {
        (self.mirror.client(), self.mirror.server())
    }

    pub(crate) fn connections(&self) -> usize {
        self.evidence.as_ref().map_or(1, Evidence::connections)
    }

    pub(crate) fn row(
        &mut self,
        moment: &Moment,
        next: Option<Event>,
        last: Duration,
        previous: Option<&Row>,
        first: Duration,
    ) -> Row {
        let mut kind = self.kind(moment.event, next);
        let before = self.states();
        let begins = self.begins(&kind);
        let since = self.leaves(&kind, moment.at);
        let silent = moment.at.saturating_sub(last);
        let wait = (silent >= self.options.min_wait).then(|| since.unwrap_or(silent));
        let order = self.order(&kind);
        let remark = self.update(&mut kind);
        let (client, server) = self.states();
        let row =
            Row { at: moment.at.saturating_sub(first), wait, kind, client, server, begins, annotation: None };
        let context = annotate::AnnotateContext {
            before,
            previous,
            order,
            remark,
            late: since.is_some_and(|since| since >= self.options.min_wait),
            numbers: self.numbers(&row),
            one_sided: self.is_one_sided(&row),
            cookies: self.options.cookies,
        };
        let annotation = self.annotate(&row, &context);
        Row { annotation, ..row }
    }

    /// Returns the content of a row.
    fn kind(&mut self, event: Event, next: Option<Event>) -> RowKind {
        let (number, path) = match (event, next) {
            (Event::Local(side, kind), _) => return RowKind::Local(side, kind),
            (Event::Sent(number), Some(Event::Received(same))) if number == same => (number, Path::Delivered),
            (Event::Sent(number), Some(Event::Lost(same))) if number == same => (number, Path::Lost),
            (Event::Sent(number), _) => (number, Path::Pending),
            (Event::Lost(number), _) => (number, Path::Lost),
            (Event::Received(number), _) if self.sent.contains(&number) => (number, Path::Received),
            (Event::Received(number), _) => (number, Path::Injected),
        };
        if matches!(event, Event::Sent(_)) {
            self.sent.insert(number);
        }
        RowKind::Segment(self.arrow(number, path))
    }

    fn segment(&self, number: usize) -> Option<&'a (Direction, Segment)> {
        self.record.segments.get(number)
    }

    fn arrow(&self, number: usize, path: Path) -> Arrow {
        let (direction, segment) =
            self.segment(number).copied().unwrap_or((Direction::ToServer, Segment::default()));
        Arrow {
            number,
            direction,
            path,
            flags: segment.flags,
            seq: 0,
            ack: None,
            payload_len: segment.payload_len,
            retransmitted: path != Path::Received && self.copies.contains_key(&copy(direction, &segment)),
            older: self.place(number).numbers != Numbers::Own,
            window: None,
            labels: Vec::new(),
        }
    }

    fn place(&self, number: usize) -> Place {
        self.evidence.as_ref().map(|evidence| evidence.place(number)).unwrap_or_default()
    }

    /// Whether another connection begins in this row.
    fn begins(&mut self, kind: &RowKind) -> bool {
        match kind {
            RowKind::Segment(arrow) => self.begin(arrow.number),
            RowKind::Local(..) => false,
        }
    }

    /// Begins the segment's connection, if it is its first. Returns true if another one precedes it.
    fn begin(&mut self, number: usize) -> bool {
        let (Some(evidence), Some((direction, segment))) = (&self.evidence, self.segment(number)) else {
            return false;
        };
        let place = evidence.place(number).connection;
        if self.connection == Some(place) {
            return false;
        }
        if let Some(connection) = evidence.connection(place) {
            self.mirror.begin(connection, *direction, segment);
        }
        self.copies.clear();
        (self.sequence, self.windows) = (Sequence::default(), Windows::default());
        self.connection.replace(place).is_some()
    }

    /// The time since the last copy of a segment that leaves, if there was one.
    fn leaves(&mut self, kind: &RowKind, at: Duration) -> Option<Duration> {
        let RowKind::Segment(Arrow { number, path: Path::Delivered | Path::Lost | Path::Pending, .. }) = kind
        else {
            return None;
        };
        let (direction, segment) = self.segment(*number).copied()?;
        let copied = segment.seq_len() > 0;
        let before = copied.then(|| self.copies.insert(copy(direction, &segment), at)).flatten();
        before.map(|before| at.saturating_sub(before))
    }

    fn numbers(&self, row: &Row) -> Numbers {
        match &row.kind {
            RowKind::Segment(arrow) => self.place(arrow.number).numbers,
            RowKind::Local(..) => Numbers::Own,
        }
    }

    /// Whether the receiver's segments were not captured.
    fn is_one_sided(&self, row: &Row) -> bool {
        let RowKind::Segment(arrow) = &row.kind else { return false };
        let place = self.place(arrow.number).connection;
        let connection = self.evidence.as_ref().and_then(|evidence| evidence.connection(place));
        connection.is_some_and(|connection| !connection.end(arrow.direction.opposite()).seen)
    }

    /// Returns the order of a sent segment relative to those before it.
    fn order(&mut self, kind: &RowKind) -> Order {
        match kind {
            RowKind::Segment(Arrow { older: true, .. }) => Order::Expected,
            RowKind::Segment(Arrow {
                number,
                path: Path::Delivered | Path::Lost | Path::Pending,
                retransmitted,
                ..
            }) => {
                let Some((direction, segment)) = self.segment(*number).copied() else {
                    return Order::Expected;
                };
                self.sequence.place(direction, &segment, *retransmitted)
            }
            _ => Order::Expected,
        }
    }

    /// Updates the states, and sets the segment's relative numbers.
    fn update(&mut self, kind: &mut RowKind) -> Option<Remark> {
        let arrow = match kind {
            RowKind::Local(side, kind) => {
                self.mirror.on_local(*side, *kind);
                return None;
            }
            RowKind::Segment(arrow) => arrow,
        };
        let (direction, segment) = self.segment(arrow.number).copied()?;
        match self.evidence.take() {
            None => {
                if matches!(arrow.path, Path::Delivered | Path::Lost | Path::Pending) {
                    self.mirror.on_sent(direction, &segment, None);
                }
                if matches!(arrow.path, Path::Delivered | Path::Received | Path::Injected) {
                    self.mirror.on_received(direction, &segment, None);
                }
                (arrow.seq, arrow.ack) = self.mirror.relative(direction, &segment);
                None
            }
            Some(evidence) => {
                self.captured(&evidence, arrow, &segment);
                self.evidence = Some(evidence);
                self.number(arrow, &segment);
                let remark = self.windows.see(direction, &segment, arrow);
                arrow.labels.extend(remark.map(|remark| remark.label().to_owned()));
                remark
            }
        }
    }

    /// Updates the states for a segment of a capture.
    fn captured(&mut self, evidence: &Evidence, arrow: &Arrow, segment: &Segment) {
        let (direction, number) = (arrow.direction, arrow.number);
        let Some(connection) = evidence.connection(evidence.place(number).connection) else { return };
        let outlook = evidence.outlook(number, direction);
        if arrow.older {
            match evidence.place(number).numbers {
                Numbers::ChallengeReset if arrow.path != Path::Lost => {
                    self.mirror.end_older(direction.opposite(), connection.accepted);
                }
                Numbers::Foreign => self.mirror.keep_continuing(direction, outlook.as_ref()),
                _ => {}
            }
            return;
        }
        if segment.is_syn_ack() && connection.accepts_late(number) {
            self.mirror.end_older(direction, true);
        }
        self.mirror.on_sent(direction, segment, outlook.as_ref());
        if arrow.path != Path::Lost {
            self.mirror.on_received(direction, segment, outlook.as_ref());
        }
    }

    /// Sets the relative numbers of a captured segment.
    fn number(&self, arrow: &mut Arrow, segment: &Segment) {
        let Some(connection) = self
            .evidence
            .as_ref()
            .and_then(|evidence| evidence.connection(self.place(arrow.number).connection))
        else {
            return;
        };
        let base = |direction| connection.end(direction).base;
        let relative = |number: Seq, base: Option<Seq>| base.map_or(0, |base| number.since(base));
        let (own, peer) = (base(arrow.direction), base(arrow.direction.opposite()));
        arrow.seq = relative(segment.seq, own);
        arrow.ack = segment.acknowledges().map(|ack| relative(ack, peer));
        // A number before the first one does not belong to this connection.
        arrow.older |= arrow.seq > MAX_RELATIVE || arrow.ack.is_some_and(|ack| ack > MAX_RELATIVE);
        for (left, right) in segment.sack.blocks() {
            let (left, right) = (relative(*left, peer), relative(*right, peer));
            let known = peer.is_some() && left < right && right <= MAX_RELATIVE;
            let twice = arrow.ack.is_some_and(|ack| right <= ack);
            arrow.labels.extend(known.then(|| match twice {
                true => format!("D-SACK {left}-{right}: received twice"),
                false => format!("SACK {left}-{right}"),
            }));
        }
    }

    /// Returns the explanation of a row, unless it was given before.
    fn annotate(&mut self, row: &Row, context: &annotate::AnnotateContext<'_>) -> Option<String> {
        let note = match &row.kind {
            RowKind::Segment(arrow) => {
                let arrives = arrow.path == Path::Received;
                self.options.notes.iter().find(|note| note.segment == arrow.number && note.arrives == arrives)
            }
            RowKind::Local(..) => None,
        };
        let text = match note {
            Some(note) => note.text.to_owned(),
            None => annotate::annotation(row, context)?,
        };
        (!text.is_empty() && self.given.insert(text.clone())).then_some(text)
    }
}

/// Maximum relative number: half of the sequence space.
const MAX_RELATIVE: u32 = u32::MAX / 2;

/// Returns the states at the beginning of a played record, inferred from its first segments.
fn start(record: &Record) -> Mirror {
    let Some((direction, first)) = record.segments.first() else { return Mirror::default() };
    if !first.flags.has(Flags::SYN) && !first.flags.has(Flags::RST) {
        return Mirror::midway(*direction, first);
    }
    let answer = record.segments.iter().find(|(direction, _)| *direction == Direction::ToClient);
    // A listener answers with a SYN-ACK, a closed port with a RST; a SYN alone is no answer.
    let listens = answer.is_none_or(|(_, segment)| segment.is_syn_ack());
    Mirror::starting(State::Closed, if listens { State::Listen } else { State::Closed })
}

/// Identifies copies of a segment. A retransmission of a FIN or data may have an ACK in addition; with a SYN that is
/// another segment.
fn copy(direction: Direction, segment: &Segment) -> (bool, u32, u8, u32) {
    let mut kind = segment.flags.0 & Flags::SYN.with(Flags::FIN).with(Flags::RST).0;
    if segment.flags.has(Flags::SYN) {
        kind |= segment.flags.0 & Flags::ACK.0;
    }
    (direction == Direction::ToServer, segment.seq.0, kind, segment.payload_len)
}
