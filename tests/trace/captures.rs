//! `handfast trace` on captures of every kind, whole and broken. They are written here, octet by octet:
//! what reads them shares nothing with what made them.

use std::path::PathBuf;

use etherparse::PacketBuilder;
use tempfile::TempDir;

use crate::stage::{complaint, printed};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 7], 41_022);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 50], 80);
/// The client's ISN: the numbers wrap at once.
const C: u32 = u32::MAX;
const S: u32 = 7_000;

/// From the IP header on.
fn segment(to_server: bool, flags: &str, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let ((from, from_port), (to, to_port)) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let mut tcp = PacketBuilder::ipv4(from, to, 64).tcp(from_port, to_port, seq, 1_000);
    for flag in flags.chars() {
        tcp = match flag {
            'S' => tcp.syn(),
            'F' => tcp.fin(),
            'R' => tcp.rst(),
            'P' => tcp.psh(),
            _ => tcp.ack(ack),
        };
    }
    let mut packet = Vec::new();
    tcp.write(&mut packet, payload).expect("a packet");
    packet
}

/// A request and its answer; the FIN comes twice: the first was lost.
fn conversation() -> Vec<Vec<u8>> {
    let (c, s) = (C.wrapping_add(1), S + 1);
    vec![
        segment(true, "S", C, 0, b""),
        segment(false, "S.", S, c, b""),
        segment(true, ".", c, s, b""),
        segment(true, "P.", c, s, b"GET /"),
        segment(false, "P.", s, c.wrapping_add(5), b"two hundred"),
        segment(true, ".", c.wrapping_add(5), s + 11, b""),
        segment(true, "F.", c.wrapping_add(5), s + 11, b""),
        segment(true, "F.", c.wrapping_add(5), s + 11, b""),
        segment(false, "F.", s + 11, c.wrapping_add(6), b""),
        segment(true, ".", c.wrapping_add(6), s + 12, b""),
    ]
}

/// What every reading of [`conversation`] must come to, below the heading.
const DRAWN: &str = "\
10.0.0.7:41022                                                     10.0.0.50:80
CLOSED                                                             LISTEN
SYN-SENT      --- SYN         seq 0                   len 0    --> SYN-RECEIVED
ESTABLISHED   <-- SYN ACK     seq 0       ack 1       len 0    --- SYN-RECEIVED
ESTABLISHED   --- ACK         seq 1       ack 1       len 0    --> ESTABLISHED
ESTABLISHED   --- PSH ACK     seq 1       ack 1       len 5    --> ESTABLISHED
ESTABLISHED   <-- PSH ACK     seq 1       ack 6       len 11   --- ESTABLISHED
ESTABLISHED   --- ACK         seq 6       ack 12      len 0    --> ESTABLISHED
FIN-WAIT-1    --- FIN ACK     seq 6       ack 12      len 0    -X  ESTABLISHED
FIN-WAIT-1    --- FIN ACK     seq 6       ack 12      len 0    --> CLOSE-WAIT
TIME-WAIT     <-- FIN ACK     seq 12      ack 7       len 0    --- LAST-ACK
TIME-WAIT     --- ACK         seq 7       ack 13      len 0    --> CLOSED
";

fn link(header: &[u8]) -> impl Fn(Vec<u8>) -> Vec<u8> {
    let header = header.to_vec();
    move |packet| [header.clone(), packet].concat()
}

const ETHERNET: &[u8] = &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];

/// When each packet was captured, in milliseconds: a copy of the last one comes after a time-out.
fn times(packets: &[Vec<u8>]) -> Vec<u64> {
    let mut now = 0;
    let gaps = packets.windows(2).map(|pair| if pair[0] == pair[1] { 300 } else { 10 });
    std::iter::once(0)
        .chain(gaps.map(|gap| {
            now += gap;
            now
        }))
        .collect()
}

fn pcap(link: u32, packets: &[Vec<u8>], snap: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link] {
        file.extend(word.to_le_bytes());
    }
    for (packet, millis) in packets.iter().zip(times(packets)) {
        let kept = packet.len().min(snap);
        let micros = (millis * 1_000) as u32;
        for word in [1_700_000_000, micros, kept as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&packet[..kept]);
    }
    file
}

/// Big-endian throughout, nanoseconds, with a block that nobody knows.
fn pcapng(link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (body.len() as u32 + 12).to_be_bytes();
        [&kind.to_be_bytes()[..], &length, &body, &length].concat()
    };
    let section = [&[0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0][..], &[0xff; 8]].concat();
    let described =
        [&link.to_be_bytes()[..], &[0, 0, 0, 0, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &described), block(0x0bad, b"unknown")].concat();
    for (packet, millis) in packets.iter().zip(times(packets)) {
        let stamp = 1_700_000_000_000_000_000_u64 + millis * 1_000_000;
        let mut body = vec![0; 4];
        body.extend(stamp.to_be_bytes());
        body.extend((packet.len() as u32).to_be_bytes());
        body.extend((packet.len() as u32).to_be_bytes());
        body.extend(packet);
        file.extend(block(6, &body));
    }
    file
}

struct Saved {
    _directory: TempDir,
    path: PathBuf,
}

fn save(octets: &[u8]) -> Saved {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("capture");
    std::fs::write(&path, octets).expect("written");
    Saved { _directory: directory, path }
}

impl Saved {
    fn trace<T>(&self, run: impl Fn(&[&str]) -> T, more: &[&str]) -> T {
        let path = self.path.to_str().expect("UTF-8");
        let arguments = ["trace", "--pcap", path, "--ascii", "--width", "80"];
        run(&[&arguments[..], more].concat())
    }
}

/// Without heading, silences and sentences: they are indented, or come first.
fn rows(text: &str) -> String {
    let rows = text.lines().skip_while(|line| !line.is_empty()).skip(1);
    let rows = rows.filter(|line| !line.starts_with("   "));
    rows.map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_link_and_both_formats_come_to_the_same() {
    let vlan = [&ETHERNET[..12], &[0x81, 0, 0, 42, 8, 0]].concat();
    let cooked = [&[0, 0, 0, 1, 0, 6][..], &[0; 8], &[8, 0]].concat();
    let cooked_2 = [&[8, 0][..], &[0; 18]].concat();
    let links: [(u32, &[u8]); 7] = [
        (1, ETHERNET),
        (1, &vlan),
        (113, &cooked),
        (276, &cooked_2),
        (101, &[]),
        (228, &[]),
        (0, &[2, 0, 0, 0]),
    ];
    for (number, header) in links {
        let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(header)).collect();
        for file in [pcap(number, &packets, 65_535), pcapng(number as u16, &packets)] {
            let text = save(&file).trace(printed, &[]);
            assert_eq!(rows(&text), DRAWN, "link type {number}:\n{text}");
            assert_eq!(text.matches(": 0.3 s\n").count(), 1, "the wait before the second FIN:\n{text}");
        }
    }
}

/// As `tcpdump -s 54` leaves them: lengths are those of the wire.
#[test]
fn cut_packets_count_whole() {
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    let text = save(&pcap(1, &packets, 54)).trace(printed, &[]);
    assert_eq!(rows(&text), DRAWN, "{text}");
}

#[test]
fn of_several_connections_one_is_chosen() {
    let mut packets = conversation();
    let mut other = PacketBuilder::ipv4([10, 0, 0, 8], SERVER.0, 64).tcp(5_000, 80, 1, 1_000);
    other = other.syn();
    let mut syn = Vec::new();
    other.write(&mut syn, b"").expect("a packet");
    packets.insert(4, syn);
    let saved = save(&pcap(101, &packets, 65_535));
    let listing = saved.trace(printed, &[]);
    assert!(listing.contains("2 connections in 11 packets"), "{listing}");
    assert!(listing.contains("--flow 10.0.0.7:41022-10.0.0.50:80         10 segments"), "{listing}");
    assert!(listing.contains("--flow 10.0.0.8:5000-10.0.0.50:80           1 segment\n"), "{listing}");
    for flow in ["10.0.0.7:41022-10.0.0.50:80", "10.0.0.50:80-10.0.0.7:41022"] {
        assert_eq!(rows(&saved.trace(printed, &["--flow", flow])), DRAWN, "{flow}");
    }
    let text = saved.trace(complaint, &["--flow", "10.0.0.9:1-10.0.0.50:80"]);
    assert!(text.contains("no segment of that connection") && text.contains("fix: handfast trace"), "{text}");
}

/// A capture that begins in the middle of a connection: nothing is made up of its beginning.
#[test]
fn a_beginning_that_nobody_saw() {
    let packets: Vec<Vec<u8>> = conversation().into_iter().skip(3).collect();
    let text = save(&pcap(101, &packets, 65_535)).trace(printed, &[]);
    let drawn = rows(&text);
    assert!(
        drawn
            .lines()
            .nth(1)
            .is_some_and(|line| line.starts_with("ESTABLISHED") && line.ends_with("ESTABLISHED")),
        "{text}"
    );
    assert!(drawn.contains("--- PSH ACK     seq 0       ack 0       len 5    --> ESTABLISHED"), "{text}");
    assert!(drawn.ends_with("--- ACK         seq 6       ack 12      len 0    --> CLOSED\n"), "{text}");
}

#[test]
fn long_connections_are_drawn_in_part_and_counted_whole() {
    let mut packets = conversation();
    let ack = packets[5].clone();
    packets.extend(std::iter::repeat_n(ack, 5_000));
    let text = save(&pcap(101, &packets, 65_535)).trace(printed, &["--most", "12"]);
    assert_eq!(rows(&text).lines().filter(|line| line.contains("seq")).count(), 12, "{text}");
    assert!(text.contains("5,010 segments in capture") && text.contains("and 4,998 more segments"), "{text}");
}

#[test]
fn what_is_broken_is_named_with_its_place() {
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    let (classic, modern) = (pcap(1, &packets, 65_535), pcapng(1, &packets));
    let mut absurd = classic.clone();
    // The captured length of the first packet.
    absurd[32..36].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    let mut nobody = modern.clone();
    // Section 28 octets, interface 32, the unknown block 20: then the first packet's interface.
    nobody[88..92].copy_from_slice(&7_u32.to_be_bytes());
    let first_two = 24 + 2 * 16 + packets[0].len() + packets[1].len();
    for (octets, says) in [
        (&classic[..first_two + 30], format!("ends in the middle of packet 3, at octet {}", first_two + 30)),
        (&classic[..first_two + 3], format!("ends in the middle of packet 3, at octet {}", first_two + 3)),
        (&modern[..modern.len() - 6], format!("in the middle of packet 10, at octet {}", modern.len() - 6)),
        (&absurd, "packet 1, at octet 40, claims 2147483647 octets".into()),
        (&nobody, "packet 1, at octet 80, names interface 7, which it never described".into()),
        (b"GET / HTTP/1.1\r\n", "it begins with [47, 45, 54, 20]".into()),
        (b"", "empty: there is not one octet in it".into()),
        (&classic[..7], "in the middle of its header, at octet 7".into()),
        (&pcap(147, &packets, 65_535), "packet 1, at octet 24, is of link type 147".into()),
        (&pcap(1, &[], 65_535), "no TCP segment among its 0 packets".into()),
        (&pcap(1, &[vec![0xff; 60]], 65_535), "no TCP segment among its 1 packet\n".into()),
    ] {
        let text = save(octets).trace(complaint, &[]);
        assert!(text.starts_with("handfast: ") && text.contains(&says), "{says}: {text}");
    }
}

/// What came before the cut is drawn.
#[test]
fn a_cut_capture_shows_what_it_has() {
    let octets = pcap(101, &conversation(), 65_535);
    let saved = save(&octets[..octets.len() - 1]);
    let output = saved.trace(crate::stage::handfast, &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let last = DRAWN.lines().last().expect("a line");
    assert_eq!(format!("{}{last}\n", rows(&text)), DRAWN, "{text}");
    assert_eq!(output.status.code(), Some(1));
}

/// More connections than are told apart, and the wanted one behind them.
#[test]
fn beyond_the_limit_connections_are_counted_and_the_wanted_one_is_found() {
    use handfast::trace::pcap::MOST_FLOWS;
    let syn = |port: usize| {
        let mut packet = Vec::new();
        let tcp = PacketBuilder::ipv4([10, 0, 0, 9], SERVER.0, 64).tcp(port as u16, 80, 1, 1_000).syn();
        tcp.write(&mut packet, b"").expect("a packet");
        packet
    };
    let mut packets: Vec<Vec<u8>> = (0..MOST_FLOWS).map(|flow| syn(1_000 + flow)).collect();
    packets.extend(conversation());
    let saved = save(&pcap(101, &packets, 65_535));
    let listing = saved.trace(printed, &[]);
    assert!(
        listing.contains("more than 10,000 connections")
            && listing.contains("and 10 segments of still others"),
        "{listing}"
    );
    let text = saved.trace(printed, &["--flow", "10.0.0.7:41022-10.0.0.50:80"]);
    assert_eq!(rows(&text), DRAWN, "{text}");
}

/// Whatever the octets, there is an end and no panic.
#[test]
fn damaged_at_any_place() {
    use handfast::trace::pcap::{Flows, Packets};
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    for file in [pcap(1, &packets, 65_535), pcapng(1, &packets)] {
        for place in 0..file.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut octets = file.clone();
                octets[place] = value;
                if let Ok(mut packets) = Packets::open(&octets[..]) {
                    assert!(Flows::of(&mut packets, None).packets <= 20);
                }
            }
        }
    }
}
