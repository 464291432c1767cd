//! What a whole capture says of the connections in it, before any of it is drawn: a state that only
//! later segments prove is not guessed.

use super::split::Splitter;
use super::{Direction, Segment};
use crate::wire::{Flags, Seq};

/// Of each segment, which connection it belongs to; and the connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    places: Vec<Place>,
    connections: Vec<Connection>,
}

/// Where a segment belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub connection: usize,
    /// Its numbers are those of the connection before, which one side still has: it doubts the SYN, or is
    /// told that the other side has forgotten (RFC 9293 3.10.7.4, RFC 5961 4.2).
    pub older: bool,
}

/// One connection, as all of its segments show it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// Who opens it. `None`: its beginning was not captured.
    pub opener: Option<Direction>,
    /// The first segment is the opener's SYN.
    pub whole: bool,
    /// What the other side says to the SYN.
    pub answer: Answer,
    /// A SYN-ACK comes somewhere in it.
    pub accepted: bool,
    ends: [End; 2],
    /// The opener has acknowledged something, so that its SYN was answered.
    answered: bool,
    /// The last acknowledgement of an older connection.
    doubt: Option<Seq>,
    /// The first SYN-ACK, where something of an older connection came before it.
    late: Option<usize>,
}

/// What is said to a SYN first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    SynAck,
    Reset,
    /// Another SYN: both open.
    Syn,
    /// Something of an older connection.
    Older,
}

/// One side of it, named by the direction in which it sends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub seen: bool,
    pub base: Option<Seq>,
    /// The first number that was seen of it.
    start: Option<Seq>,
    /// Behind the last one.
    pub top: Option<Seq>,
    /// The number of its last segment that is no RST.
    last: Option<usize>,
}

/// What the rest of the connection says, at one of its segments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    pub sender: End,
    pub receiver: End,
    number: usize,
}

impl Evidence {
    pub fn of(segments: &[(Direction, Segment)]) -> Evidence {
        let (mut splitter, mut evidence) = (Splitter::default(), Evidence::default());
        let following = following(segments);
        for (number, (direction, segment)) in segments.iter().enumerate() {
            if splitter.begins(*direction, segment) {
                evidence.connections.push(Connection::new(*direction, segment));
            }
            let place = evidence.connections.len().saturating_sub(1);
            if let Some(connection) = evidence.connections.last_mut() {
                let older = connection.take(number, *direction, segment, following.get(number).copied().flatten());
                evidence.places.push(Place { connection: place, older });
                for direction in [Direction::ToServer, Direction::ToClient] {
                    connection.end_mut(direction).base = splitter.way(direction).base();
                }
            }
        }
        evidence
    }

    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Of a segment.
    pub fn place(&self, number: usize) -> Place {
        self.places.get(number).copied().unwrap_or_default()
    }

    pub fn connection(&self, place: usize) -> Option<&Connection> {
        self.connections.get(place)
    }

    pub fn outlook(&self, number: usize, direction: Direction) -> Option<Outlook> {
        let connection = self.connection(self.place(number).connection)?;
        let (sender, receiver) = (*connection.end(direction), *connection.end(direction.opposite()));
        Some(Outlook { sender, receiver, number })
    }
}

/// After each segment, the next one of the other direction.
fn following(segments: &[(Direction, Segment)]) -> Vec<Option<&Segment>> {
    let (mut up, mut down) = (None, None);
    let mut following: Vec<Option<&Segment>> = Vec::with_capacity(segments.len());
    for (direction, segment) in segments.iter().rev() {
        let (own, peer) =
            if *direction == Direction::ToServer { (&mut up, &down) } else { (&mut down, &up) };
        following.push(*peer);
        *own = Some(segment);
    }
    following.reverse();
    following
}

impl Outlook {
    pub fn sender_goes_on(&self) -> bool {
        self.sender.last > Some(self.number)
    }

    pub fn receiver_goes_on(&self) -> bool {
        self.receiver.last > Some(self.number)
    }
}

impl Connection {
    fn new(direction: Direction, first: &Segment) -> Connection {
        let opener = if first.flags.has(Flags::RST) || !first.flags.has(Flags::SYN) {
            None
        } else if first.opens() {
            Some(direction)
        } else {
            Some(direction.opposite())
        };
        let whole = first.opens() && opener.is_some();
        Connection {
            opener,
            whole,
            answer: Answer::None,
            accepted: false,
            ends: [End::default(); 2],
            answered: false,
            doubt: None,
            late: None,
        }
    }

    pub fn end(&self, direction: Direction) -> &End {
        let [up, down] = &self.ends;
        if direction == Direction::ToServer { up } else { down }
    }

    /// With this SYN-ACK the side that had an older connection has forgotten it.
    pub fn accepts_late(&self, number: usize) -> bool {
        self.late == Some(number)
    }

    fn end_mut(&mut self, direction: Direction) -> &mut End {
        let [up, down] = &mut self.ends;
        if direction == Direction::ToServer { up } else { down }
    }

    /// Established, and neither side has sent its FIN, when the capture begins: both send more later.
    pub fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.start.zip(end.top).is_some_and(|(start, top)| start.before(top)))
    }

    /// True: the segment is of an older connection.
    /// `next`: the other side's next one.
    fn take(&mut self, number: usize, direction: Direction, segment: &Segment, next: Option<&Segment>) -> bool {
        let (resets, answers) = (segment.flags.has(Flags::RST), self.opener == Some(direction.opposite()));
        let older = self.whole && !self.answered && self.is_older(answers, segment, next);
        if self.whole && answers && self.answer == Answer::None {
            self.answer = self.answer_of(direction, segment, older);
        }
        self.end_mut(direction).seen = true;
        if older && !resets {
            self.doubt = Some(segment.ack);
        }
        if older || resets {
            return older;
        }
        if segment.is_syn_ack() && !self.accepted && self.answer == Answer::Older {
            self.late = Some(number);
        }
        self.accepted |= segment.is_syn_ack();
        self.answered |= !answers && segment.flags.has(Flags::ACK);
        let end = self.end_mut(direction);
        end.last = Some(number);
        end.start.get_or_insert(segment.seq);
        end.reaches(segment.end());
        if let Some(ack) = segment.acknowledges() {
            let peer = self.end_mut(direction.opposite());
            peer.start.get_or_insert(ack);
            peer.reaches(ack);
        }
        false
    }

    /// Of the side that answers: an acknowledgement of what this connection never sent. Of the opener: the
    /// RST that such a one draws (RFC 9293 3.5.2, group 2).
    fn is_older(&self, answers: bool, segment: &Segment, next: Option<&Segment>) -> bool {
        let flags = segment.flags;
        if !answers {
            return flags.has(Flags::RST) && self.doubt == Some(segment.seq);
        }
        let opener = self.opener.map(|opener| *self.end(opener)).unwrap_or_default();
        let sent = opener.start.zip(opener.top);
        let fits = sent.is_some_and(|(isn, top)| isn.before(segment.ack) && segment.ack.at_or_before(top));
        // Otherwise it is an answer, and what came before it was not captured.
        let waits_on = next.is_none_or(|next| next.opens() || next.flags.has(Flags::RST));
        !flags.has(Flags::SYN) && !flags.has(Flags::RST) && !self.accepted && !fits && waits_on
    }

    fn answer_of(&self, direction: Direction, segment: &Segment, older: bool) -> Answer {
        let opened = self.end(direction.opposite()).start;
        let fits = opened.is_some_and(|isn| segment.ack == isn + 1);
        match (segment.flags.has(Flags::RST), segment.flags.has(Flags::SYN)) {
            (true, _) if fits && segment.flags.has(Flags::ACK) => Answer::Reset,
            // Of an older connection.
            (true, _) => Answer::None,
            (false, true) if segment.flags.has(Flags::ACK) => Answer::SynAck,
            (false, true) => Answer::Syn,
            (false, false) if older => Answer::Older,
            // What came before it was not captured.
            (false, false) => Answer::SynAck,
        }
    }
}

impl End {
    fn reaches(&mut self, end: Seq) {
        if self.top.is_none_or(|top| top.before(end)) {
            self.top = Some(end);
        }
    }
}
