use std::time::Duration;

use super::*;
use crate::{Diagram, DiagramOptions, Direction, Record, Segment};
use handfast_stack::wire::Seq;

/// A handshake without sentences, its last segment with this payload, this far into both streams.
fn handshake(payload_len: u32, offset: u32) -> Picture {
    let (client_isn, server_isn) = (Seq(1_000), Seq(9_000));
    let (next, peer_next) = (client_isn + 1, server_isn + 1);
    let segment = |flags, seq, ack| Segment { flags, seq, ack, ..Segment::default() };
    let mut record = Record::default();
    let micros = Duration::from_micros;
    record.push_delivered(micros(0), Direction::ToServer, segment(Flags::SYN, client_isn, Seq(0)));
    record.push_delivered(
        micros(41),
        Direction::ToClient,
        segment(Flags::SYN.with(Flags::ACK), server_isn, next),
    );
    record.push_delivered(
        micros(12_340),
        Direction::ToServer,
        Segment { payload_len, ..segment(Flags::ACK, next + offset, peer_next + offset) },
    );
    let diagram = Diagram::of(&record, &DiagramOptions::default()).without_annotations();
    Picture {
        client: "198.18.0.1:40312".into(),
        server: "198.18.1.1:80".into(),
        diagram,
        ..Picture::default()
    }
}

fn drawn(picture: &Picture, width: usize, colour: bool) -> String {
    Text { picture, width, ascii: false, colour }.to_string()
}

#[test]
fn draws_one_line_for_each_segment() {
    let drawn = drawn(&handshake(0, 0), 93, false);
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

/// As tcpdump's 1448 bytes of a full segment: nothing moves to the right.
#[test]
fn long_numbers_stay_in_their_columns_and_80_columns_suffice() {
    let picture = handshake(1448, 9_999_998);
    for width in [80, 93] {
        let drawn = drawn(&picture, width, false);
        assert!(drawn.contains("9999999"), "{drawn}");
        assert!(drawn.lines().all(|line| line.chars().count() <= width), "{width}:\n{drawn}");
        let rows: Vec<Vec<char>> = drawn.lines().skip(2).map(|line| line.chars().collect()).collect();
        let ends: Vec<_> = rows.iter().map(|row| row.iter().rposition(|c| "▶─".contains(*c))).collect();
        assert!(ends[0].is_some() && ends.iter().all(|end| *end == ends[0]), "{width}:\n{drawn}");
        assert_eq!(drawn.contains(" µs"), width == 93, "{drawn}");
    }
}

#[test]
fn colour_changes_no_width_and_is_off_unless_asked() {
    let picture = handshake(0, 0);
    let (plain, coloured) = (drawn(&picture, 93, false), drawn(&picture, 93, true));
    assert!(!plain.contains('\x1b'));
    let mut stripped = String::new();
    for (index, part) in coloured.split('\x1b').enumerate() {
        stripped += if index == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(stripped, plain);
    assert!(plain.lines().all(|line| line.chars().count() <= 100));
}
