use self::side::Side;
use super::direction::{Direction, Side as End};
use super::evidence::{Answer, Connection, Outlook};
use super::record::LocalEvent;
use super::segment::Segment;
use super::state::State;
use handfast_stack::wire::{Flags, Seq};

mod side;

/// What the states of both sides must be, judged by the segments alone (RFC 9293 3.10).
///
/// [`Mirror::observe`] takes every segment to arrive; where one did not, the next acknowledgement
/// puts it right. Who knows more says [`Mirror::on_sent`] and [`Mirror::on_received`]. What no segment
/// shows, the end of TIME-WAIT above all, is not seen, only told.
#[derive(Clone, Debug)]
pub struct Mirror {
    client: Side,
    server: Side,
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror { client: Side::new(State::Closed), server: Side::new(State::Listen) }
    }
}

impl Mirror {
    /// Before the first segment, as somebody else knows it.
    pub fn starting(client: State, server: State) -> Mirror {
        Mirror { client: Side::new(client), server: Side::new(server) }
    }

    /// The server answers by SYN cookie: it stays in LISTEN until the cookie comes back (RFC 4987
    /// 3.6).
    pub fn with_cookies(mut self) -> Mirror {
        self.server.stateless = true;
        self
    }

    /// A connection whose beginning was not recorded, established before this segment.
    pub fn midway(direction: Direction, segment: &Segment) -> Mirror {
        let mut mirror = Mirror::default();
        let (sender, receiver) = mirror.ends(direction);
        *sender = Side::midway(Some(segment.seq), segment.acknowledges());
        *receiver = Side::midway(segment.acknowledges(), Some(segment.seq));
        mirror
    }

    /// A connection of a capture begins here, with this segment.
    pub(super) fn begin(&mut self, connection: &Connection, direction: Direction, first: &Segment) {
        let (sender, receiver) = self.ends(direction);
        match connection.opener {
            Some(opener) if opener == direction => {
                *sender = Side::new(State::Closed);
                match connection.answer {
                    Answer::SynAck => *receiver = Side::new(State::Listen),
                    Answer::Reset | Answer::Syn => *receiver = Side::new(State::Closed),
                    Answer::None => *receiver = Side::new(State::Unknown),
                    // It still has an older connection, whose state is known or not.
                    Answer::Older => {}
                }
            }
            // It begins at the SYN-ACK, which proves the SYN.
            Some(_) => {
                *sender = Side::new(State::SynReceived);
                *receiver = Side::opening(first.ack - 1);
            }
            None => {
                *sender = Side::midway(Some(first.seq), first.acknowledges());
                *receiver = Side::midway(first.acknowledges(), Some(first.seq));
                if !connection.is_open() || first.flags.has(Flags::RST) {
                    (sender.state, receiver.state) = (State::Unknown, State::Unknown);
                }
            }
        }
        self.hide_unseen(connection);
    }

    /// Of a side that sends nothing in the capture nothing is known.
    fn hide_unseen(&mut self, connection: &Connection) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            if !connection.end(direction).seen {
                *self.ends(direction).0 = Side::new(State::Unknown);
            }
        }
    }

    /// A SYN-ACK at last, from a side that doubted the SYN, or the older connection is reset: it listens.
    pub(super) fn forgets(&mut self, direction: Direction, listens: bool) {
        *self.ends(direction).0 = Side::new(if listens { State::Listen } else { State::Unknown });
    }

    /// Another connection may have followed that was not captured: only what speaks on is sure.
    pub(super) fn goes_on(&mut self, direction: Direction, outlook: Option<&Outlook>) {
        let (sender, receiver) = self.ends(direction);
        if !outlook.is_some_and(Outlook::sender_continues) {
            sender.state = State::Unknown;
        }
        if !outlook.is_some_and(Outlook::receiver_continues) {
            receiver.state = State::Unknown;
        }
    }

    /// Takes the next segment into account.
    pub fn observe(&mut self, direction: Direction, segment: &Segment) {
        self.on_sent(direction, segment, None);
        self.on_received(direction, segment, None);
    }

    /// A segment leaves its sender. With an outlook it is one of a capture.
    pub(super) fn on_sent(&mut self, direction: Direction, segment: &Segment, outlook: Option<&Outlook>) {
        if outlook.is_none() && direction == Direction::ToServer && self.begins_anew(segment) {
            let stateless = self.server.stateless;
            *self = Mirror::default();
            self.server.stateless = stateless;
        }
        let (sender, receiver) = self.ends(direction);
        if let Some(outlook) = outlook
            && !segment.flags.has(Flags::RST)
        {
            let missed = segment.acknowledges().and_then(|ack| receiver.misses(ack, outlook.receiver.top));
            let skipped = sender.skips(segment, outlook.sender.top);
            // A SYN-ACK proves the SYN, and no more has been sent.
            let syn = segment.flags.has(Flags::SYN);
            if !syn && (missed == Some(true) || skipped == Some(true)) {
                sender.doubt();
                receiver.doubt();
            }
            if !syn && missed.is_some() {
                sender.hears();
            }
            if !syn && skipped.is_some() {
                receiver.hears();
                if receiver.state == State::SynReceived {
                    receiver.doubt();
                }
            }
        }
        sender.sends(segment, outlook);
    }

    /// A segment reaches its receiver.
    pub(super) fn on_received(&mut self, direction: Direction, segment: &Segment, outlook: Option<&Outlook>) {
        let hidden = outlook.is_some_and(|outlook| !outlook.receiver.seen);
        if !hidden {
            self.ends(direction).1.receives(segment, outlook);
        }
    }

    /// Something that no segment shows.
    pub fn on_local(&mut self, end: End, event: LocalEvent) {
        let side = match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        };
        side.state = match (event, side.state) {
            // Elsewhere the FIN tells of it (RFC 9293 3.10.4).
            (LocalEvent::Close, State::SynSent | State::Listen) => State::Closed,
            (LocalEvent::TwoMsl, State::TimeWait) => State::Closed,
            (_, state) => state,
        };
    }

    /// Sender and receiver.
    fn ends(&mut self, direction: Direction) -> (&mut Side, &mut Side) {
        match direction {
            Direction::ToServer => (&mut self.client, &mut self.server),
            Direction::ToClient => (&mut self.server, &mut self.client),
        }
    }

    pub fn client(&self) -> State {
        self.client.state
    }

    pub fn server(&self) -> State {
        self.server.state
    }

    /// The first sequence number of the side that sends this way: where relative numbers count
    /// from. `None` before it sent anything.
    pub fn base(&self, direction: Direction) -> Option<Seq> {
        match direction {
            Direction::ToServer => self.client.first,
            Direction::ToClient => self.server.first,
        }
    }

    /// A segment's sequence and acknowledgement number, counted from where its side began.
    pub fn relative(&self, direction: Direction, segment: &Segment) -> (u32, Option<u32>) {
        // A reset of a side that never sent anything else has nothing to count from.
        let relative = |seq: Seq, way| self.base(way).map_or(seq.0, |base| seq.since(base));
        let ack = segment.flags.has(Flags::ACK).then(|| relative(segment.ack, direction.opposite()));
        (relative(segment.seq, direction), ack)
    }

    /// A new connection on the same 4-tuple, after the old one's end (RFC 6191).
    fn begins_anew(&self, segment: &Segment) -> bool {
        let opens = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        let over = matches!(self.client.state, State::Closed | State::TimeWait);
        opens && over && self.client.first.is_some()
    }
}

#[cfg(test)]
mod tests;
