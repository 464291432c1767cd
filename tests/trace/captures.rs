//! `handfast trace` on captures of every kind, valid and corrupt. They are written here, byte by byte, without code of
//! the reader.

use std::path::PathBuf;

use etherparse::PacketBuilder;
use tempfile::TempDir;

use crate::output::{complaint, printed};

const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 7], 41_022);
const SERVER: ([u8; 4], u16) = ([10, 0, 0, 50], 80);
/// The client's ISN: the sequence numbers wrap soon.
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

/// A request and its response; the FIN is retransmitted: the first was lost.
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

/// Capture time of each packet, in milliseconds: the last one is retransmitted after a timeout.
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
    let times = times(packets);
    pcap_at(link, &times.into_iter().zip(packets.iter().cloned()).collect::<Vec<_>>(), snap)
}

/// With the millisecond of each packet.
pub fn pcap_at(link: u32, packets: &[(u64, Vec<u8>)], snap: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, link] {
        file.extend(word.to_le_bytes());
    }
    for (millis, packet) in packets {
        let kept = packet.len().min(snap);
        let (seconds, micros) = (1_700_000_000 + millis / 1_000, millis % 1_000 * 1_000);
        for word in [seconds as u32, micros as u32, kept as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&packet[..kept]);
    }
    file
}

/// Big-endian throughout, nanoseconds, with an unknown block.
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

pub struct Saved {
    _directory: TempDir,
    pub path: PathBuf,
}

pub fn save(bytes: &[u8]) -> Saved {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("capture");
    std::fs::write(&path, bytes).expect("written");
    Saved { _directory: directory, path }
}

impl Saved {
    fn trace<T>(&self, run: impl Fn(&[&str]) -> T, more: &[&str]) -> T {
        let path = self.path.to_str().expect("UTF-8");
        let arguments = ["trace", "--pcap", path, "--ascii", "--width", "80"];
        run(&[&arguments[..], more].concat())
    }
}

/// Returns the rows without heading, pauses and explanations.
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

/// As `tcpdump -s 54` leaves them, with options or without: lengths are those of the wire. Down to the
/// flags is enough; less is reported.
#[test]
fn cut_packets_count_whole() {
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    for snap in [48, 50, 54] {
        let text = save(&pcap(1, &packets, snap)).trace(printed, &[]);
        assert_eq!(rows(&text), DRAWN, "{snap}: {text}");
    }
    let with_options: Vec<Vec<u8>> = packets.iter().cloned().map(timestamped).collect();
    for snap in [54, 60, 65_535] {
        let text = save(&pcap(1, &with_options, snap)).trace(printed, &[]);
        assert_eq!(rows(&text), DRAWN, "{snap}: {text}");
    }
    let text = save(&pcap(1, &packets, 47)).trace(complaint, &[]);
    assert!(
        text.contains("10 truncated before the TCP flags") && text.contains("fix: capture with a larger"),
        "{text}"
    );
}

/// The same Ethernet packet with twelve bytes of options.
fn timestamped(mut packet: Vec<u8>) -> Vec<u8> {
    let total = u16::from_be_bytes([packet[16], packet[17]]) + 12;
    packet[16..18].copy_from_slice(&total.to_be_bytes());
    packet[46] = 0x80;
    packet.splice(54..54, [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet
}

/// Every tunnel, and two nested ones.
/// Wraps a packet.
type Way<'a> = dyn Fn(Vec<u8>) -> Vec<u8> + 'a;

#[test]
fn what_is_in_a_tunnel_is_drawn() {
    let outer = |protocol: u8, payload: Vec<u8>| {
        let mut packet = Vec::new();
        let ip = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
        ip.write(&mut packet, etherparse::IpNumber(protocol), &payload).expect("a packet");
        [ETHERNET, &packet].concat()
    };
    let ip = |packet: Vec<u8>| packet[14..].to_vec();
    let udp = |to: u16, payload: Vec<u8>| {
        let length = (payload.len() as u16 + 8).to_be_bytes();
        outer(17, [&[0xc0, 0, (to >> 8) as u8, to as u8, length[0], length[1], 0, 0][..], &payload].concat())
    };
    let ethernet = |packet: Vec<u8>| [ETHERNET, &packet].concat();
    let typed =
        |kind: [u8; 2], header: &[u8], packet: Vec<u8>| [&ETHERNET[..12], &kind, header, &packet].concat();
    let pppoe = |packet: Vec<u8>| {
        let length = (packet.len() as u16 + 2).to_be_bytes();
        typed([0x88, 0x64], &[0x11, 0, 0, 7, length[0], length[1], 0, 0x21], packet)
    };
    let vxlan = |packet| udp(4789, [&[8, 0, 0, 0, 0, 0, 42, 0][..], &ethernet(packet)].concat());
    let gre = |header: &[u8], packet: Vec<u8>| outer(47, [header, &packet].concat());
    let ways: [(&str, &Way); 14] = [
        ("VXLAN", &vxlan),
        ("VXLAN, Linux' port", &|packet| {
            udp(8472, [&[8, 0, 0, 0, 0, 0, 42, 0][..], &ethernet(packet)].concat())
        }),
        ("Geneve", &|packet| {
            udp(6081, [&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 4][..], &ethernet(packet)].concat())
        }),
        ("GTP-U", &|packet| udp(2152, [&[0x30, 255, 0, 0, 0, 0, 0, 1][..], &packet].concat())),
        ("GRE", &|packet| gre(&[0, 0, 8, 0], packet)),
        ("GRE with checksum, key, number", &|packet| {
            gre(&[[0xb0, 0, 8, 0], [0; 4], [0; 4], [0; 4]].concat(), packet)
        }),
        ("GRE with Ethernet", &|packet| gre(&[0, 0, 0x65, 0x58], ethernet(packet))),
        ("PPTP", &|packet| gre(&[0x30, 1, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 5, 0xff, 3, 0, 0x21], packet)),
        ("ERSPAN II", &|packet| gre(&[&[0x10, 0, 0x88, 0xbe][..], &[0; 12]].concat(), ethernet(packet))),
        ("IPIP", &|packet| outer(4, packet)),
        ("PPPoE", &pppoe),
        ("MPLS", &|packet| typed([0x88, 0x47], &[0, 1, 0, 64, 0, 2, 1, 64], packet)),
        ("Ethernet over MPLS", &|packet| typed([0x88, 0x47], &[0, 1, 1, 64, 0, 0, 0, 0], ethernet(packet))),
        ("IPIP in GRE", &|packet| gre(&[0, 0, 8, 0], ip(outer(4, packet)))),
    ];
    for (name, way) in ways {
        let packets: Vec<Vec<u8>> = conversation().into_iter().map(way).collect();
        let text = save(&pcap(1, &packets, 65_535)).trace(printed, &[]);
        assert_eq!(rows(&text), DRAWN, "{name}:\n{text}");
    }
}

/// Packets of other links are skipped and counted, as is everything that is not TCP.
#[test]
fn what_is_not_tcp_is_counted_by_name() {
    let mut packets: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3 {
        let mut udp = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(5, 53);
        builder.write(&mut udp, b"?").expect("a packet");
        packets.push([ETHERNET, &udp].concat());
    }
    packets.push([&ETHERNET[..12], &[8, 6], &[0; 28]].concat());
    let mut fragment = [ETHERNET, &conversation()[3]].concat();
    fragment[20] = 0x20;
    packets.push(fragment);
    let text = save(&pcap(1, &packets, 65_535)).trace(complaint, &[]);
    assert!(
        text.contains("no TCP segment among its 5 packets: 3 UDP, 1 ARP, 1 fragment of an IP packet"),
        "{text}"
    );
}

/// Blocks of pcapng: interfaces with these links, then packets.
fn little_pcapng(links: &[u16], packets: &[(u32, u32, Vec<u8>)]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let mut body = body.to_vec();
        body.resize(body.len().next_multiple_of(4), 0);
        let length = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &body, &length].concat()
    };
    let mut file = block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8]].concat());
    for link in links {
        file.extend(block(1, &[&link.to_le_bytes()[..], &[0; 6]].concat()));
    }
    let bodies: Vec<Vec<u8>> = packets.iter().map(|(_, _, packet)| packet.clone()).collect();
    for ((kind, interface, packet), millis) in packets.iter().zip(times(&bodies)) {
        let (micros, length) = ((millis * 1_000).to_le_bytes(), (packet.len() as u32).to_le_bytes());
        let mut body = interface.to_le_bytes().to_vec();
        body.extend([&micros[4..], &micros[..4], &length, &length, packet].concat());
        file.extend(block(*kind, &body));
    }
    file
}

#[test]
fn other_links_are_passed_over_and_the_old_packet_block_is_read() {
    const OLD: u32 = 2;
    let ethernet = conversation().into_iter().map(link(ETHERNET));
    let mut packets: Vec<(u32, u32, Vec<u8>)> = ethernet.map(|packet| (OLD, 1, packet)).collect();
    packets.insert(2, (6, 0, vec![0; 40]));
    let text = save(&little_pcapng(&[127, 1], &packets)).trace(printed, &[]);
    assert_eq!(rows(&text), DRAWN, "{text}");
    assert!(text.contains("1 packet of unsupported link types"), "{text}");
}

/// From standard input and from a FIFO, compressed or not.
#[test]
fn what_comes_from_a_pipe_is_drawn() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    let plain = pcap(1, &packets, 65_535);
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&plain).expect("packed");
    let packed = packer.finish().expect("packed");
    for bytes in [&plain, &packed] {
        let mut command = Command::new(support::program());
        command.args(["trace", "--pcap", "-", "--ascii", "--width", "80"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("runs");
        child.stdin.take().expect("a pipe").write_all(bytes).expect("written");
        let output = child.wait_with_output().expect("a child of ours");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(rows(&text), DRAWN, "{text}");
        assert!(text.contains("10 segments in standard input"), "{text}");

        let directory = TempDir::new().expect("a directory");
        let path = directory.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let (writer, bytes) = (path.clone(), bytes.clone());
        let thread = std::thread::spawn(move || std::fs::write(writer, bytes));
        let text = printed(&["trace", "--pcap", path.to_str().expect("UTF-8"), "--ascii", "--width", "80"]);
        thread.join().expect("no panic").expect("written");
        assert_eq!(rows(&text), DRAWN, "{text}");
    }
    let cut = save(&packed[..packed.len() / 2]).trace(complaint, &[]);
    assert!(cut.contains("read error") || cut.contains("incomplete"), "{cut}");
}

/// Any file name.
#[test]
fn a_name_moves_no_cursor() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("a\x1b[2Jb");
    std::fs::write(&path, b"no capture").expect("written");
    let text = complaint(&["trace", "--pcap", path.to_str().expect("UTF-8")]);
    assert!(!text.contains('\x1b') && text.contains("a\\u{1b}[2Jb"), "{text}");
    std::fs::write(&path, pcap(101, &conversation(), 65_535)).expect("written");
    let text = printed(&["trace", "--pcap", path.to_str().expect("UTF-8")]);
    assert!(!text.contains('\x1b') && text.contains("a\\u{1b}[2Jb"), "{text}");
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

/// A capture that begins in the middle of a connection: nothing is assumed about its beginning.
#[test]
fn a_beginning_that_was_not_captured() {
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
    let text = save(&pcap(101, &packets, 65_535)).trace(printed, &["--max-segments", "12"]);
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
    let mut undescribed = modern.clone();
    // Section 28 bytes, interface 32, the unknown block 20: then the first packet's interface.
    undescribed[88..92].copy_from_slice(&7_u32.to_be_bytes());
    let first_two = 24 + 2 * 16 + packets[0].len() + packets[1].len();
    for (bytes, says) in [
        (
            &classic[..first_two + 30],
            format!("packet 3 incomplete, the file ends at byte {}", first_two + 30),
        ),
        (&classic[..first_two + 3], format!("packet 3 incomplete, the file ends at byte {}", first_two + 3)),
        (
            &modern[..modern.len() - 6],
            format!("packet 10 incomplete, the file ends at byte {}", modern.len() - 6),
        ),
        (&absurd, "packet 1, at byte 40, claims 2147483647 bytes".into()),
        (&undescribed, "packet 1, at byte 80, refers to interface 7, which is not described".into()),
        (b"GET / HTTP/1.1\r\n", "starts with [47, 45, 54, 20]".into()),
        (b"", "empty file".into()),
        (&classic[..7], "header incomplete, the file ends at byte 7".into()),
        (
            &pcap(147, &packets, 65_535),
            "no TCP segment among its 10 packets: 10 unsupported link type 147".into(),
        ),
        (&pcap(1, &[], 65_535), "no TCP segment among its 0 packets".into()),
        (
            &pcap(1, &[vec![0xff; 60]], 65_535),
            "no TCP segment among its 1 packet: 1 EtherType 0xffff\n".into(),
        ),
    ] {
        let text = save(bytes).trace(complaint, &[]);
        assert!(text.starts_with("handfast: ") && text.contains(&says), "{says}: {text}");
    }
}

/// What came before the cut is drawn.
#[test]
fn a_cut_capture_shows_what_it_has() {
    let bytes = pcap(101, &conversation(), 65_535);
    let saved = save(&bytes[..bytes.len() - 1]);
    let output = saved.trace(crate::output::handfast, &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let last = DRAWN.lines().last().expect("a line");
    assert_eq!(format!("{}{last}\n", rows(&text)), DRAWN, "{text}");
    assert_eq!(output.status.code(), Some(1));
}

/// More connections than are distinguished, and the wanted one after them.
#[test]
fn beyond_the_limit_connections_are_counted_and_the_wanted_one_is_found() {
    use handfast_trace::pcap::MAX_FLOWS;
    let syn = |port: usize| {
        let mut packet = Vec::new();
        let tcp = PacketBuilder::ipv4([10, 0, 0, 9], SERVER.0, 64).tcp(port as u16, 80, 1, 1_000).syn();
        tcp.write(&mut packet, b"").expect("a packet");
        packet
    };
    let mut packets: Vec<Vec<u8>> = (0..MAX_FLOWS).map(|flow| syn(1_000 + flow)).collect();
    packets.extend(conversation());
    let saved = save(&pcap(101, &packets, 65_535));
    let listing = saved.trace(printed, &[]);
    assert!(
        listing.contains("more than 10,000 connections")
            && listing.contains("and 10 segments of further connections"),
        "{listing}"
    );
    let text = saved.trace(printed, &["--flow", "10.0.0.7:41022-10.0.0.50:80"]);
    assert_eq!(rows(&text), DRAWN, "{text}");
}

/// Reading ends, without a panic, for any bytes.
#[test]
fn damaged_at_any_place() {
    use handfast_trace::pcap::{Flows, Packets};
    let packets: Vec<Vec<u8>> = conversation().into_iter().map(link(ETHERNET)).collect();
    for file in [pcap(1, &packets, 65_535), pcapng(1, &packets)] {
        for place in 0..file.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = file.clone();
                bytes[place] = value;
                if let Ok(mut packets) = Packets::open(&bytes[..]) {
                    assert!(Flows::of(&mut packets, None, 100).packets <= 20);
                }
            }
        }
    }
}
