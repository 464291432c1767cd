use super::{Side as End, Silent, State};
use crate::wire::{Flags, SegmentInfo, Seq};

/// Which way a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

impl Direction {
    pub const fn sender(self) -> End {
        match self {
            Direction::ToServer => End::Client,
            Direction::ToClient => End::Server,
        }
    }

    pub const fn opposite(self) -> Direction {
        match self {
            Direction::ToServer => Direction::ToClient,
            Direction::ToClient => Direction::ToServer,
        }
    }
}

/// What the states of both sides must be, judged by the segments alone (RFC 9293 3.10).
///
/// [`Mirror::observe`] takes every segment to arrive; where one did not, the next acknowledgement
/// puts it right. Who knows more says [`Mirror::departs`] and [`Mirror::arrives`]. What no segment
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

    /// A connection whose beginning nobody saw, established before this segment.
    pub fn midway(direction: Direction, segment: &SegmentInfo) -> Mirror {
        let mut mirror = Mirror::starting(State::Established, State::Established);
        let (sender, receiver) = mirror.ends(direction);
        (sender.first, receiver.next) = (Some(segment.seq), Some(segment.seq));
        if segment.flags.has(Flags::ACK) {
            (receiver.first, sender.next) = (Some(segment.ack), Some(segment.ack));
        }
        mirror
    }

    /// Takes the next segment into account.
    pub fn observe(&mut self, direction: Direction, segment: &SegmentInfo) {
        self.departs(direction, segment);
        self.arrives(direction, segment);
    }

    /// A segment leaves its sender.
    pub fn departs(&mut self, direction: Direction, segment: &SegmentInfo) {
        if direction == Direction::ToServer && self.begins_anew(segment) {
            let stateless = self.server.stateless;
            *self = Mirror::default();
            self.server.stateless = stateless;
        }
        self.ends(direction).0.sends(segment);
    }

    /// A segment reaches its receiver.
    pub fn arrives(&mut self, direction: Direction, segment: &SegmentInfo) {
        self.ends(direction).1.receives(segment);
    }

    /// Something that no segment shows.
    pub fn told(&mut self, end: End, what: Silent) {
        let side = match end {
            End::Client => &mut self.client,
            End::Server => &mut self.server,
        };
        side.state = match (what, side.state) {
            // Elsewhere the FIN tells of it (RFC 9293 3.10.4).
            (Silent::Close, State::SynSent | State::Listen) => State::Closed,
            (Silent::TwoMsl, State::TimeWait) => State::Closed,
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
    pub fn relative(&self, direction: Direction, segment: &SegmentInfo) -> (u32, Option<u32>) {
        // A reset of a side that never sent anything else has nothing to count from.
        let relative = |seq: Seq, way| self.base(way).map_or(seq.0, |base| seq.since(base));
        let ack = segment.flags.has(Flags::ACK).then(|| relative(segment.ack, direction.opposite()));
        (relative(segment.seq, direction), ack)
    }

    /// A new connection on the same 4-tuple, after the old one's end (RFC 6191).
    fn begins_anew(&self, segment: &SegmentInfo) -> bool {
        let opens = segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        let over = matches!(self.client.state, State::Closed | State::TimeWait);
        opens && over && self.client.first.is_some()
    }
}

#[derive(Clone, Debug)]
struct Side {
    state: State,
    /// The first sequence number sent.
    first: Option<Seq>,
    /// Behind our FIN.
    own_fin: Option<Seq>,
    /// Behind the peer's FIN, as far as it was sent.
    peer_fin: Option<Seq>,
    /// RCV.NXT.
    next: Option<Seq>,
    /// Keeps no state before the handshake is complete.
    stateless: bool,
}

impl Side {
    fn new(state: State) -> Side {
        Side { state, first: None, own_fin: None, peer_fin: None, next: None, stateless: false }
    }

    fn sends(&mut self, segment: &SegmentInfo) {
        let acknowledges = segment.flags.has(Flags::ACK);
        if segment.flags.has(Flags::RST) {
            self.state = State::Closed;
            return;
        }
        self.first.get_or_insert(segment.seq);
        if acknowledges {
            // More than was seen to arrive in order: it has arrived all the same.
            self.arrived_up_to(segment.ack);
        }
        if segment.flags.has(Flags::SYN) {
            self.state = match self.state {
                State::Closed if !acknowledges => State::SynSent,
                State::Listen if self.stateless => State::Listen,
                State::Closed | State::Listen | State::SynSent if acknowledges => State::SynReceived,
                other => other,
            };
        }
        if segment.flags.has(Flags::FIN) {
            self.own_fin = Some(segment.seq + segment.seq_len());
            self.state = self.after_own_fin(segment);
        }
    }

    fn after_own_fin(&self, segment: &SegmentInfo) -> State {
        match self.state {
            State::SynReceived | State::Established => State::FinWait1,
            // Sent before the peer's FIN came in: the two crossed.
            State::CloseWait if self.peer_fin.is_some_and(|fin| segment.ack.before(fin)) => State::Closing,
            State::CloseWait => State::LastAck,
            other => other,
        }
    }

    fn receives(&mut self, segment: &SegmentInfo) {
        if segment.flags.has(Flags::RST) {
            return self.receives_reset(segment);
        }
        if segment.flags.has(Flags::SYN) {
            self.receives_syn(segment);
        }
        if segment.flags.has(Flags::ACK) {
            self.receives_ack(segment.ack);
        }
        if self.next.is_none() && self.state != State::Listen && self.state != State::Closed {
            self.next = Some(segment.seq);
        }
        let end = segment.seq + segment.seq_len();
        if segment.flags.has(Flags::FIN) {
            self.peer_fin = Some(end);
        }
        if self.next.is_some_and(|next| segment.seq.at_or_before(next)) {
            self.arrived_up_to(end);
        }
    }

    /// RFC 9293 3.5.3, and RFC 5961 3.2: only one that is exactly next resets.
    fn receives_reset(&mut self, segment: &SegmentInfo) {
        let acknowledges_syn =
            segment.flags.has(Flags::ACK) && self.first.is_some_and(|first| segment.ack == first + 1);
        self.state = match self.state {
            State::SynSent if acknowledges_syn => State::Closed,
            State::SynSent | State::Listen => self.state,
            _ if self.next.is_some_and(|next| next != segment.seq) => self.state,
            State::SynReceived => State::Listen,
            _ => State::Closed,
        };
    }

    fn receives_syn(&mut self, segment: &SegmentInfo) {
        self.state = match self.state {
            State::Listen if self.stateless => State::Listen,
            State::Listen if !segment.flags.has(Flags::ACK) => State::SynReceived,
            // Its acknowledgement, if it has one, is looked at next.
            State::SynSent => State::SynReceived,
            other => return self.state = other,
        };
        self.next = Some(segment.seq);
    }

    fn receives_ack(&mut self, ack: Seq) {
        let covers = |end: Option<Seq>| end.is_some_and(|end| end.at_or_before(ack));
        let waits = self.state == State::SynReceived || self.stateless && self.state == State::Listen;
        if waits && covers(self.first.map(|first| first + 1)) {
            self.state = State::Established;
        }
        if covers(self.own_fin) {
            self.state = match self.state {
                State::FinWait1 => State::FinWait2,
                State::Closing => State::TimeWait,
                State::LastAck => State::Closed,
                other => other,
            };
        }
    }

    /// Everything before `end` has come in, the peer's FIN perhaps with it.
    fn arrived_up_to(&mut self, end: Seq) {
        if self.next.is_some_and(|next| next.before(end)) {
            self.next = Some(end);
        }
        let has_fin = self.peer_fin.zip(self.next).is_some_and(|(fin, next)| fin.at_or_before(next));
        if has_fin {
            self.state = match self.state {
                State::SynReceived | State::Established => State::CloseWait,
                State::FinWait1 => State::Closing,
                State::FinWait2 => State::TimeWait,
                other => other,
            };
        }
    }
}

#[cfg(test)]
mod tests;
