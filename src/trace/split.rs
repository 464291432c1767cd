use super::{Direction, Segment};
use handfast_stack::wire::{Flags, Seq};

/// Sequence numbers this far from those that were seen belong to the same connection. Bytes.
const BEFORE: u32 = 1 << 24;
/// Data that a SYN may carry, bytes: a SYN-ACK may acknowledge it as well (RFC 7413 4.1.3).
const WITH_SYN: u32 = 1 << 16;

/// Splits the segments between two ports into connections: each has an initial sequence number of its
/// own on either side.
#[derive(Clone, Debug, Default)]
pub(super) struct Splitter {
    ways: [Way; 2],
    any: bool,
}

/// What is known of the numbers of one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Way {
    /// The initial sequence number, by the SYN or by what acknowledges it.
    pub isn: Option<Seq>,
    /// The first number behind it that was seen, by a segment or by what acknowledges one.
    pub lowest: Option<Seq>,
    /// The last number that was seen.
    latest: Option<Seq>,
    /// Of the connection before: its initial sequence number, and the last one that was seen.
    previous: Option<Seq>,
    before: Option<Seq>,
}

/// How a segment stands to the connection of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Same,
    /// Another connection begins with it.
    Begins,
    /// It comes late, and is of the connection before.
    Stray,
    /// A RST of none that was seen.
    Foreign,
}

impl Splitter {
    /// The next segment.
    pub fn step(&mut self, direction: Direction, segment: &Segment) -> Step {
        // A SYN-ACK of the last connection that comes behind the next SYN.
        let previous = self.way(direction.opposite()).previous;
        if segment.is_syn_ack()
            && previous.is_some_and(|isn| segment.ack == isn + 1)
            && !self.answers(direction, segment)
        {
            return Step::Stray;
        }
        let late = self.is_near(direction, segment, |way| way.before) == Some(true);
        if late && !self.fits(direction, segment) {
            return Step::Stray;
        }
        if self.is_near(direction, segment, |way| way.latest) == Some(false) {
            if segment.flags.has(Flags::RST) {
                return Step::Foreign;
            }
            // Its SYN was not captured.
            self.anew();
            self.learn(direction, segment);
            return Step::Begins;
        }
        let begins = !self.any || self.is_other(direction, segment);
        if begins && self.any {
            self.anew();
        }
        self.any = true;
        self.learn(direction, segment);
        if begins { Step::Begins } else { Step::Same }
    }

    /// The next segment begins another connection.
    pub fn leave(&mut self) {
        self.anew();
        self.any = false;
    }

    fn anew(&mut self) {
        self.ways = self.ways.map(|way| Way { previous: way.isn, before: way.latest, ..Way::default() });
    }

    /// False: both of its numbers are far from those that were seen. One alone may be: then much was not
    /// captured. `None`: that cannot be said.
    fn is_near(&self, direction: Direction, segment: &Segment, of: fn(&Way) -> Option<Seq>) -> Option<bool> {
        let (own, peer) = (of(self.way(direction))?, of(self.way(direction.opposite()))?);
        let plain = segment.flags.has(Flags::ACK) && !segment.flags.has(Flags::SYN);
        plain.then(|| !(far(own, segment.seq) && far(peer, segment.ack)))
    }

    /// One of its numbers is near to those of the present connection.
    fn fits(&self, direction: Direction, segment: &Segment) -> bool {
        let (own, peer) = (self.way(direction).latest, self.way(direction.opposite()).latest);
        own.is_some_and(|own| !far(own, segment.seq)) || peer.is_some_and(|peer| !far(peer, segment.ack))
    }

    /// The numbers of that direction in the present connection.
    pub fn way(&self, direction: Direction) -> &Way {
        let [up, down] = &self.ways;
        if direction == Direction::ToServer { up } else { down }
    }

    /// What looked like the client is the server.
    pub fn turn(&mut self) {
        self.ways.swap(0, 1);
    }

    fn is_other(&self, direction: Direction, segment: &Segment) -> bool {
        if !segment.flags.has(Flags::SYN) || segment.flags.has(Flags::RST) {
            return false;
        }
        let (own, peer) = (self.way(direction), self.way(direction.opposite()));
        // A copy of the present connection's, or of the last one's that comes late.
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

    /// A SYN-ACK answers the SYN of the present connection.
    fn answers(&self, direction: Direction, segment: &Segment) -> bool {
        let isn = self.way(direction.opposite()).isn;
        isn.is_some_and(|isn| segment.ack.since(isn + 1) <= WITH_SYN)
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

pub(super) fn far(one: Seq, other: Seq) -> bool {
    one.since(other).min(other.since(one)) > BEFORE
}

impl Way {
    fn saw(&mut self, number: Seq) {
        self.latest = Some(number);
        match self.lowest {
            Some(lowest) if lowest.since(number) > BEFORE => {}
            _ => self.lowest = Some(number),
        }
    }

    /// Where relative numbers count from.
    pub fn base(&self) -> Option<Seq> {
        self.isn.or(self.lowest)
    }
}
