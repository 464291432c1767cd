use crate::evidence::Outlook;
use crate::{Segment, State};
use handfast_stack::wire::{Flags, Seq};

/// One end of a connection, inferred from the segments that it sends and receives.
///
/// With an [`Outlook`] the segments are from a capture, which may be incomplete: a state that they do not prove becomes
/// [`State::Unknown`], until a segment of this side proves one.
#[derive(Clone, Debug)]
pub(super) struct SideState {
    pub state: State,
    /// The first sequence number sent.
    pub first: Option<Seq>,
    /// The number after its FIN.
    own_fin: Option<Seq>,
    /// The number after the peer's FIN, if one was sent.
    peer_fin: Option<Seq>,
    /// RCV.NXT.
    next: Option<Seq>,
    /// The last acknowledgement number sent.
    acknowledged: Option<Seq>,
    /// The number after the last one seen of it.
    sent: Option<Seq>,
    /// It has sent a SYN (active open).
    opens: bool,
    /// Keeps no state before the handshake is complete (SYN cookies).
    pub stateless: bool,
}

impl SideState {
    pub(super) fn new(state: State) -> SideState {
        SideState {
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

    /// It has sent a SYN that was not captured.
    pub(super) fn opening(isn: Seq) -> SideState {
        SideState { first: Some(isn), opens: true, ..SideState::new(State::SynSent) }
    }

    /// In an established connection: the bases of its numbers and its peer's.
    pub(super) fn midway(own: Option<Seq>, peer: Option<Seq>) -> SideState {
        SideState { first: own, next: peer, ..SideState::new(State::Established) }
    }

    pub(super) fn sends(&mut self, segment: &Segment, outlook: Option<&Outlook>) {
        if segment.flags.has(Flags::RST) {
            // A side that sends more has not ended.
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
            // It acknowledges more than the captured segments: those have arrived.
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

    /// Updates the state from a sent segment where earlier ones may not have been captured. `said`: its previous
    /// acknowledgement number.
    fn shows_itself(&mut self, segment: &Segment, said: Option<Seq>, outlook: &Outlook) {
        let Some(ack) = segment.acknowledges() else { return };
        // The peer sends more than this acknowledges: its FIN has not arrived.
        let peer_is_open = outlook.receiver.top.is_some_and(|top| ack.before(top));
        let has_fin = self.peer_fin.is_some_and(|fin| fin.at_or_before(ack));
        let says_more = segment.seq_len() > 0;
        self.state = match self.state {
            // RFC 9293 3.10.7.3: only a SYN-ACK makes it acknowledge. This may acknowledge the SYN-ACK, or a FIN after
            // it, unless the peer sends more later.
            State::SynSent if peer_is_open => State::Established,
            State::SynSent => State::Unknown,
            // Its SYN-ACK and following segments were not captured.
            State::SynReceived if said.is_none() && !says_more => State::Unknown,
            State::SynReceived if says_more || said.is_some_and(|said| said.before(ack)) => {
                State::Established
            }
            State::Closed | State::Listen => match self.own_fin {
                // The ACK of its FIN did not arrive.
                Some(fin) if fin == segment.end() && says_more => State::LastAck,
                _ => State::Unknown,
            },
            // Nothing can be sent after its own FIN.
            _ if says_more && self.own_fin.is_some_and(|fin| fin.before(segment.end())) => State::Unknown,
            // The ACK of its FIN, if any, cannot be seen.
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
            // Sent before the peer's FIN arrived: the two crossed.
            State::CloseWait if self.peer_fin.is_some_and(|fin| segment.ack.before(fin)) => State::Closing,
            State::CloseWait => State::LastAck,
            other => other,
        }
    }

    /// Whether the peer acknowledges more than was captured: `Some(true)` if that may include a FIN. `top`: the number
    /// after the last one captured of this side.
    pub(super) fn misses(&mut self, ack: Seq, top: Option<Seq>) -> Option<bool> {
        let Some(sent) = self.sent else {
            self.sent = Some(ack);
            // Its SYN-ACK was not captured, perhaps more.
            let answered = matches!(self.state, State::Listen | State::SynReceived);
            return answered.then(|| top.is_none_or(|top| top.at_or_before(ack)));
        };
        if !sent.before(ack) {
            return None;
        }
        self.sent = Some(ack);
        Some(self.own_fin.is_none() && top.is_none_or(|top| top.at_or_before(ack)))
    }

    /// Whether it sends after a gap: as [`SideState::misses`].
    pub(super) fn skips(&mut self, segment: &Segment, top: Option<Seq>) -> Option<bool> {
        self.sent.and_then(|_| self.misses(segment.seq, top))
    }

    /// A segment of either side was not captured, perhaps a FIN.
    pub(super) fn doubt(&mut self) {
        if !matches!(self.state, State::Closed | State::TimeWait) {
            self.state = State::Unknown;
        }
    }

    /// A segment arrived that was not captured, perhaps the awaited one.
    pub(super) fn missed_arrival(&mut self) {
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
            // The SYN-ACK and later segments of this side were not captured.
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
            // Earlier data was not captured, and may not have arrived.
            self.doubt();
        }
    }

    /// RFC 9293 3.5.3, and RFC 5961 3.2: only a RST with exactly the next number resets.
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
            // The segment that explains its number was not captured.
            (State::SynSent, false) if self.state == State::SynSent => State::Unknown,
            (State::SynSent | State::Listen | State::Closed, _) => self.state,
            (_, true) if exact => State::Unknown,
            (_, true) => before,
            // With an ACK, an earlier one may not have been captured.
            (State::SynReceived, false) if exact && !segment.flags.has(Flags::ACK) => self.refused(),
            (State::SynReceived, false) => State::Unknown,
            (_, false) if exact => State::Closed,
            // Its window, and whether it implements RFC 5961, are not in a capture.
            (_, false) => State::Unknown,
        };
    }

    /// The state after a RST in SYN-RECEIVED (RFC 9293 3.10.7.4): the one before.
    fn refused(&self) -> State {
        if self.opens { State::Closed } else { State::Listen }
    }

    fn receives_syn(&mut self, segment: &Segment) {
        self.state = match self.state {
            State::Listen if self.stateless => State::Listen,
            State::Listen if !segment.flags.has(Flags::ACK) => State::SynReceived,
            // Its acknowledgement, if any, is handled next.
            State::SynSent => State::SynReceived,
            other => return self.state = other,
        };
        self.next = Some(segment.seq);
    }

    fn receives_ack(&mut self, ack: Seq) {
        let covers = |end: Option<Seq>| end.is_some_and(|end| end.at_or_before(ack));
        let waits = self.state == State::SynReceived || self.stateless && self.state == State::Listen;
        // The SYN-ACK may not have been captured.
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

    /// Everything before `end` has arrived, perhaps including the peer's FIN.
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
