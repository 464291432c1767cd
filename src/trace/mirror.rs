use self::side::SideState;
use super::direction::{Direction, Side};
use super::evidence::{Answer, Connection, Outlook};
use super::record::LocalEvent;
use super::segment::Segment;
use super::state::State;
use handfast_stack::wire::{Flags, Seq};

mod side;

/// Infers the states of both sides from the segments (RFC 9293 3.10).
///
/// [`Mirror::observe`] assumes that every segment arrives; otherwise the next acknowledgement corrects it. With more
/// knowledge use [`Mirror::on_sent`] and [`Mirror::on_received`]. Changes without a segment, such as the end of
/// TIME-WAIT, come through [`Mirror::on_local`].
#[derive(Clone, Debug)]
pub struct Mirror {
    client: SideState,
    server: SideState,
}

impl Default for Mirror {
    fn default() -> Mirror {
        Mirror { client: SideState::new(State::Closed), server: SideState::new(State::Listen) }
    }
}

impl Mirror {
    /// Known states before the first segment.
    pub fn starting(client: State, server: State) -> Mirror {
        Mirror { client: SideState::new(client), server: SideState::new(server) }
    }

    /// The server uses SYN cookies: it stays in LISTEN until the cookie returns (RFC 4987 3.6).
    pub fn with_cookies(mut self) -> Mirror {
        self.server.stateless = true;
        self
    }

    /// A connection established before this segment, without its beginning.
    pub fn midway(direction: Direction, segment: &Segment) -> Mirror {
        let mut mirror = Mirror::default();
        let (sender, receiver) = mirror.ends(direction);
        *sender = SideState::midway(Some(segment.seq), segment.acknowledges());
        *receiver = SideState::midway(segment.acknowledges(), Some(segment.seq));
        mirror
    }

    /// Begins a connection of a capture with its first segment.
    pub(super) fn begin(&mut self, connection: &Connection, direction: Direction, first: &Segment) {
        let (sender, receiver) = self.ends(direction);
        match connection.opener {
            Some(opener) if opener == direction => {
                *sender = SideState::new(State::Closed);
                match connection.answer {
                    Answer::SynAck => *receiver = SideState::new(State::Listen),
                    Answer::Reset | Answer::Syn => *receiver = SideState::new(State::Closed),
                    Answer::None => *receiver = SideState::new(State::Unknown),
                    // It still has an older connection, in a known or unknown state.
                    Answer::Older => {}
                }
            }
            // It begins with the SYN-ACK, which proves the SYN.
            Some(_) => {
                *sender = SideState::new(State::SynReceived);
                *receiver = SideState::opening(first.ack - 1);
            }
            None => {
                *sender = SideState::midway(Some(first.seq), first.acknowledges());
                *receiver = SideState::midway(first.acknowledges(), Some(first.seq));
                if !connection.is_open() || first.flags.has(Flags::RST) {
                    (sender.state, receiver.state) = (State::Unknown, State::Unknown);
                }
            }
        }
        self.hide_unseen(connection);
    }

    /// Sets the state of a side without captured segments to unknown.
    fn hide_unseen(&mut self, connection: &Connection) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            if !connection.end(direction).seen {
                *self.ends(direction).0 = SideState::new(State::Unknown);
            }
        }
    }

    /// The older connection is gone: a SYN-ACK follows the challenge ACK, or a RST ended it.
    pub(super) fn end_older(&mut self, direction: Direction, listens: bool) {
        *self.ends(direction).0 = SideState::new(if listens { State::Listen } else { State::Unknown });
    }

    /// Another connection may have followed that was not captured: only a side that sends more is certain.
    pub(super) fn keep_continuing(&mut self, direction: Direction, outlook: Option<&Outlook>) {
        let (sender, receiver) = self.ends(direction);
        if !outlook.is_some_and(Outlook::sender_continues) {
            sender.state = State::Unknown;
        }
        if !outlook.is_some_and(Outlook::receiver_continues) {
            receiver.state = State::Unknown;
        }
    }

    /// Takes the next segment, sent and received.
    pub fn observe(&mut self, direction: Direction, segment: &Segment) {
        self.on_sent(direction, segment, None);
        self.on_received(direction, segment, None);
    }

    /// A segment is sent. With an outlook it is from a capture.
    pub(super) fn on_sent(&mut self, direction: Direction, segment: &Segment, outlook: Option<&Outlook>) {
        if outlook.is_none() && direction == Direction::ToServer && self.reopens(segment) {
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
            // A SYN-ACK proves the SYN, and that no more was sent.
            let syn = segment.flags.has(Flags::SYN);
            if !syn && (missed == Some(true) || skipped == Some(true)) {
                sender.doubt();
                receiver.doubt();
            }
            if !syn && missed.is_some() {
                sender.missed_arrival();
            }
            if !syn && skipped.is_some() {
                receiver.missed_arrival();
                if receiver.state == State::SynReceived {
                    receiver.doubt();
                }
            }
        }
        sender.sends(segment, outlook);
    }

    /// A segment is received.
    pub(super) fn on_received(&mut self, direction: Direction, segment: &Segment, outlook: Option<&Outlook>) {
        let hidden = outlook.is_some_and(|outlook| !outlook.receiver.seen);
        if !hidden {
            self.ends(direction).1.receives(segment, outlook);
        }
    }

    /// A change of state without a segment.
    pub fn on_local(&mut self, end: Side, event: LocalEvent) {
        let side = match end {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        side.state = match (event, side.state) {
            // In other states the FIN shows it (RFC 9293 3.10.4).
            (LocalEvent::Close, State::SynSent | State::Listen) => State::Closed,
            (LocalEvent::TwoMsl, State::TimeWait) => State::Closed,
            (_, state) => state,
        };
    }

    /// Returns sender and receiver.
    fn ends(&mut self, direction: Direction) -> (&mut SideState, &mut SideState) {
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

    /// Returns the first sequence number of the sender in this direction, the base of relative numbers. `None` before
    /// its first segment.
    pub fn base(&self, direction: Direction) -> Option<Seq> {
        match direction {
            Direction::ToServer => self.client.first,
            Direction::ToClient => self.server.first,
        }
    }

    /// Returns the relative sequence and acknowledgement numbers of a segment.
    pub fn relative(&self, direction: Direction, segment: &Segment) -> (u32, Option<u32>) {
        // A RST of a side without other segments has no base.
        let relative = |seq: Seq, way| self.base(way).map_or(seq.0, |base| seq.since(base));
        let ack = segment.flags.has(Flags::ACK).then(|| relative(segment.ack, direction.opposite()));
        (relative(segment.seq, direction), ack)
    }

    /// Whether it opens a new connection on the same 4-tuple, after the end of the old one (RFC 6191).
    fn reopens(&self, segment: &Segment) -> bool {
        let opens = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        let over = matches!(self.client.state, State::Closed | State::TimeWait);
        opens && over && self.client.first.is_some()
    }
}

#[cfg(test)]
mod tests;
