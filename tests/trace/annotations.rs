//! What is said of a capture: situations in which a diagram could invent something, and flow control.

use etherparse::{PacketBuilder, TcpOptionElement as Option_};

use crate::captures::{pcap_at, save};
use crate::output::printed;

/// Milliseconds, from the client, flags, sequence and acknowledgement number, payload, window, options.
struct Step(u64, bool, &'static str, u32, u32, usize, u16, Vec<Option_>);

fn step(at: u64, up: bool, flags: &'static str, seq: u32, ack: u32, payload: usize) -> Step {
    Step(at, up, flags, seq, ack, payload, 1_000, Vec::new())
}

impl Step {
    fn window(mut self, window: u16) -> Step {
        self.6 = window;
        self
    }

    fn option(mut self, option: Option_) -> Step {
        self.7.push(option);
        self
    }

    fn packet(&self) -> (u64, Vec<u8>) {
        let Step(at, up, flags, seq, ack, payload, window, options) = self;
        let (client, server) = (([10, 0, 0, 7], 41_022), ([10, 0, 0, 50], 80));
        let ((from, from_port), (to, to_port)) = if *up { (client, server) } else { (server, client) };
        let mut tcp = PacketBuilder::ipv4(from, to, 64).tcp(from_port, to_port, *seq, *window);
        for flag in flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                _ => tcp.ack(*ack),
            };
        }
        let tcp = tcp.options(options).expect("options");
        let mut packet = Vec::new();
        tcp.write(&mut packet, &vec![0; *payload]).expect("a packet");
        (*at, packet)
    }
}

const C: u32 = 1_000;
const S: u32 = 5_000;

fn handshake() -> Vec<Step> {
    let scale = || Option_::WindowScale(3);
    vec![
        step(0, true, "S", C, 0, 0).option(scale()),
        step(1, false, "S.", S, C + 1, 0).option(scale()),
        step(2, true, ".", C + 1, S + 1, 0),
    ]
}

/// Drawn with 120 columns, so that there are windows.
fn drawn(steps: Vec<Step>) -> String {
    let packets: Vec<(u64, Vec<u8>)> = steps.iter().map(Step::packet).collect();
    let saved = save(&pcap_at(101, &packets, 65_535));
    let path = saved.path.to_str().expect("UTF-8");
    printed(&["trace", "--pcap", path, "--ascii", "--width", "120"])
}

/// One line, without the spaces between its parts.
fn lines(text: &str) -> Vec<String> {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn all(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// RFC 9293 figure 10: the SYN was not lost, and the client waits on.
#[test]
fn a_challenged_syn_was_not_lost() {
    let text = drawn(vec![
        step(0, true, "S", C, 0, 0),
        step(1, false, ".", 77, 900_000, 0),
        step(2, true, "R", 900_000, 0, 0),
        step(1_000, true, "S", C, 0, 0),
        step(1_001, false, "S.", S, C + 1, 0),
        step(1_002, true, ".", C + 1, S + 1, 0),
    ]);
    let words = all(&text);
    assert!(!text.contains("-X") && !text.contains("lost") && !text.contains("No answer"), "{text}");
    assert!(words.contains("a challenge ACK (RFC 5961 4.2)"), "{text}");
    assert!(words.contains("The client knows of no such connection"), "{text}");
    assert!(words.contains("no older connection is in its way any more"), "{text}");
    let lines = lines(&text);
    assert!(lines.iter().any(|line| line.contains("SYN-SENT --- RST seq ?")), "{text}");
    assert!(lines.last().is_some() && words.contains("ESTABLISHED --- ACK seq 1 ack 1"), "{text}");
    assert!(!text.contains("1 connections") && !text.contains("899"), "{text}");
}

#[test]
fn a_half_open_peer_does_not_abort() {
    let mut steps = handshake();
    steps.push(step(49_000, true, ".", C + 1, S + 1, 10));
    steps.push(step(49_010, false, "R", S + 1, 0, 0));
    let words = all(&drawn(steps));
    assert!(words.contains("half-open") && !words.contains("aborts"), "{words}");
    let mut steps = handshake();
    steps.push(step(49_010, false, "R.", S + 1, C + 1, 0));
    assert!(all(&drawn(steps)).contains("The server's user aborts"));
}

#[test]
fn a_port_that_is_used_again_has_another_connection() {
    let mut steps = handshake();
    steps.push(step(8_000, true, "S", 3_000_000, 0, 0));
    steps.push(step(8_001, false, "S.", 8_000_000, 3_000_001, 0));
    steps.push(step(8_002, true, ".", 3_000_001, 8_000_001, 0));
    let text = drawn(steps);
    assert!(text.contains("2 connections one after another"), "{text}");
    assert_eq!(
        lines(&text).iter().filter(|line| line.contains("SYN-SENT --- SYN seq 0")).count(),
        2,
        "{text}"
    );
    assert!(all(&text).contains("How the last one ended was not captured"), "{text}");
}

#[test]
fn a_side_that_was_not_captured_has_no_state() {
    let text = drawn(vec![
        step(0, false, "S.", S, C + 1, 0),
        step(90, false, ".", S + 1, C + 11, 0),
        step(190, false, ".", S + 1, C + 11, 100),
        step(290, false, "F.", S + 101, C + 11, 0),
        step(390, false, ".", S + 102, C + 12, 0),
    ]);
    assert!(all(&text).contains("No segment of the client was captured"), "{text}");
    let rows: Vec<String> = lines(&text).into_iter().filter(|line| line.contains("<--")).collect();
    let ends: Vec<&str> = rows.iter().filter_map(|line| line.split("--- ").nth(1)).collect();
    assert_eq!(ends, ["SYN-RECEIVED", "ESTABLISHED", "ESTABLISHED", "FIN-WAIT-1", "?"], "{text}");
    assert!(rows.iter().all(|row| row.contains(" ? <--")), "{text}");
}

#[test]
fn windows_are_shown_and_what_they_do_is_named() {
    let mut steps = handshake();
    steps.extend([
        step(5, false, ".", S + 1, C + 1, 0),
        step(10, true, ".", C + 1, S + 1, 8_000),
        step(11, false, ".", S + 1, C + 8_001, 0).window(0),
        step(211, true, ".", C + 8_000, S + 1, 0),
        step(212, false, ".", S + 1, C + 8_001, 0).window(0),
        step(400, false, ".", S + 1, C + 8_001, 0).window(500),
        step(60_000, true, ".", C + 8_000, S + 1, 1),
        step(60_001, false, ".", S + 1, C + 8_001, 0).window(500),
    ]);
    let text = drawn(steps);
    let named: Vec<String> =
        lines(&text).into_iter().filter(|line| LABELS.contains(&line.as_str())).collect();
    assert_eq!(
        named,
        [
            "window full",
            "zero window",
            "window probe",
            "zero window",
            "window update",
            "keep-alive",
            "keep-alive ACK"
        ],
        "{text}"
    );
    assert!(text.contains("win 8000 ") && text.contains("win 4000 ") && text.contains("win 0 "), "{text}");
    assert!(!text.contains("-X") && !text.contains('?'), "{text}");
}

const LABELS: [&str; 7] =
    ["window full", "zero window", "window probe", "window update", "keep-alive", "keep-alive ACK", "unused"];

/// How a window is scaled is in the SYNs alone.
#[test]
fn a_window_of_unknown_scale_is_as_it_was_sent() {
    let text = drawn(vec![step(0, true, ".", C, S, 10).window(500), step(1, false, ".", S, C + 10, 0)]);
    assert!(
        text.contains("win 500? ") && text.contains("win 1000? ") && !text.contains("window full"),
        "{text}"
    );
}

#[test]
fn blocks_that_arrived_are_named() {
    let mut steps = handshake();
    let sack = |left, right| Option_::SelectiveAcknowledgement((C + left, C + right), [None; 3]);
    steps.extend([
        step(10, true, ".", C + 1, S + 1, 100),
        step(10, true, ".", C + 101, S + 1, 100),
        step(10, true, ".", C + 201, S + 1, 100),
        step(11, false, ".", S + 1, C + 101, 0).option(sack(201, 301)),
        step(12, true, ".", C + 101, S + 1, 100),
        step(13, false, ".", S + 1, C + 301, 0).option(sack(101, 201)),
    ]);
    let lines = lines(&drawn(steps));
    assert!(lines.iter().any(|line| line == "SACK 201-301"), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "D-SACK 101-201: received twice"), "{lines:#?}");
}
