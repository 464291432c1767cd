use super::*;
use crate::{Event, Picture, Record, Segment, Text, svg};
use handfast_stack::wire::Seq;

const C: u32 = 100;
const S: u32 = 300;

fn segment(direction: Direction, flags: Flags, seq: u32, ack: u32) -> (Direction, Segment) {
    let (own, peer) = if direction == Direction::ToServer { (C, S) } else { (S, C) };
    let segment = Segment {
        seq: Seq(own + seq),
        ack: Seq(peer + ack),
        flags,
        window: Some(1_000),
        payload_len: 0,
        ..Segment::default()
    };
    (direction, segment)
}

const SYN_ACK: Flags = Flags::SYN.with(Flags::ACK);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The handshake, at these times.
fn handshake(at: [u64; 3]) -> Record {
    let mut record = Record::default();
    for (at, (direction, segment)) in at.into_iter().zip([
        segment(Direction::ToServer, Flags::SYN, 0, 0),
        segment(Direction::ToClient, SYN_ACK, 0, 1),
        segment(Direction::ToServer, Flags::ACK, 1, 1),
    ]) {
        record.push_delivered(ms(at), direction, segment);
    }
    record
}

fn paths(diagram: &Diagram) -> Vec<Path> {
    let path = |row: &Row| match &row.kind {
        RowKind::Segment(arrow) => Some(arrow.path),
        RowKind::Local(..) => None,
    };
    diagram.rows.iter().filter_map(path).collect()
}

fn of(record: &Record) -> Diagram {
    Diagram::of(record, &DiagramOptions::default())
}

#[test]
fn only_long_silences_are_rows_of_the_story() {
    for (at, waits) in [
        ([0, 1, 2], [None, None, None]),
        ([0, 149, 151], [None, None, None]),
        ([0, 150, 1_150], [None, Some(ms(150)), Some(ms(1_000))]),
    ] {
        let diagram = of(&handshake(at));
        let got: Vec<_> = diagram.rows.iter().map(|row| row.wait).collect();
        assert_eq!(got, waits, "{at:?}");
    }
}

/// Also if something else came shortly before: not the silence, but the time-out is the reason.
#[test]
fn a_retransmission_waits_since_its_last_copy() {
    let mut record = Record::default();
    let syn = segment(Direction::ToServer, Flags::SYN, 0, 0);
    record.push_delivered(ms(0), syn.0, syn.1);
    let (direction, answer) = segment(Direction::ToClient, SYN_ACK, 0, 1);
    let lost = record.add(direction, answer);
    record.push(ms(300), Event::Sent(lost));
    record.push(ms(300), Event::Lost(lost));
    record.push_delivered(ms(1_000), syn.0, syn.1);
    let diagram = of(&record);
    assert_eq!(paths(&diagram), [Path::Delivered, Path::Lost, Path::Delivered]);
    assert_eq!(diagram.rows[2].wait, Some(ms(1_000)));
    let again: Vec<bool> = diagram
        .rows
        .iter()
        .map(|row| matches!(&row.kind, RowKind::Segment(arrow) if arrow.retransmitted))
        .collect();
    assert_eq!(again, [false, false, true]);
    assert_eq!((diagram.rows[1].client, diagram.rows[1].server), (State::SynSent, State::SynReceived));
}

/// RFC 9293 figure 7.
#[test]
fn segments_that_cross_have_two_rows() {
    let mut record = Record::default();
    let up = segment(Direction::ToServer, Flags::SYN, 0, 0);
    let down = segment(Direction::ToClient, Flags::SYN, 0, 0);
    let (up, down) = (record.add(up.0, up.1), record.add(down.0, down.1));
    for event in [Event::Sent(up), Event::Sent(down), Event::Received(down), Event::Received(up)] {
        record.push(ms(0), event);
    }
    let diagram = of(&record);
    assert_eq!((diagram.client, diagram.server), (Some(State::Closed), Some(State::Closed)));
    assert_eq!(paths(&diagram), [Path::Pending, Path::Delivered, Path::Received]);
    let states: Vec<_> = diagram.rows.iter().map(|row| (row.client, row.server)).collect();
    let (sent, received) = (State::SynSent, State::SynReceived);
    assert_eq!(states, [(sent, State::Closed), (received, sent), (received, received)]);
}

#[test]
fn a_cookie_keeps_the_server_in_listen() {
    let knowledge = DiagramOptions { cookies: true, ..DiagramOptions::default() };
    let diagram = Diagram::of(&handshake([0, 1, 2]), &knowledge);
    let server: Vec<_> = diagram.rows.iter().map(|row| row.server).collect();
    assert_eq!(server, [State::Listen, State::Listen, State::Established]);
}

#[test]
fn two_msl_and_close_are_explained() {
    let mut record = handshake([0, 1, 2]);
    let fin = Flags::FIN.with(Flags::ACK);
    for (direction, flags, seq, ack) in [
        (Direction::ToServer, fin, 1, 1),
        (Direction::ToClient, fin, 1, 2),
        (Direction::ToServer, Flags::ACK, 2, 2),
    ] {
        let (direction, segment) = segment(direction, flags, seq, ack);
        record.push_delivered(ms(3), direction, segment);
    }
    assert_eq!(of(&record).rows.last().map(|row| row.client), Some(State::TimeWait));
    // Without a side in TIME-WAIT it means nothing.
    record.push(ms(4), Event::Local(Side::Server, LocalEvent::TwoMsl));
    record.push(ms(5), Event::Local(Side::Client, LocalEvent::TwoMsl));
    let diagram = of(&record);
    let [.., before, last] = diagram.rows.as_slice() else { panic!("rows") };
    assert_eq!((before.client, before.server), (State::TimeWait, State::Closed));
    assert_eq!((last.client, last.server), (State::Closed, State::Closed));
}

#[test]
fn two_ways_end_before_anybody_objects() {
    let mut record = handshake([0, 1, 2]);
    record.segments[2] = segment(Direction::ToServer, Flags::RST, 1, 0);
    let real = of(&record);
    assert_eq!(real.rows.last().map(|row| row.server), Some(State::Listen));
    let imagined = real.in_two_ways();
    let server: Vec<_> = imagined.rows.iter().map(|row| row.server).collect();
    assert_eq!(server, [State::Established; 2]);
}

#[test]
fn a_sentence_is_said_once_and_notes_go_before() {
    let mut knowledge = DiagramOptions::default();
    knowledge.notes.push(Note { segment: 0, arrives: false, text: "first" });
    knowledge.notes.push(Note { segment: 1, arrives: false, text: "first" });
    knowledge.notes.push(Note { segment: 2, arrives: false, text: "" });
    let diagram = Diagram::of(&handshake([0, 1, 2]), &knowledge);
    let said: Vec<_> = diagram.rows.iter().map(|row| row.annotation.as_deref()).collect();
    assert_eq!(said, [Some("first"), None, None]);
}

/// The same story at another pace is the same picture; in characters only the times differ.
#[test]
fn a_picture_does_not_depend_on_the_machine() {
    let picture =
        |at| Picture { title: "A <title> & more".into(), diagram: of(&handshake(at)), ..Picture::default() };
    let (fast, slow) = (picture([0, 1, 1_000]), picture([0, 90, 1_190]));
    assert_eq!(svg::draw(&fast), svg::draw(&slow));
    assert!(svg::draw(&fast).contains("A &lt;title&gt; &amp; more"));
    assert_ne!(svg::draw(&fast), svg::draw(&picture([0, 1, 2])), "a wait is part of it");
    let text = |picture: &Picture, width| Text { picture, width, ascii: true, colour: false }.to_string();
    assert_eq!(text(&fast, 80), text(&slow, 80));
    assert_ne!(text(&fast, 93), text(&slow, 93));
}

/// A segment with payload, as [`segment`].
fn data(seq: u32, payload_len: u32) -> Segment {
    Segment { payload_len, ..segment(Direction::ToServer, Flags::ACK, seq, 1).1 }
}

/// Numbers that do not follow on one another are explained, each way once.
#[test]
fn segments_out_of_order_are_explained() {
    let ack = |ack| segment(Direction::ToClient, Flags::ACK, 1, ack).1;
    let mut record = handshake([0, 1, 2]);
    for (direction, segment) in [
        (Direction::ToServer, data(1, 100)),
        (Direction::ToServer, data(201, 100)),
        (Direction::ToClient, ack(101)),
        (Direction::ToClient, ack(101)),
        (Direction::ToServer, data(101, 100)),
        (Direction::ToServer, data(201, 100)),
        (Direction::ToClient, ack(301)),
        // A keep-alive.
        (Direction::ToServer, data(300, 1)),
    ] {
        record.push_delivered(ms(3), direction, segment);
    }
    let diagram = of(&record);
    let said: Vec<&str> =
        diagram.rows.iter().skip(3).map(|row| row.annotation.as_deref().unwrap_or_default()).collect();
    let begins = [
        "",
        "The 100 bytes before it",
        "",
        "The same ACK again",
        "What was missing",
        "The server has repeated",
        "",
        "",
    ];
    assert_eq!(said.len(), begins.len());
    for (said, begins) in said.iter().zip(begins) {
        assert!(said.starts_with(begins) && said.is_empty() == begins.is_empty(), "{said:?} {begins:?}");
    }
}
