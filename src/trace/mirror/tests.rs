use super::State::*;
use super::*;

/// Direction, flags as tcpdump writes them, seq, ack, payload; client's and server's state.
type Row = (char, &'static str, u32, u32, u32, State, State);

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
        let segment = Segment {
            seq: Seq(own) + seq,
            ack: Seq(peer) + ack,
            flags: flags(letters),
            window: Some(1_000),
            payload_len,
            ..Segment::default()
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
    let segment = |flags: &str, seq, ack| Segment {
        seq: Seq(seq),
        ack: Seq(ack),
        flags: self::flags(flags),
        window: Some(1_000),
        payload_len: 0,
        ..Segment::default()
    };
    mirror.observe(Direction::ToServer, &segment("S", 10, 0));
    mirror.observe(Direction::ToClient, &segment("S", 70, 0));
    assert_eq!(mirror.client(), SynReceived);
}
