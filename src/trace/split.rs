use super::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// Maximum distance of a sequence number of the same connection from those seen, bytes.
const MAX_DISTANCE: u32 = 1 << 24;
/// Maximum data in a SYN, bytes: a SYN-ACK may acknowledge it (RFC 7413 4.1.3).
const MAX_SYN_DATA: u32 = 1 << 16;

/// Splits the segments between two ports into connections, by their initial sequence numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Splitter {
    ways: [DirectionNumbers; 2],
    any: bool,
}

/// Sequence numbers of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DirectionNumbers {
    /// The initial sequence number, from the SYN or its acknowledgement.
    pub isn: Option<Seq>,
    /// The lowest number seen after it, in a segment or an acknowledgement.
    pub lowest: Option<Seq>,
    /// The last number seen.
    latest: Option<Seq>,
    /// The initial and the last sequence number of the previous connection.
    previous: Option<Seq>,
    before: Option<Seq>,
}

/// Relation of a segment to the current connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Same,
    /// The first segment of another connection.
    Begins,
    /// A late segment of the previous connection.
    Stray,
    /// A RST of an unknown connection.
    Foreign,
}

impl Splitter {
    /// Takes the next segment.
    pub(crate) fn step(&mut self, direction: Direction, segment: &Segment) -> Relation {
        // A SYN-ACK of the previous connection, after the next SYN.
        let previous = self.way(direction.opposite()).previous;
        if segment.is_syn_ack()
            && previous.is_some_and(|isn| segment.ack == isn + 1)
            && !self.answers(direction, segment)
        {
            return Relation::Stray;
        }
        let late = self.is_near(direction, segment, |way| way.before) == Some(true);
        if late && !self.fits(direction, segment) {
            return Relation::Stray;
        }
        if self.is_near(direction, segment, |way| way.latest) == Some(false) {
            if segment.flags.has(Flags::RST) {
                return Relation::Foreign;
            }
            // The SYN was not captured.
            self.reset();
            self.learn(direction, segment);
            return Relation::Begins;
        }
        let begins = !self.any || self.is_other(direction, segment);
        if begins && self.any {
            self.reset();
        }
        self.any = true;
        self.learn(direction, segment);
        if begins { Relation::Begins } else { Relation::Same }
    }

    /// Ends the connection: the next segment begins another one.
    pub(crate) fn end_connection(&mut self) {
        self.reset();
        self.any = false;
    }

    fn reset(&mut self) {
        self.ways = self.ways.map(|way| DirectionNumbers {
            previous: way.isn,
            before: way.latest,
            ..DirectionNumbers::default()
        });
    }

    /// False: both of its numbers are far from those seen. If only one is, much was not captured. `None`:
    /// undecided.
    fn is_near(
        &self,
        direction: Direction,
        segment: &Segment,
        of: fn(&DirectionNumbers) -> Option<Seq>,
    ) -> Option<bool> {
        let (own, peer) = (of(self.way(direction))?, of(self.way(direction.opposite()))?);
        let plain = segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN);
        plain.then(|| !(far(own, segment.seq) && far(peer, segment.ack)))
    }

    /// Whether one of its numbers is near those of the current connection.
    fn fits(&self, direction: Direction, segment: &Segment) -> bool {
        let (own, peer) = (self.way(direction).latest, self.way(direction.opposite()).latest);
        own.is_some_and(|own| !far(own, segment.seq)) || peer.is_some_and(|peer| !far(peer, segment.ack))
    }

    /// Returns the numbers of that direction in the current connection.
    pub(crate) fn way(&self, direction: Direction) -> &DirectionNumbers {
        let [up, down] = &self.ways;
        if direction == Direction::ToServer { up } else { down }
    }

    /// Exchanges client and server.
    pub(crate) fn swap_ends(&mut self) {
        self.ways.swap(0, 1);
    }

    fn is_other(&self, direction: Direction, segment: &Segment) -> bool {
        if !segment.flags.has(Flags::SYN) || segment.flags.has(Flags::RST) {
            return false;
        }
        let (own, peer) = (self.way(direction), self.way(direction.opposite()));
        // A retransmission of the current SYN, or a late one of the previous.
        if [own.isn, own.previous].contains(&Some(segment.seq)) {
            return false;
        }
        let follows = own.lowest == Some(segment.seq + 1);
        // After resets alone.
        if [own, peer].iter().all(|way| way.base().is_none()) {
            return true;
        }
        if segment.opens() {
            return own.isn.is_some() || own.lowest.is_some() && !follows;
        }
        let fits = self.answers(direction, segment) || follows || peer.lowest == Some(segment.ack);
        !fits && (own.isn.is_some() || own.lowest.is_some() || peer.isn.is_some())
    }

    /// Whether a SYN-ACK answers the SYN of the current connection.
    fn answers(&self, direction: Direction, segment: &Segment) -> bool {
        let isn = self.way(direction.opposite()).isn;
        isn.is_some_and(|isn| segment.ack.since(isn + 1) <= MAX_SYN_DATA)
    }

    fn learn(&mut self, direction: Direction, segment: &Segment) {
        let flags = segment.flags;
        if flags.has(Flags::RST) {
            return;
        }
        let [up, down] = &mut self.ways;
        let (own, peer) = if direction == Direction::ToServer { (up, down) } else { (down, up) };
        match flags.has(Flags::SYN) {
            true => {
                own.isn.get_or_insert(segment.seq);
                own.latest = Some(segment.seq);
            }
            false => own.saw(segment.seq),
        }
        if segment.is_syn_ack() && peer.isn.is_none() {
            peer.isn = Some(segment.ack - 1);
        }
        if let Some(ack) = segment.acknowledges() {
            peer.saw(ack);
        }
    }
}

fn far(one: Seq, other: Seq) -> bool {
    one.since(other).min(other.since(one)) > MAX_DISTANCE
}

/// Whether this cannot be a number of a connection with that ISN, unless much was not captured.
pub(super) fn is_foreign(isn: Seq, number: Seq) -> bool {
    far(isn, number) || number.at_or_before(isn)
}

impl DirectionNumbers {
    fn saw(&mut self, number: Seq) {
        self.latest = Some(number);
        match self.lowest {
            Some(lowest) if lowest.since(number) > MAX_DISTANCE => {}
            _ => self.lowest = Some(number),
        }
    }

    /// Returns the base of relative numbers.
    pub(crate) fn base(&self) -> Option<Seq> {
        self.isn.or(self.lowest)
    }
}
