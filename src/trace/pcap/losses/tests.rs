use super::*;
use Direction::{ToClient, ToServer};

/// Client's and server's first numbers; the client's wrap at once.
const C: u32 = u32::MAX;
const S: u32 = 9_000;

/// Builds a record: milliseconds, direction, flags, numbers counted from 0, payload.
#[derive(Default)]
struct Story(Record, bool);

impl Story {
    fn then(
        mut self,
        ms: u64,
        direction: Direction,
        flags: &str,
        (seq, ack): (u32, u32),
        payload: u32,
    ) -> Story {
        let (own, peer) = if direction == ToServer { (C, S) } else { (S, C) };
        let bit = |(letter, flag): (char, Flags)| if flags.contains(letter) { flag } else { Flags(0) };
        let flags = [('S', Flags::SYN), ('F', Flags::FIN), ('A', Flags::ACK)]
            .map(bit)
            .into_iter()
            .fold(Flags(0), Flags::with);
        let segment = Segment {
            seq: Seq(own.wrapping_add(seq)),
            ack: Seq(peer.wrapping_add(ack)),
            flags,
            window: Some(if self.1 { 0 } else { 1_000 }),
            payload_len: payload,
            ..Segment::default()
        };
        self.0.push_delivered(Duration::from_millis(ms), direction, segment);
        self
    }

    fn open() -> Story {
        Story::default().then(0, ToServer, "S", (0, 0), 0).then(1, ToClient, "SA", (0, 1), 0).then(
            2,
            ToServer,
            "A",
            (1, 1),
            0,
        )
    }

    /// From now on no side has room.
    fn full(mut self) -> Story {
        self.1 = true;
        self
    }

    fn lost(mut self) -> Vec<usize> {
        let count = infer(&mut self.0);
        let lost: Vec<usize> = self
            .0
            .moments
            .iter()
            .filter_map(|moment| match moment.event {
                Event::Lost(number) => Some(number),
                _ => None,
            })
            .collect();
        assert_eq!(lost.len(), count);
        lost
    }
}

#[test]
fn nothing_is_lost_where_nothing_comes_again() {
    let story = Story::open().then(3, ToServer, "A", (1, 1), 100).then(4, ToClient, "A", (1, 101), 0);
    assert_eq!(story.lost(), [0; 0]);
}

#[test]
fn a_segment_that_comes_again_unanswered_was_lost() {
    for flags in ["S", "FA", "A"] {
        let payload = if flags == "A" { 100 } else { 0 };
        let (first, again) = (0, 200);
        let story = Story::default().then(first, ToServer, flags, (0, 0), payload).then(
            again,
            ToServer,
            flags,
            (0, 0),
            payload,
        );
        let story = story.then(201, ToClient, "SA", (0, 1), 0);
        assert_eq!(story.lost(), [0], "{flags}");
    }
}

/// Nothing is known of what arrived.
#[test]
fn of_a_direction_alone_nothing_is_lost() {
    let story = Story::default().then(0, ToServer, "S", (0, 0), 0).then(1_000, ToServer, "S", (0, 0), 0);
    assert_eq!(story.lost(), [0; 0]);
}

/// It has reached a side that has an older connection.
#[test]
fn a_syn_that_is_challenged_was_not_lost() {
    let story = Story::default()
        .then(0, ToServer, "S", (0, 0), 0)
        .then(1, ToClient, "A", (9, 90_000), 0)
        .then(1_000, ToServer, "S", (0, 0), 0)
        .then(1_001, ToClient, "SA", (0, 1), 0);
    assert_eq!(story.lost(), [0; 0]);
}

#[test]
fn a_window_probe_that_is_not_taken_was_not_lost() {
    let story = Story::open()
        .full()
        .then(3, ToClient, "A", (1, 1), 0)
        .then(300, ToServer, "A", (1, 1), 1)
        .then(301, ToClient, "A", (1, 1), 0)
        .then(900, ToServer, "A", (1, 1), 1)
        .then(901, ToClient, "A", (1, 1), 0);
    assert_eq!(story.lost(), [0; 0]);
}

/// Taken on every interface, a packet is captured twice.
#[test]
fn a_packet_captured_twice_was_not_lost() {
    let story = Story::open()
        .then(3, ToServer, "A", (1, 1), 100)
        .then(3, ToServer, "A", (1, 1), 100)
        .then(4, ToClient, "A", (1, 101), 0)
        .then(4, ToClient, "A", (1, 101), 0)
        .then(9, ToServer, "A", (101, 1), 100)
        .then(9, ToServer, "A", (101, 1), 100);
    assert_eq!(story.lost(), [0; 0]);
}

#[test]
fn what_the_peer_asks_for_again_was_lost_without_a_time_out() {
    let story = Story::open()
        .then(3, ToServer, "A", (1, 1), 100)
        .then(3, ToServer, "A", (101, 1), 100)
        .then(3, ToServer, "A", (201, 1), 100)
        .then(3, ToServer, "A", (301, 1), 100)
        .then(4, ToClient, "A", (1, 101), 0)
        .then(4, ToClient, "A", (1, 101), 0)
        .then(5, ToServer, "A", (101, 1), 100)
        // By its selective acknowledgements, before anything cumulative came.
        .then(5, ToServer, "A", (301, 1), 100)
        .then(6, ToClient, "A", (1, 401), 0);
    assert_eq!(story.lost(), [4, 6]);
}

/// The last ACK of a close: the FIN came, and comes again.
#[test]
fn the_ack_of_a_syn_or_fin_that_comes_again_was_lost() {
    let story = Story::open()
        .then(3, ToServer, "FA", (1, 1), 0)
        .then(4, ToClient, "FA", (1, 2), 0)
        .then(5, ToServer, "A", (2, 2), 0)
        .then(1_005, ToClient, "FA", (1, 2), 0)
        .then(1_006, ToServer, "A", (2, 2), 0);
    assert_eq!(story.lost(), [5]);
    let story = Story::open().then(1_001, ToClient, "SA", (0, 1), 0).then(1_002, ToServer, "A", (1, 1), 0);
    assert_eq!(story.lost(), [2]);
}

#[test]
fn an_ack_that_crossed_the_copy_was_not_lost() {
    let story = Story::open().then(100, ToClient, "SA", (0, 1), 0);
    assert_eq!(story.lost(), [0; 0]);
}

/// Data that arrived carried the same acknowledgement.
#[test]
fn an_ack_is_not_lost_if_what_came_with_data_was_not() {
    let story = Story::open().then(3, ToServer, "A", (1, 1), 100).then(4, ToClient, "A", (1, 101), 0).then(
        1_001,
        ToClient,
        "SA",
        (0, 1),
        0,
    );
    assert_eq!(story.lost(), [0; 0]);
}

#[test]
fn each_copy_but_the_last_may_be_lost() {
    let story = Story::default()
        .then(0, ToServer, "S", (0, 0), 0)
        .then(1_000, ToServer, "S", (0, 0), 0)
        .then(3_000, ToServer, "S", (0, 0), 0)
        .then(3_001, ToClient, "SA", (0, 1), 0);
    assert_eq!(story.lost(), [0, 1]);
}

/// What the first connection leaves unacknowledged is no part of the second.
#[test]
fn connections_between_the_same_ports_are_kept_apart() {
    // The second counts from before the first.
    let (c, s) = (u32::MAX - 1_000, u32::MAX - 2_000);
    let story = Story::open()
        .then(3, ToServer, "A", (1, 1), 100)
        .then(1_000, ToServer, "S", (c, 0), 0)
        .then(1_001, ToClient, "SA", (s, c + 1), 0)
        .then(1_002, ToServer, "A", (c + 1, s + 1), 0)
        .then(1_003, ToServer, "A", (c + 1, s + 1), 100)
        .then(1_004, ToClient, "A", (s + 1, c + 101), 0)
        .then(2_000, ToServer, "A", (c + 1, s + 1), 100);
    assert_eq!(story.lost(), [0; 0]);
}
