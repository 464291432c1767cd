use super::State;
use crate::wire::{Flags, SegmentInfo, Seq};

/// Which way a segment goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What the states of both sides must be, judged by the segments alone (RFC 9293 3.10).
///
/// Every segment is taken to arrive; where one did not, the next acknowledgement puts it right.
/// What no segment shows, the end of TIME-WAIT above all, is not seen.
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
    /// Takes the next segment into account.
    pub fn observe(&mut self, direction: Direction, segment: &SegmentInfo) {
        if direction == Direction::ToServer && self.begins_anew(segment) {
            *self = Mirror::default();
        }
        let (sender, receiver) = match direction {
            Direction::ToServer => (&mut self.client, &mut self.server),
            Direction::ToClient => (&mut self.server, &mut self.client),
        };
        sender.sends(segment);
        receiver.receives(segment);
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
}

impl Side {
    fn new(state: State) -> Side {
        Side { state, first: None, own_fin: None, peer_fin: None, next: None }
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
            State::Listen if !segment.flags.has(Flags::ACK) => State::SynReceived,
            // Its acknowledgement, if it has one, is looked at next.
            State::SynSent => State::SynReceived,
            other => return self.state = other,
        };
        self.next = Some(segment.seq);
    }

    fn receives_ack(&mut self, ack: Seq) {
        let covers = |end: Option<Seq>| end.is_some_and(|end| end.at_or_before(ack));
        if self.state == State::SynReceived && covers(self.first.map(|first| first + 1)) {
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
mod tests {
    use super::State::*;
    use super::*;
    use crate::wire::Options;

    /// Direction, flags as tcpdump writes them, seq, ack, payload; client's and server's state.
    type Row = (char, &'static str, u32, u32, u16, State, State);

    const C: u32 = 0xffff_fffe; // the client's ISN: the space wraps at once
    const S: u32 = 5_000;

    const HANDSHAKE: [Row; 3] = [
        ('>', "S", 0, 0, 0, SynSent, SynReceived),
        ('<', "S.", 0, 1, 0, Established, SynReceived),
        ('>', ".", 1, 1, 0, Established, Established),
    ];

    fn check(name: &str, rows: &[Row]) {
        let mut mirror = Mirror::default();
        for (number, &(way, letters, seq, ack, payload_len, client, server)) in rows.iter().enumerate() {
            let (direction, own, peer) = match way {
                '>' => (Direction::ToServer, C, S),
                _ => (Direction::ToClient, S, C),
            };
            let segment = SegmentInfo {
                seq: Seq(own) + seq,
                ack: Seq(peer) + ack,
                flags: flags(letters),
                window: 1000,
                payload_len,
                options: Options::default(),
            };
            mirror.observe(direction, &segment);
            let states = (mirror.client(), mirror.server());
            assert_eq!(states, (client, server), "{name}: after segment {number}, {way}{letters}");
        }
    }

    fn flags(letters: &str) -> Flags {
        letters.chars().fold(Flags(0), |flags, letter| {
            flags.with(match letter {
                'S' => Flags::SYN,
                'F' => Flags::FIN,
                'R' => Flags::RST,
                'P' => Flags::PSH,
                _ => Flags::ACK,
            })
        })
    }

    fn after_handshake(name: &str, rows: &[Row]) {
        check(name, &[&HANDSHAKE, rows].concat());
    }

    #[test]
    fn closes_in_four_segments_from_either_side() {
        after_handshake(
            "the client first (RFC 9293 figure 12)",
            &[
                ('>', "F.", 1, 1, 0, FinWait1, CloseWait),
                ('<', ".", 1, 2, 0, FinWait2, CloseWait),
                ('<', "F.", 1, 2, 0, TimeWait, LastAck),
                ('>', ".", 2, 2, 0, TimeWait, Closed),
            ],
        );
        after_handshake(
            "the server first",
            &[
                ('<', "F.", 1, 1, 0, CloseWait, FinWait1),
                ('>', ".", 1, 2, 0, CloseWait, FinWait2),
                ('>', "F.", 1, 2, 0, LastAck, TimeWait),
                ('<', ".", 2, 2, 0, Closed, TimeWait),
            ],
        );
    }

    #[test]
    fn closes_in_three_when_fin_and_ack_share_a_segment() {
        after_handshake(
            "the client first",
            &[
                ('>', "F.", 1, 1, 0, FinWait1, CloseWait),
                ('<', "F.", 1, 2, 0, TimeWait, LastAck),
                ('>', ".", 2, 2, 0, TimeWait, Closed),
            ],
        );
        after_handshake(
            "with a request and an answer, the FIN on the answer",
            &[
                ('>', "P.", 1, 1, 80, Established, Established),
                ('<', "FP.", 1, 81, 200, CloseWait, FinWait1),
                ('>', "F.", 81, 202, 0, LastAck, TimeWait),
                ('<', ".", 202, 82, 0, Closed, TimeWait),
            ],
        );
    }

    #[test]
    fn fins_that_cross_meet_in_closing() {
        after_handshake(
            "RFC 9293 figure 13",
            &[
                ('>', "F.", 1, 1, 0, FinWait1, CloseWait),
                // It does not cover the client's FIN: the server had not seen it.
                ('<', "F.", 1, 1, 0, Closing, Closing),
                ('>', ".", 2, 2, 0, Closing, TimeWait),
                ('<', ".", 2, 2, 0, TimeWait, TimeWait),
            ],
        );
    }

    #[test]
    fn resets_end_a_connection_only_where_they_are_valid() {
        check(
            "a closed port",
            &[('>', "S", 0, 0, 0, SynSent, SynReceived), ('<', "R.", 0, 1, 0, Closed, Closed)],
        );
        check(
            "a half-open connection given up by the client",
            &[
                ('>', "S", 0, 0, 0, SynSent, SynReceived),
                ('<', "S.", 0, 1, 0, Established, SynReceived),
                ('>', "R", 1, 0, 0, Closed, Listen),
            ],
        );
        after_handshake("by the server", &[('<', "R.", 1, 1, 0, Closed, Closed)]);
        after_handshake(
            "outside what is next: the receiver stays",
            &[('>', "R", 500, 0, 0, Closed, Established)],
        );
    }

    #[test]
    fn retransmissions_and_gaps_change_no_state_twice() {
        after_handshake(
            "a FIN sent again, after a hole that the acknowledgement shows filled",
            &[
                ('<', "P.", 101, 1, 50, Established, Established),
                ('<', "F.", 151, 1, 0, Established, FinWait1),
                ('<', "P.", 1, 1, 100, Established, FinWait1),
                ('>', ".", 1, 152, 0, CloseWait, FinWait2),
                ('<', "F.", 151, 1, 0, CloseWait, FinWait2),
                ('>', "F.", 1, 152, 0, LastAck, TimeWait),
                ('>', "F.", 1, 152, 0, LastAck, TimeWait),
                ('<', ".", 152, 2, 0, Closed, TimeWait),
            ],
        );
    }

    #[test]
    fn a_syn_after_the_end_begins_anew() {
        after_handshake(
            "the same 4-tuple again",
            &[
                ('<', "R.", 1, 1, 0, Closed, Closed),
                ('>', "S", 90_000, 0, 0, SynSent, SynReceived),
                ('<', "S.", 70_000, 90_001, 0, Established, SynReceived),
            ],
        );
    }

    #[test]
    fn simultaneous_open_meets_in_syn_received() {
        let mut mirror = Mirror::default();
        mirror.server.state = Closed;
        let segment = |flags: &str, seq, ack| SegmentInfo {
            seq: Seq(seq),
            ack: Seq(ack),
            flags: self::flags(flags),
            window: 0,
            payload_len: 0,
            options: Options::default(),
        };
        mirror.observe(Direction::ToServer, &segment("S", 10, 0));
        mirror.observe(Direction::ToClient, &segment("S", 70, 0));
        assert_eq!(mirror.client(), SynReceived);
    }
}
