//! Evidence of all segments of a capture about its connections, collected before drawing: some states are proved
//! by later segments only.

use self::following::{Following, following};
use super::split::{Relation, Splitter, is_foreign};
use super::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

mod following;

/// The connections, and the connection of each segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    places: Vec<Place>,
    connections: Vec<Connection>,
}

/// The connection of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub connection: usize,
    pub numbers: Numbers,
}

/// The connection that a segment's numbers belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Numbers {
    #[default]
    Own,
    /// A previous one: a late segment.
    Older,
    /// An unknown one: a RST that may end a connection that was not captured, after this one.
    Foreign,
    /// A previous one that its sender still has: a challenge ACK to the SYN (RFC 5961 4.2).
    Challenge,
    /// The RST to such a challenge ACK: the sender has no such connection (RFC 9293 3.5.2).
    ChallengeReset,
}

/// One connection, as all of its segments show it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    /// The direction of its first SYN. `None`: not captured.
    pub opener: Option<Direction>,
    /// The first segment is the opener's SYN.
    pub whole: bool,
    /// The reply to the SYN.
    pub answer: Answer,
    /// It contains a SYN-ACK.
    pub accepted: bool,
    ends: [End; 2],
    /// The opener has sent an acknowledgement, so its SYN was answered.
    answered: bool,
    /// The last acknowledgement number of a challenge ACK.
    challenge: Option<Seq>,
    /// The first SYN-ACK, if segments of an older connection precede it.
    late: Option<usize>,
}

/// The first reply to a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    SynAck,
    Reset,
    /// Another SYN: simultaneous open.
    Syn,
    /// A segment of an older connection.
    Older,
}

/// One side of a connection, by the direction in which it sends.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    pub seen: bool,
    pub base: Option<Seq>,
    /// Its first number seen.
    start: Option<Seq>,
    /// The number after its last one.
    pub top: Option<Seq>,
    /// Its last segment other than a RST.
    last: Option<usize>,
}

/// The rest of the connection after one of its segments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    pub sender: End,
    pub receiver: End,
    number: usize,
}

impl Evidence {
    pub(crate) fn of(segments: &[(Direction, Segment)]) -> Evidence {
        let (mut splitter, mut evidence) = (Splitter::default(), Evidence::default());
        let following = following(segments);
        for (number, (direction, segment)) in segments.iter().enumerate() {
            let later = following.get(number).copied().unwrap_or_default();
            if evidence.connections.last().is_some_and(|last| last.is_left(*direction, segment, &later)) {
                splitter.end_connection();
            }
            let step = splitter.step(*direction, segment);
            if step == Relation::Begins {
                evidence.connections.push(Connection::new(*direction, segment));
            }
            let place = evidence.connections.len().saturating_sub(1);
            if let Some(connection) = evidence.connections.last_mut() {
                let waits = connection.awaits_syn_ack(*direction, segment, &later);
                let numbers = match step {
                    Relation::Stray if !waits => Numbers::Older,
                    Relation::Foreign if !waits => Numbers::Foreign,
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

    pub(crate) fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Returns the connection of a segment.
    pub(crate) fn place(&self, number: usize) -> Place {
        self.places.get(number).copied().unwrap_or_default()
    }

    pub(crate) fn connection(&self, place: usize) -> Option<&Connection> {
        self.connections.get(place)
    }

    pub(crate) fn outlook(&self, number: usize, direction: Direction) -> Option<Outlook> {
        let connection = self.connection(self.place(number).connection)?;
        let (sender, receiver) = (*connection.end(direction), *connection.end(direction.opposite()));
        Some(Outlook { sender, receiver, number })
    }
}

impl Outlook {
    pub(crate) fn sender_continues(&self) -> bool {
        self.sender.last > Some(self.number)
    }

    pub(crate) fn receiver_continues(&self) -> bool {
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
            challenge: None,
            late: None,
        }
    }

    pub(crate) fn end(&self, direction: Direction) -> &End {
        let [up, down] = &self.ends;
        if direction == Direction::ToServer { up } else { down }
    }

    /// Whether with this SYN-ACK the older connection has been given up.
    pub(crate) fn accepts_late(&self, number: usize) -> bool {
        self.late == Some(number)
    }

    fn end_mut(&mut self, direction: Direction) -> &mut End {
        let [up, down] = &mut self.ends;
        if direction == Direction::ToServer { up } else { down }
    }

    /// Established, and without a FIN of either side, at the beginning of the capture: both send more later.
    pub(crate) fn is_open(&self) -> bool {
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
        if numbers == Numbers::Challenge {
            self.challenge = Some(segment.ack);
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

    /// Whether it belongs to an older connection, while the opener waits for its SYN-ACK.
    fn awaits_syn_ack(&self, direction: Direction, segment: &Segment, later: &Following<'_>) -> bool {
        let answers = self.opener == Some(direction.opposite());
        self.whole && !self.answered && self.numbers(answers, segment, later) != Numbers::Own
    }

    /// Classifies segments before the opener's first acknowledgement. One that acknowledges data that was never sent
    /// is a challenge ACK, answered by a RST (RFC 9293 3.5.2, group 2); others before the SYN-ACK are late.
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
                seq if flags.has(Flags::RST) && self.challenge == Some(seq) => Numbers::ChallengeReset,
                seq if accepted && seq != isn + 1 => Numbers::Older,
                _ => Numbers::Own,
            };
        }
        match flags.has(Flags::RST) {
            _ if isn.before(segment.ack) && segment.ack.at_or_before(top) => Numbers::Own,
            false if later.awaits_reply(isn, segment) => Numbers::Challenge,
            _ if accepted => Numbers::Older,
            // A reply; earlier segments were not captured.
            _ => Numbers::Own,
        }
    }

    /// Whether, after nothing but the opener's SYN, this is a segment of another connection whose SYN was not
    /// captured, and no later segment belongs to the SYN.
    fn is_left(&self, direction: Direction, segment: &Segment, later: &Following<'_>) -> bool {
        let Some(opener) = self.opener.filter(|_| self.whole && !self.answered && !self.accepted) else {
            return false;
        };
        let Some(isn) = self.end(opener).start else { return false };
        let flags = segment.flags;
        let plain = flags.has(Flags::ACK) && !flags.has(Flags::SYN) && !flags.has(Flags::RST);
        let number = if direction == opener { segment.seq } else { segment.ack };
        let stands = later.syn_acks.contains(&Some(isn + 1)) || later.awaits_reply(isn, segment);
        plain && is_foreign(isn, number) && !stands
    }

    fn answer_of(&self, direction: Direction, segment: &Segment, numbers: Numbers) -> Answer {
        let opened = self.end(direction.opposite()).start;
        let fits = opened.is_some_and(|isn| segment.ack == isn + 1);
        match (segment.flags.has(Flags::RST), segment.flags.has(Flags::SYN)) {
            // RFC 9293 3.5.2, group 1: a closed port has no number of its own.
            (true, _) if fits && segment.flags.has(Flags::ACK) && segment.seq == Seq(0) => Answer::Reset,
            // A RST of an older connection.
            (true, _) => Answer::None,
            (false, true) if segment.flags.has(Flags::ACK) => Answer::SynAck,
            (false, true) => Answer::Syn,
            (false, false) if numbers != Numbers::Own => Answer::Older,
            // Earlier segments were not captured.
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
