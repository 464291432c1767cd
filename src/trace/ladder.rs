use std::fmt;

use super::diagram::{Arrow, Path, Row, What};
use super::{Conversation, Diagram, Picture, State, Text};

/// A conversation drawn without a word, as [`Text`] does it.
#[derive(Clone, Copy, Debug)]
pub struct Ladder<'a> {
    pub conversation: &'a Conversation,
    /// Columns, as of [`Text`]: from 93 on with times.
    pub width: usize,
    /// With ANSI colours.
    pub colour: bool,
}

impl fmt::Display for Ladder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Conversation { client, server, lines } = self.conversation;
        let rows = lines.iter().enumerate().map(|(number, line)| Row {
            at: line.at,
            wait: None,
            what: What::Segment(Arrow {
                number,
                direction: line.direction,
                path: Path::Whole,
                flags: line.flags,
                seq: line.seq,
                ack: line.ack,
                payload_len: line.payload_len,
                again: false,
                older: false,
                window: None,
                labels: Vec::new(),
            }),
            client: line.client,
            server: line.server,
            begins: false,
            why: None,
        });
        let diagram = Diagram {
            client: Some(State::Closed),
            server: Some(State::Listen),
            rows: rows.collect(),
            connections: 1,
        };
        let picture =
            Picture { client: client.to_string(), server: server.to_string(), diagram, ..Picture::default() };
        Text { picture: &picture, width: self.width, ascii: false, colour: self.colour }.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Direction, Line};
    use handfast_stack::wire::Flags;

    fn line(
        at: u64,
        direction: Direction,
        flags: Flags,
        seq: u32,
        ack: Option<u32>,
        states: (State, State),
    ) -> Line {
        let (client, server) = states;
        Line { at: Duration::from_micros(at), direction, flags, seq, ack, payload_len: 0, client, server }
    }

    fn handshake() -> Conversation {
        use Direction::{ToClient, ToServer};
        use State::{Established, SynReceived, SynSent};
        let syn_ack = Flags::SYN.with(Flags::ACK);
        Conversation {
            client: "198.18.0.1:40312".parse().unwrap(),
            server: "198.18.1.1:80".parse().unwrap(),
            lines: vec![
                line(0, ToServer, Flags::SYN, 0, None, (SynSent, SynReceived)),
                line(41, ToClient, syn_ack, 0, Some(1), (Established, SynReceived)),
                line(12_340, ToServer, Flags::ACK, 1, Some(1), (Established, Established)),
            ],
        }
    }

    #[test]
    fn draws_one_line_for_each_segment() {
        let drawn = Ladder { conversation: &handshake(), width: 93, colour: false }.to_string();
        let expected = [
            "       time  198.18.0.1:40312                                                   198.18.1.1:80",
            "             CLOSED                                                             LISTEN",
            "       0 µs  SYN-SENT      ─── SYN         seq 0                   len 0    ──▶ SYN-RECEIVED",
            "      41 µs  ESTABLISHED   ◀── SYN ACK     seq 0       ack 1       len 0    ─── SYN-RECEIVED",
            "   12.34 ms  ESTABLISHED   ─── ACK         seq 1       ack 1       len 0    ──▶ ESTABLISHED",
        ];
        let trimmed: Vec<&str> = drawn.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, expected, "\n{drawn}");
    }

    /// As tcpdump's 1448 octets of a full segment: nothing moves to the right.
    #[test]
    fn long_numbers_stay_in_their_columns_and_80_columns_suffice() {
        let mut conversation = handshake();
        let last = &mut conversation.lines[2];
        (last.seq, last.ack, last.payload_len) = (1_000_000, Some(9_999_999), 1448);
        for width in [80, 93] {
            let drawn = Ladder { conversation: &conversation, width, colour: false }.to_string();
            assert!(drawn.lines().all(|line| line.chars().count() <= width), "{width}:\n{drawn}");
            let rows: Vec<Vec<char>> = drawn.lines().skip(2).map(|line| line.chars().collect()).collect();
            let ends: Vec<_> = rows.iter().map(|row| row.iter().rposition(|c| "▶─".contains(*c))).collect();
            assert!(ends[0].is_some() && ends.iter().all(|end| *end == ends[0]), "{width}:\n{drawn}");
            assert_eq!(drawn.contains(" µs"), width == 93, "{drawn}");
        }
    }

    #[test]
    fn colour_changes_no_width_and_is_off_unless_asked() {
        let conversation = handshake();
        let plain = Ladder { conversation: &conversation, width: 93, colour: false }.to_string();
        let coloured = Ladder { conversation: &conversation, width: 93, colour: true }.to_string();
        assert!(!plain.contains('\x1b'));
        let mut stripped = String::new();
        for (index, part) in coloured.split('\x1b').enumerate() {
            stripped += if index == 0 { part } else { part.split_once('m').unwrap().1 };
        }
        assert_eq!(stripped, plain);
        assert!(plain.lines().all(|line| line.chars().count() <= 100));
    }
}
