use crate::evidence::Outlook;
use crate::{Segment, State};
use handfast_stack::wire::{Flags, Seq};

/// One end of a connection, judged by what it sends and what reaches it.
///
/// With an [`Outlook`] the segments are those of a capture, which may lack some: what no segment proves
/// becomes [`State::Unknown`], and remains so until the side itself shows in which state it is.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub state: State,
    /// The first sequence number sent.
    pub first: Option<Seq>,
    /// Behind our FIN.
    own_fin: Option<Seq>,
    /// Behind the peer's FIN, as far as it was sent.
    peer_fin: Option<Seq>,
    /// RCV.NXT.
    next: Option<Seq>,
    /// The last acknowledgement sent.
    acknowledged: Option<Seq>,
    /// Behind what was sent, as far as it was seen.
    sent: Option<Seq>,
    /// It has sent a SYN of its own accord.
    opens: bool,
    /// Keeps no state before the handshake is complete.
    pub stateless: bool,
}

impl Side {
    pub(super) fn new(state: State) -> Side {
        Side {
            state,
            first: None,
            own_fin: None,
            peer_fin: None,
            next: None,
            acknowledged: None,
            sent: None,
            opens: false,
            stateless: false,
        }
    }

    /// It has sent its SYN, which was not seen.
    pub(super) fn opening(isn: Seq) -> Side {
        Side { first: Some(isn), opens: true, ..Side::new(State::SynSent) }
    }

    /// In the middle of a connection: where its numbers begin, and those of its peer.
    pub(super) fn midway(own: Option<Seq>, peer: Option<Seq>) -> Side {
        Side { first: own, next: peer, ..Side::new(State::Established) }
    }

    pub(super) fn sends(&mut self, segment: &Segment, outlook: Option<&Outlook>) {
        if segment.flags.has(Flags::RST) {
            // What speaks on afterwards has not ended.
            let ends = outlook.is_none_or(|outlook| !outlook.sender_continues());
            self.state = if ends { State::Closed } else { State::Unknown };
            return;
        }
        let (spoke, said) = (self.first.is_some() && self.state != State::Listen, self.acknowledged);
        self.first.get_or_insert(segment.seq);
        if self.sent.is_none_or(|sent| sent.before(segment.end())) {
            self.sent = Some(segment.end());
        }
        if let Some(ack) = segment.acknowledges() {
            // More than was seen to arrive in order: it has arrived all the same.
            self.arrived_up_to(ack);
            self.acknowledged = Some(ack);
        }
        if segment.flags.has(Flags::SYN) {
            self.sends_syn(segment, spoke);
        } else if let Some(outlook) = outlook {
            self.shows_itself(segment, said, outlook);
        }
        if segment.flags.has(Flags::FIN) {
            self.own_fin = Some(segment.end());
            self.state = self.after_own_fin(segment);
        }
    }

    fn sends_syn(&mut self, segment: &Segment, spoke: bool) {
        let acknowledges = segment.flags.has(Flags::ACK);
        self.state = match self.state {
            State::Closed if !acknowledges => State::SynSent,
            State::Unknown if !acknowledges && !spoke => State::SynSent,
            State::Listen if self.stateless => State::Listen,
            State::Closed | State::Listen | State::SynSent if acknowledges => State::SynReceived,
            State::Unknown if acknowledges && !spoke => State::SynReceived,
            other => return self.state = other,
        };
        self.first = Some(segment.seq);
        self.opens |= !acknowledges;
    }

    /// What a side must be that sends this, where the way there was not captured.
    /// `said`: its last acknowledgement before.
    fn shows_itself(&mut self, segment: &Segment, said: Option<Seq>, outlook: &Outlook) {
        let Some(ack) = segment.acknowledges() else { return };
        // The peer sends more than this acknowledges: its FIN has not arrived yet.
        let peer_is_open = outlook.receiver.top.is_some_and(|top| ack.before(top));
        let has_fin = self.peer_fin.is_some_and(|fin| fin.at_or_before(ack));
        let says_more = segment.seq_len() > 0;
        self.state = match self.state {
            // RFC 9293 3.10.7.3: nothing but a SYN-ACK makes it acknowledge anything.
            // It may answer the SYN-ACK, or a FIN behind it, unless the peer sends more later.
            State::SynSent if peer_is_open => State::Established,
            State::SynSent => State::Unknown,
            // Its SYN-ACK was not captured, nor what came between.
            State::SynReceived if said.is_none() && !says_more => State::Unknown,
            State::SynReceived if says_more || said.is_some_and(|said| said.before(ack)) => {
                State::Established
            }
            State::Closed | State::Listen => match self.own_fin {
                // The ACK of its FIN did not arrive after all.
                Some(fin) if fin == segment.end() && says_more => State::LastAck,
                _ => State::Unknown,
            },
            // Behind its own FIN there is nothing to send.
            _ if says_more && self.own_fin.is_some_and(|fin| fin.before(segment.end())) => State::Unknown,
            // Its FIN is answered where it cannot be seen, or not.
            State::FinWait1 | State::Closing | State::LastAck
                if !outlook.receiver.seen && !segment.flags.has(Flags::FIN) =>
            {
                State::Unknown
            }
            State::Unknown if says_more && peer_is_open && self.own_fin.is_none() => State::Established,
            State::Unknown if says_more && has_fin && self.own_fin.is_none() => State::CloseWait,
            other => other,
        };
    }

    fn after_own_fin(&self, segment: &Segment) -> State {
        match self.state {
            State::SynReceived | State::Established => State::FinWait1,
            // Sent before the peer's FIN came in: the two crossed.
            State::CloseWait if self.peer_fin.is_some_and(|fin| segment.ack.before(fin)) => State::Closing,
            State::CloseWait => State::LastAck,
            other => other,
        }
    }

    /// The peer acknowledges more than was seen to be sent: true if that may include a FIN. `top`: behind
    /// the last number that is seen of this side.
    pub(super) fn misses(&mut self, ack: Seq, top: Option<Seq>) -> Option<bool> {
        let Some(sent) = self.sent else {
            self.sent = Some(ack);
            // Its SYN-ACK was not captured, nor what else.
            let answered = matches!(self.state, State::Listen | State::SynReceived);
            return answered.then(|| top.is_none_or(|top| top.at_or_before(ack)));
        };
        if !sent.before(ack) {
            return None;
        }
        self.sent = Some(ack);
        Some(self.own_fin.is_none() && top.is_none_or(|top| top.at_or_before(ack)))
    }

    /// It goes on behind what was seen to be sent: as [`Side::misses`].
    pub(super) fn skips(&mut self, segment: &Segment, top: Option<Seq>) -> Option<bool> {
        self.sent.and_then(|_| self.misses(segment.seq, top))
    }

    /// Something was sent either way that was not captured, perhaps a FIN.
    pub(super) fn doubt(&mut self) {
        if !matches!(self.state, State::Closed | State::TimeWait) {
            self.state = State::Unknown;
        }
    }

    /// Something has arrived that was not captured, perhaps what it waits for.
    pub(super) fn hears(&mut self) {
        if matches!(self.state, State::FinWait1 | State::Closing | State::LastAck) {
            self.state = State::Unknown;
        }
    }

    pub(super) fn receives(&mut self, segment: &Segment, outlook: Option<&Outlook>) {
        if segment.flags.has(Flags::RST) {
            return self.receives_reset(segment, outlook);
        }
        if segment.flags.has(Flags::SYN) {
            self.receives_syn(segment);
        } else if self.state == State::SynSent && outlook.is_some() {
            // The SYN-ACK was not captured, nor what it has said since.
            self.state = State::Unknown;
        }
        if segment.flags.has(Flags::ACK) {
            self.receives_ack(segment.ack);
        }
        if self.next.is_none() && self.state != State::Listen && self.state != State::Closed {
            self.next = Some(segment.seq);
        }
        if segment.flags.has(Flags::FIN) {
            self.peer_fin = Some(segment.end());
        }
        if self.next.is_some_and(|next| segment.seq.at_or_before(next)) {
            self.arrived_up_to(segment.end());
        } else if segment.flags.has(Flags::FIN) && outlook.is_some() {
            // What lies before it has arrived, or not: it was not captured.
            self.doubt();
        }
    }

    /// RFC 9293 3.5.3, and RFC 5961 3.2: only one that is exactly next resets.
    fn receives_reset(&mut self, segment: &Segment, outlook: Option<&Outlook>) {
        let acknowledges_syn =
            segment.flags.has(Flags::ACK) && self.first.is_some_and(|first| segment.ack == first + 1);
        let before = self.state;
        self.state = match self.state {
            State::SynSent if acknowledges_syn => State::Closed,
            State::SynSent | State::Listen => self.state,
            _ if self.next.is_some_and(|next| next != segment.seq) => self.state,
            State::SynReceived => self.refused(),
            _ => State::Closed,
        };
        let Some(outlook) = outlook else { return };
        let exact = [self.next, self.acknowledged].contains(&Some(segment.seq));
        self.state = match (before, outlook.receiver_continues()) {
            // What would explain its number was not captured.
            (State::SynSent, false) if self.state == State::SynSent => State::Unknown,
            (State::SynSent | State::Listen | State::Closed, _) => self.state,
            (_, true) if exact => State::Unknown,
            (_, true) => before,
            // With an ACK, one that was not captured may have come before it.
            (State::SynReceived, false) if exact && !segment.flags.has(Flags::ACK) => self.refused(),
            (State::SynReceived, false) => State::Unknown,
            (_, false) if exact => State::Closed,
            // Where its window is, and whether it heeds RFC 5961, no capture shows.
            (_, false) => State::Unknown,
        };
    }

    /// Out of SYN-RECEIVED by a RST (RFC 9293 3.10.7.4): back to where it came from.
    fn refused(&self) -> State {
        if self.opens { State::Closed } else { State::Listen }
    }

    fn receives_syn(&mut self, segment: &Segment) {
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
        // Its SYN-ACK may not have been captured.
        if waits && self.first.is_none_or(|first| first.before(ack)) {
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
