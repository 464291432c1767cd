//! What a whole capture says of the connections in it, before any of it is drawn: a state that only
//! later segments prove is not guessed.

use self::following::{Following, following};
use super::split::{Splitter, Step, far};
use super::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

mod following;

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
    pub numbers: Numbers,
}

/// Whose numbers a segment has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    #[default]
    Own,
    /// Those of a connection before that comes late.
    Older,
    /// Those of none that was seen: it may end one that was not captured, after this one's end.
    Foreign,
    /// Those of a connection before that its sender still has, so that it doubts the SYN (RFC 5961 4.2).
    Doubts,
    /// Those that its sender was asked for so: it has no such connection (RFC 9293 3.5.2).
    Forgets,
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
            let later = following.get(number).copied().unwrap_or_default();
            if evidence.connections.last().is_some_and(|last| last.is_left(*direction, segment, &later)) {
                splitter.leave();
            }
            let step = splitter.step(*direction, segment);
            if step == Step::Begins {
                evidence.connections.push(Connection::new(*direction, segment));
            }
            let place = evidence.connections.len().saturating_sub(1);
            if let Some(connection) = evidence.connections.last_mut() {
                let waits = connection.waits(*direction, segment, &later);
                let numbers = match step {
                    Step::Stray if !waits => Numbers::Older,
                    Step::Foreign if !waits => Numbers::Foreign,
                    _ => connection.take(number, *direction, segment, &later),
                };
                evidence.places.push(Place { connection: place, numbers });
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

    fn take(
        &mut self,
        number: usize,
        direction: Direction,
        segment: &Segment,
        later: &Following<'_>,
    ) -> Numbers {
        let (resets, answers) = (segment.flags.has(Flags::RST), self.opener == Some(direction.opposite()));
        let numbers = match self.whole && !self.answered {
            true => self.numbers(answers, segment, later),
            false => Numbers::Own,
        };
        if self.whole && answers && self.answer == Answer::None {
            self.answer = self.answer_of(direction, segment, numbers);
        }
        self.end_mut(direction).seen = true;
        if numbers == Numbers::Doubts {
            self.doubt = Some(segment.ack);
        }
        if numbers != Numbers::Own || resets {
            return numbers;
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
        numbers
    }

    /// Something of an older connection, while the opener waits for its SYN-ACK.
    fn waits(&self, direction: Direction, segment: &Segment, later: &Following<'_>) -> bool {
        let answers = self.opener == Some(direction.opposite());
        self.whole && !self.answered && self.numbers(answers, segment, later) != Numbers::Own
    }

    /// Before the opener has acknowledged anything. What acknowledges something that it never sent doubts its
    /// SYN, and draws a RST (RFC 9293 3.5.2, group 2); what comes before the SYN-ACK otherwise is late.
    fn numbers(&self, answers: bool, segment: &Segment, later: &Following<'_>) -> Numbers {
        let flags = segment.flags;
        let opener = self.opener.map(|opener| *self.end(opener)).unwrap_or_default();
        let Some((isn, top)) = opener.start.zip(opener.top) else { return Numbers::Own };
        if flags.has(Flags::SYN) || self.accepted {
            return Numbers::Own;
        }
        let accepted = later.syn_acks.contains(&Some(isn + 1));
        if !answers {
            return match segment.seq {
                seq if flags.has(Flags::RST) && self.doubt == Some(seq) => Numbers::Forgets,
                seq if accepted && seq != isn + 1 => Numbers::Older,
                _ => Numbers::Own,
            };
        }
        match flags.has(Flags::RST) {
            _ if isn.before(segment.ack) && segment.ack.at_or_before(top) => Numbers::Own,
            false if later.waits_on(isn, segment) => Numbers::Doubts,
            _ if accepted => Numbers::Older,
            // It is an answer, and what came before it was not captured.
            _ => Numbers::Own,
        }
    }

    /// While the opener's SYN is all that was seen: a segment of another connection, whose beginning was not
    /// captured. Nothing that comes later shows that the SYN still stands.
    fn is_left(&self, direction: Direction, segment: &Segment, later: &Following<'_>) -> bool {
        let Some(opener) = self.opener.filter(|_| self.whole && !self.answered && !self.accepted) else {
            return false;
        };
        let Some(isn) = self.end(opener).start else { return false };
        let flags = segment.flags;
        let plain = flags.has(Flags::ACK) && !flags.has(Flags::SYN) && !flags.has(Flags::RST);
        let number = if direction == opener { segment.seq } else { segment.ack };
        let stands = later.syn_acks.contains(&Some(isn + 1)) || later.waits_on(isn, segment);
        plain && is_foreign(isn, number) && !stands
    }

    fn answer_of(&self, direction: Direction, segment: &Segment, numbers: Numbers) -> Answer {
        let opened = self.end(direction.opposite()).start;
        let fits = opened.is_some_and(|isn| segment.ack == isn + 1);
        match (segment.flags.has(Flags::RST), segment.flags.has(Flags::SYN)) {
            // RFC 9293 3.5.2, group 1: a closed port has no number of its own.
            (true, _) if fits && segment.flags.has(Flags::ACK) && segment.seq == Seq(0) => Answer::Reset,
            // Of an older connection.
            (true, _) => Answer::None,
            (false, true) if segment.flags.has(Flags::ACK) => Answer::SynAck,
            (false, true) => Answer::Syn,
            (false, false) if numbers != Numbers::Own => Answer::Older,
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

/// No number of a connection with that ISN, unless much was not captured.
fn is_foreign(isn: Seq, number: Seq) -> bool {
    far(isn, number) || number.at_or_before(isn)
}
