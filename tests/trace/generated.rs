//! Captures of connections whose true states are known, disturbed in every way in which captures are: cut,
//! one-sided, doubled, with holes, reordered, and with 4-tuples used again. What is drawn of them is true or
//! `?`, and of what is whole nothing is `?`.

use etherparse::PacketBuilder;
use handfast_trace::pcap::{Flows, Packets};
use handfast_trace::{Diagram, DiagramOptions, Direction, Picture, Row, RowKind, State, Text, svg};
use proptest::prelude::*;

use State::*;

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 7], 41_022);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 50], 80);

/// A packet, and the states after it.
#[derive(Clone, Debug)]
struct Sent {
    up: bool,
    flags: &'static str,
    seq: u32,
    ack: u32,
    payload: usize,
    id: u16,
    /// Microseconds.
    at: u64,
    truth: (State, State),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The side that closes first, whether the other sends data in between, and whether its ACK and FIN are merged.
    Close {
        client_first: bool,
        more: bool,
        merged: bool,
    },
    Reset {
        by_client: bool,
    },
    Forgotten,
}

#[derive(Clone, Debug)]
struct Story {
    isns: (u32, u32),
    /// Payloads in either direction.
    data: Vec<(bool, usize)>,
    end: End,
}

/// Plays consecutive connections.
struct Player {
    sent: Vec<Sent>,
    next: [u32; 2],
    truth: [State; 2],
    at: u64,
    ids: bool,
}

impl Player {
    fn play(stories: &[Story], ids: bool) -> Vec<Sent> {
        let mut player = Player { sent: Vec::new(), next: [0; 2], truth: [Closed, Listen], at: 0, ids };
        for (number, story) in stories.iter().enumerate() {
            // No ISN is among the numbers of the previous connection.
            let apart = (number as u32) << 28;
            let (client, server) = story.isns;
            let isns = (client.wrapping_add(apart), server.wrapping_add(apart));
            player.story(&Story { isns, ..story.clone() });
        }
        player.sent
    }

    /// Client is 0, server is 1.
    fn send(&mut self, from: usize, flags: &'static str, payload: usize, truth: [State; 2]) {
        self.at += 10_000;
        self.truth = truth;
        let id = if self.ids { self.sent.len() as u16 + 1 } else { 0 };
        let (seq, ack) = (self.next[from], self.next[1 - from]);
        let (up, truth) = (from == 0, (truth[0], truth[1]));
        self.sent.push(Sent { up, flags, seq, ack, payload, id, at: self.at, truth });
        let counts = payload + usize::from(flags.contains(['S', 'F']));
        self.next[from] = self.next[from].wrapping_add(counts as u32);
    }

    fn story(&mut self, story: &Story) {
        self.at += 8_000_000;
        self.next = [story.isns.0, story.isns.1];
        self.send(0, "S", 0, [SynSent, SynReceived]);
        self.send(1, "S.", 0, [Established, SynReceived]);
        self.send(0, ".", 0, [Established; 2]);
        for &(up, payload) in &story.data {
            let from = usize::from(!up);
            self.send(from, "P.", payload, [Established; 2]);
            self.send(1 - from, ".", 0, [Established; 2]);
        }
        match story.end {
            End::Forgotten => {}
            End::Reset { by_client } => self.send(usize::from(!by_client), "R.", 0, [Closed; 2]),
            End::Close { client_first, more, merged } => self.close(usize::from(!client_first), more, merged),
        }
    }

    fn close(&mut self, first: usize, more: bool, merged: bool) {
        let states = |own, peer| if first == 0 { [own, peer] } else { [peer, own] };
        self.send(first, "F.", 0, states(FinWait1, CloseWait));
        if more || !merged {
            self.send(1 - first, ".", 0, states(FinWait2, CloseWait));
        }
        if more {
            self.send(1 - first, "P.", 100, states(FinWait2, CloseWait));
            self.send(first, ".", 0, states(FinWait2, CloseWait));
        }
        self.send(1 - first, "F.", 0, states(TimeWait, LastAck));
        self.send(first, ".", 0, states(TimeWait, Closed));
    }
}

fn file(packets: &[Sent]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for sent in packets {
        let ((from, from_port), (to, to_port)) = if sent.up { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let mut tcp = PacketBuilder::ipv4(from, to, 64).tcp(from_port, to_port, sent.seq, 1_000);
        for flag in sent.flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                'P' => tcp.psh(),
                _ => tcp.ack(sent.ack),
            };
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, &vec![0; sent.payload]).expect("a packet");
        packet[4..6].copy_from_slice(&sent.id.to_be_bytes());
        let length = packet.len() as u32;
        for word in [(sent.at / 1_000_000) as u32, (sent.at % 1_000_000) as u32, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// What is drawn, and how many were captured twice.
fn drawn(packets: &[Sent]) -> (Diagram, u64) {
    let file = file(packets);
    let mut open = Packets::open(&file[..]).expect("a capture");
    let found = Flows::of(&mut open, None, 10_000);
    assert_eq!((found.flows.len(), found.error.is_none(), found.packets), (1, true, packets.len() as u64));
    let recorded = found.recorded.expect("the only connection");
    let mut diagram =
        Diagram::of(&recorded.record, &DiagramOptions { capture: true, ..DiagramOptions::default() });
    assert!(recorded.lost <= diagram.rows.len());
    assert_eq!(
        diagram.rows.len() as u64 + recorded.duplicates,
        packets.len() as u64,
        "as many as were captured"
    );
    let picture = Picture { diagram: diagram.clone(), ..Picture::default() };
    assert!(!svg::draw(&picture).is_empty());
    assert!(Text { picture: &picture, width: 80, ascii: true, colour: false }.to_string().is_ascii());
    // If the server's segments come first, it may be drawn on the left.
    if found.flows[0].client.port() != CLIENT.1 {
        for row in &mut diagram.rows {
            (row.client, row.server) = (row.server, row.client);
        }
    }
    (diagram, recorded.duplicates)
}

/// Formats the diagram as `handfast trace` does.
fn printed(diagram: &Diagram) -> String {
    let picture = Picture { diagram: diagram.clone(), ..Picture::default() };
    Text { picture: &picture, width: 100, ascii: true, colour: false }.to_string()
}

/// Whether RFC 9293 3.3.2 allows this change, with the steps that were not captured.
fn may(from: State, to: State) -> bool {
    let after: &[State] = match from {
        Unknown => return true,
        Closed => &[SynSent, Listen],
        Listen => &[SynReceived, SynSent],
        SynSent => &[SynReceived, Established],
        SynReceived => &[Established, FinWait1, CloseWait],
        Established => &[FinWait1, CloseWait],
        FinWait1 => &[FinWait2, Closing, TimeWait],
        CloseWait => &[LastAck, Closing],
        Closing | FinWait2 => &[TimeWait],
        LastAck | TimeWait => &[],
    };
    // By a RST before ESTABLISHED (RFC 9293 3.10.7.4).
    let refused = (from, to) == (SynReceived, Listen);
    refused
        || [from, Unknown, Closed].contains(&to)
        || after.iter().any(|state| *state == to || may(*state, to))
}

fn opens(row: &Row) -> bool {
    use handfast_stack::wire::Flags;
    matches!(&row.kind, RowKind::Segment(arrow) if arrow.flags.has(Flags::SYN))
}

fn resets_older(row: &Row) -> bool {
    use handfast_stack::wire::Flags;
    matches!(&row.kind, RowKind::Segment(arrow) if arrow.older && arrow.flags.has(Flags::RST))
}

pub fn check_steps(diagram: &Diagram) {
    for pair in diagram.rows.windows(2) {
        let [one, next] = pair else { continue };
        if !next.begins && !opens(next) {
            // A RST ends an older connection, and it listens.
            let anew = |state| state == Listen && resets_older(next);
            let step = |from, to| may(from, to) || anew(to);
            let steps = step(one.client, next.client) && step(one.server, next.server);
            assert!(steps, "{one:?}\n{next:?}\n{}", printed(diagram));
        }
    }
    for row in &diagram.rows {
        let RowKind::Segment(arrow) = &row.kind else { continue };
        let sane = |number: u32| number < 1 << 24;
        let sane = arrow.older || sane(arrow.seq) && arrow.ack.is_none_or(sane);
        assert!(sane, "{arrow:?}\n{}", printed(diagram));
    }
}

/// Each row is true of its packet, or `?`.
fn check_truth(diagram: &Diagram, packets: &[Sent], unknown: bool) {
    assert_eq!(diagram.rows.len(), packets.len());
    for (row, sent) in diagram.rows.iter().zip(packets) {
        let RowKind::Segment(arrow) = &row.kind else { panic!("a segment") };
        assert_eq!(arrow.payload_len as usize, sent.payload);
        for (drawn, truth) in [(row.client, sent.truth.0), (row.server, sent.truth.1)] {
            let fits = drawn == truth || unknown && drawn == Unknown;
            assert!(fits, "{drawn} drawn, {truth} true: {sent:?}\n{}", printed(diagram));
        }
    }
}

/// Some sequence numbers wrap.
const ISNS: [u32; 9] =
    [0, 1, 1_000, 0x7fff_fff0, 0x8000_0000, 0xc000_0000, u32::MAX - 2_000, u32::MAX - 1, u32::MAX];

fn story() -> impl Strategy<Value = Story> {
    let close = (any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(client_first, more, merged)| End::Close { client_first, more, merged });
    let end = prop_oneof![
        4 => close,
        1 => any::<bool>().prop_map(|by_client| End::Reset { by_client }),
        1 => Just(End::Forgotten),
    ];
    let data = prop::collection::vec((any::<bool>(), 1..1_400_usize), 0..6);
    ((0..ISNS.len(), 0..ISNS.len()).prop_map(|(client, server)| (ISNS[client], ISNS[server])), data, end)
        .prop_map(|(isns, data, end)| Story { isns, data, end })
}

/// With a counting identification (IPv4), or without (IPv6).
fn packets(most: usize) -> impl Strategy<Value = Vec<Sent>> {
    (prop::collection::vec(story(), 1..=most), any::<bool>())
        .prop_map(|(stories, ids)| Player::play(&stories, ids))
        .prop_filter("the RST of a closed port, by one number in 2^32", |packets| {
            !packets.iter().any(|sent| sent.flags == "R." && sent.seq == 0)
        })
}

fn duplicated(packets: &[Sent]) -> Vec<Sent> {
    packets.iter().flat_map(|sent| [sent.clone(), Sent { at: sent.at + 20, ..sent.clone() }]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing is `?`, also where the 4-tuple is used again without a close.
    #[test]
    fn a_whole_capture_is_drawn_whole(packets in packets(3)) {
        let (diagram, twice) = drawn(&packets);
        prop_assert_eq!(twice, 0);
        check_truth(&diagram, &packets, false);
        check_steps(&diagram);
    }

    #[test]
    fn a_duplicated_capture_is_drawn_once(packets in packets(2)) {
        let (diagram, twice) = drawn(&duplicated(&packets));
        prop_assert_eq!(twice, packets.len() as u64);
        check_truth(&diagram, &packets, false);
    }

    #[test]
    fn a_cut_capture_shows_true_states(packets in packets(2), cut in any::<prop::sample::Index>()) {
        let packets = &packets[cut.index(packets.len())..];
        let (diagram, _) = drawn(packets);
        check_truth(&diagram, packets, true);
        check_steps(&diagram);
    }

    #[test]
    fn one_direction_shows_true_states(packets in packets(2), up in any::<bool>(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(packets.len());
        let packets: Vec<Sent> = packets[cut..].iter().filter(|sent| sent.up == up).cloned().collect();
        if !packets.is_empty() {
            let (diagram, _) = drawn(&packets);
            check_truth(&diagram, &packets, true);
            check_steps(&diagram);
        }
    }

    #[test]
    fn a_capture_with_gaps_shows_true_states(packets in packets(2), kept in prop::collection::vec(0..4, 80)) {
        let kept = packets.iter().zip(kept).filter(|(_, kept)| *kept > 0);
        let packets: Vec<Sent> = kept.map(|(sent, _)| sent.clone()).collect();
        if !packets.is_empty() {
            let (diagram, _) = drawn(&packets);
            check_truth(&diagram, &packets, true);
            check_steps(&diagram);
        }
    }

    /// Duplicated too, and with gaps: the drawn states are possible.
    #[test]
    fn a_reordered_capture_has_no_impossible_step(
        packets in packets(3),
        swaps in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
        double in any::<bool>(),
    ) {
        let mut packets = if double { duplicated(&packets) } else { packets };
        for swap in swaps {
            let (place, last) = (swap.index(packets.len()), packets.len() - 1);
            packets.swap(place, (place + 1).min(last));
        }
        check_steps(&drawn(&packets).0);
    }
}

/// This test relies on the order of the directions.
#[test]
fn the_client_is_on_the_left() {
    let packets = Player::play(&[Story { isns: (1, 2), data: Vec::new(), end: End::Forgotten }], true);
    let (diagram, _) = drawn(&packets);
    assert!(
        matches!(&diagram.rows[0].kind, RowKind::Segment(arrow) if arrow.direction == Direction::ToServer)
    );
}

/// What was kept of the stories, by number, admits other states than the likely ones.
#[test]
fn what_is_left_proves_no_likely_state() {
    let close = |client_first| End::Close { client_first, more: false, merged: false };
    let story = |data: &[(bool, usize)], end| Story { isns: (0, 7_000), data: data.to_vec(), end };
    let kept = |stories: &[Story], kept: &[usize]| {
        let packets = Player::play(stories, false);
        let kept: Vec<Sent> = kept.iter().map(|number| packets[*number].clone()).collect();
        let (diagram, _) = drawn(&kept);
        check_truth(&diagram, &kept, true);
        check_steps(&diagram);
    };
    // A SYN, and the acknowledgement of the FIN.
    kept(&[story(&[], close(false))], &[0, 4]);
    // A SYN, and the acknowledgement of data; then the same ports again, or their RST alone.
    let two = [story(&[(true, 1_000)], End::Forgotten), story(&[], End::Reset { by_client: true })];
    kept(&two, &[0, 4, 5, 6, 7, 8]);
    kept(&two, &[0, 1, 2, 3, 4, 8]);
    // A SYN, and the end of the next connection.
    let two = [story(&[], End::Forgotten), story(&[], close(true))];
    kept(&two, &[0, 9]);
    kept(&two, &[0, 7, 9]);
    kept(&two, &[0, 8, 9]);
}
